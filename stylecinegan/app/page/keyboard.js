// Keys, as listed in the dialog "Keys and gestures".

import { app, tools } from "./app.js";
import { $ } from "./elements.js";
import { setBrushSize } from "./panel.js";
import { playPause, stepFrame, zoomBy, zoomToFit } from "./player.js";
import { stopOpening } from "./sessions.js";
import { showHelp } from "./toolbar.js";

const ACTIONS = {
  v: () => tools.choose("view"),
  b: () => tools.choose("moves"),
  s: () => tools.choose("stays"),
  e: () => tools.choose("erase"),
  a: () => tools.choose("arrow"),
  n: () => tools.choose("anchor"),
  o: () => $("file").click(),
  m: () => app.toggle("showsMask"),
  " ": playPause,
  ",": () => stepFrame(-1),
  ".": () => stepFrame(1),
  "[": () => setBrushSize(tools.brush.size / 1.2),
  "]": () => setBrushSize(tools.brush.size * 1.2),
  "+": () => zoomBy(1.3),
  "=": () => zoomBy(1.3),
  "-": () => zoomBy(1 / 1.3),
  0: zoomToFit,
  "?": showHelp,
  Delete: () => tools.deleteChosen(),
  Backspace: () => tools.deleteChosen(),
  Escape: () => {
    stopOpening();
    tools.drop();
    tools.chosen = null;
  },
};
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 12; // of the cursor, in pixels of the screen; with Shift 1

const TYPED_INTO = "dialog, input:not([type=range]), select, textarea";

export function setUpKeyboard() {
  addEventListener("keydown", press);
  addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() === "c" && app.showsPhoto) app.toggle("showsPhoto");
  });
}

function press(event) {
  if (event.target.closest?.(TYPED_INTO)) return;
  const isCommand = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (isCommand && (key === "z" || key === "y")) {
    event.preventDefault();
    if (key === "y" || event.shiftKey) app.redo();
    else app.undo();
  } else if (isCommand || event.altKey) {
    return;
  } else if (event.target === $("stage") && (key in STEPS || key === "Enter")) {
    event.preventDefault();
    moveOrDraw(key, event.shiftKey);
  } else if (key === "c") {
    if (!event.repeat && !app.showsPhoto) app.toggle("showsPhoto");
  } else if (key in ACTIONS) {
    if (key === " " && event.target.closest?.("button, label")) return; // presses that
    event.preventDefault();
    ACTIONS[key]();
    app.redraw();
  }
}

// The cursor of those who draw without a pointer.
function moveOrDraw(key, hasShift) {
  if (key === "Enter") tools.press(hasShift);
  else tools.step(...STEPS[key].map((direction) => direction * (hasShift ? 1 : STEP)));
}
