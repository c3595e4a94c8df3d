// Session files and command lines.

import { app } from "./app.js";
import { $ } from "./elements.js";
import { videoSettings } from "./exporting.js";
import * as server from "./server.js";
import { inSession } from "./sessions.js";
import { reportingErrors, say } from "./status.js";

const KEPT_MS = 60000; // until the browser has surely begun to save a file

export function setUpSaving() {
  $("save").addEventListener("click", reportingErrors(async () => {
    await saveSession();
    say("The session is saved; open it here again like a photo.");
  }));
  $("copy").addEventListener("click", reportingErrors(copyCommand));
}

const contents = () => ({ edits: app.history.edits, video: videoSettings() });

async function saveSession() {
  const file = await inSession((id) => server.sessionFile(id, contents()));
  save(file, `${app.session.name}.stylecinegan`);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

async function copyCommand() {
  const { command, from_session } = await inSession((id) => server.command(id, contents()));
  const { strokes, has_style } = app.history.edits;
  // Masks and pictures do not fit into a line: they come in a session file.
  const needsFile = strokes.length > 0 || has_style;
  if (needsFile) await saveSession();
  await copy(needsFile ? from_session : command);
}

// Browsers grant access to the clipboard only to pages from this machine or with a certificate.
async function copy(line) {
  try {
    await navigator.clipboard.writeText(line);
    say(`Copied: ${line}`);
  } catch {
    $("command-line").value = line;
    $("command").showModal();
    $("command-line").select();
  }
}
