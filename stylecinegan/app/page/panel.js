// The settings beside the photo: brush, motion, camera.

import { app, tools } from "./app.js";
import { $ } from "./elements.js";
import { HINTS } from "./tools.js";

const SLIDERS = ["speed", "speed_sky", "speed_water", "style_strength", "camera_amount"];
const CHOICES = ["region", "style_schedule", "camera"];
const BRUSH_SIZES = [3, 150]; // in pixels of the screen

export function setUpPanel() {
  $("size").addEventListener("input", () => setBrushSize(Number($("size").value)));
  $("softness").addEventListener("input", () => {
    tools.brush.softness = Number($("softness").value) / 100;
    showNumbers();
  });
  $("follow").addEventListener("change", () => {
    tools.brush.follows_edges = $("follow").checked;
  });
  for (const key of ["camera", "camera_amount"]) $(key).addEventListener("change", showCamera);
  for (const key of SLIDERS) {
    $(key).addEventListener("input", showNumbers);
    $(key).addEventListener("change", () => app.change({ [key]: Number($(key).value) }));
  }
  for (const key of CHOICES) {
    $(key).addEventListener("change", () => app.change({ [key]: $(key).value }));
  }
  $("text").addEventListener("change", takeText);
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter") takeText();
  });
  app.on("tool", showTool);
  app.on("edits", showEdits);
  showTool();
  showNumbers();
}

export function setBrushSize(size) {
  const [least, most] = BRUSH_SIZES;
  tools.brush.size = Math.min(most, Math.max(least, size));
  $("size").value = tools.brush.size;
  showNumbers();
  app.redraw();
}

function takeText() {
  app.change({ text: $("text").value.trim() });
}

// A camera move is visible only without a tool and without the mask.
function showCamera() {
  if (tools.tool !== "view") tools.choose("view");
  if (app.showsMask) app.toggle("showsMask");
}

function showTool() {
  $("brush").hidden = !tools.isBrush;
  showHint();
}

function showHint() {
  const standsStill = tools.tool !== "view" && app.history.edits.camera !== "none";
  $("hint").textContent = HINTS[tools.tool] + (standsStill ? " Meanwhile, the camera stands still." : "");
}

function showEdits() {
  const { edits } = app.history;
  for (const key of [...SLIDERS, ...CHOICES]) $(key).value = edits[key];
  if (document.activeElement !== $("text")) $("text").value = edits.text;
  $("camera-way").hidden = edits.camera === "none";
  showNumbers();
  showHint();
  $("hints").replaceChildren(
    ...edits.arrows.map((_, index) => hintEntry("arrow", index)),
    ...edits.anchors.map((_, index) => hintEntry("anchor", index)),
  );
}

function hintEntry(kind, index) {
  const name = `${kind === "arrow" ? "Arrow" : "Pin"} ${index + 1}`;
  const button = document.createElement("button");
  button.textContent = "×";
  button.setAttribute("aria-label", `Delete ${name.toLowerCase()}`);
  button.addEventListener("click", () => tools.delete(kind, index));
  const entry = document.createElement("li");
  entry.append(name, button);
  return entry;
}

const percent = (value) => `${Math.round(value)} %`;
const FORMATS = {
  size: (value) => String(Math.round(value)),
  softness: percent,
  camera_amount: (value) => percent(100 * value),
};
const asFactor = (value) => `${value.toFixed(2).replace(/\.?0+$/, "")} ×`;

function showNumbers() {
  for (const key of ["size", "softness", ...SLIDERS]) {
    const format = FORMATS[key] ?? asFactor;
    document.querySelector(`output[for=${key}]`).textContent = format(Number($(key).value));
  }
}
