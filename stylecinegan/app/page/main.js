// Starts the page.

import { app, tools } from "./app.js";
import { setUpExport } from "./exporting.js";
import { setUpKeyboard } from "./keyboard.js";
import { setUpPanel } from "./panel.js";
import { setUpPlayer } from "./player.js";
import { setUpPreview } from "./preview.js";
import { setUpSaving } from "./saving.js";
import { timeouts } from "./server.js";
import { begin } from "./sessions.js";
import { setUpStage } from "./stage.js";
import { setUpStyle } from "./style.js";
import { setUpToolbar } from "./toolbar.js";
import { setUpUpload } from "./upload.js";

// For tests.
window.stylecinegan = { app, tools, timeouts };

setUpStage();
setUpToolbar();
setUpPlayer();
setUpPanel();
setUpStyle();
setUpSaving();
setUpExport();
setUpUpload();
setUpKeyboard();
setUpPreview();
begin();
