// Ties the page together.

import { Mask } from "./contour.js";
import { setUpExport } from "./exporting.js";
import { listen } from "./gestures.js";
import { History } from "./history.js";
import { Loop } from "./loop.js";
import { paintStage } from "./painting.js";
import * as server from "./server.js";
import { HINTS, Tools } from "./tools.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const SLIDERS = ["speed", "speed_sky", "speed_water", "style_strength", "camera_amount"];
const CHOICES = ["region", "style_schedule", "camera"];

const app = {
  view: new View(),
  history: new History(),
  loop: new Loop(),
  session: null,
  picture: null,
  mask: null,
  layer: new OffscreenCanvas(1, 1),
  pending: [], // strokes that the mask does not show yet
  file: null, // what was opened, to open it again when the server has forgotten it
  styleFile: null, // likewise
  zoom: 1, // of the page on very large screens
  showsMask: false,
  showsPhoto: false,
  change,
  redraw,
  toolChanged,
  inSession,
};
const tools = new Tools(app);
const stage = $("stage");
const context = stage.getContext("2d");
const exporting = setUpExport(app);
// For tests and for the curious.
window.stylecinegan = { app, tools, patience: server.patience };

// The stage

let isDirty = true;

function redraw() {
  isDirty = true;
}

function scene() {
  return {
    ...app,
    showsPhoto: app.showsPhoto || (app.loop.hasCamera && isSteady()),
    ratio: devicePixelRatio,
    tool: tools.tool,
    draft: tools.draft,
    pointer: tools.pointer,
    isKeyed: tools.isKeyed,
    brushRadius: tools.brush.size * app.zoom,
    arrows: tools.arrows(),
    anchors: tools.anchors(),
    isChosen: (kind, index) => tools.chosen?.kind === kind && tools.chosen.index === index,
    showsMask: app.showsMask || tools.isBrush,
    showsHints: tools.tool === "view" ? 0 : tools.isBrush ? 0.35 : 1,
  };
}

function tick(now) {
  requestAnimationFrame(tick);
  const box = stage.getBoundingClientRect();
  const [width, height] = [Math.round(box.width * devicePixelRatio), Math.round(box.height * devicePixelRatio)];
  if (stage.width !== width || stage.height !== height) {
    [stage.width, stage.height] = [width, height];
    app.zoom = Number(getComputedStyle(document.documentElement).getPropertyValue("--zoom"));
    app.view.resize(box.width, box.height);
    isDirty = true;
  }
  if (app.loop.advance(now)) isDirty = true;
  if (!isDirty) return;
  isDirty = false;
  paintStage(context, scene());
  showPlace();
}

function showPlace() {
  const { loop, view } = app;
  $("frame").value = loop.index;
  $("number").textContent = loop.frames.length ? `${loop.index + 1} / ${loop.frames.length}` : "";
  $("zoom-fit").textContent = app.picture ? `${Math.round(100 * view.scale)} %` : "–";
  const { chosen } = tools;
  const button = $("delete");
  button.hidden = !chosen || tools.held !== null || tools.draft !== null;
  if (button.hidden) return;
  const path = chosen.kind === "arrow" ? tools.arrows()[chosen.index] : [tools.anchors()[chosen.index]];
  if (!path?.[0]) return;
  const [x, y] = view.toStage(...path.at(-1));
  button.hidden = x < 0 || y < 0 || x > view.stage.width || y > view.stage.height;
  const { zoom } = app;
  const left = Math.min(view.stage.width / zoom - 76, Math.max(8, x / zoom + 14));
  const top = Math.min(view.stage.height / zoom - 50, Math.max(8, y / zoom + 10));
  button.style.transform = `translate(${left}px, ${top}px)`;
}

// Edits

function change(changes, stroke) {
  if (!app.session || !app.history.change(changes)) return;
  if (stroke) app.pending.push(stroke);
  edited();
}

function edited() {
  showEdits();
  requestPreview();
}

function travel(step) {
  if (!app.history[step]()) return;
  tools.chosen = null;
  app.pending = [];
  edited();
}

// What is drawn, and the mask, lie on the photo: while either is on the stage the camera stands.
function isSteady() {
  return tools.tool !== "view" || app.showsMask;
}

let wasSteady = false; // when the loop was last asked for

function adaptCamera() {
  if (!app.session || app.history.edits.camera === "none") return;
  if (isSteady() !== wasSteady) requestPreview();
}

let previewing = null;

async function requestPreview(isAgain = false) {
  previewing?.abort();
  const aborting = (previewing = new AbortController());
  const { edits } = app.history;
  const { session } = app;
  const shown = app.pending.length;
  const frames = [];
  const is_steady = (wasSteady = isSteady());
  const hasCamera = edits.camera !== "none" && !is_steady;
  let [total, isWhole, isReplaced] = [0, false, false];
  if (!isAgain) say(app.loop.frames.length ? "Working…" : "Finding what moves…", true);
  const hear = (kind, value) => {
    if (aborting.signal.aborted) return;
    if (kind === "mask") {
      Mask.decode(value).then((mask) => {
        if (aborting.signal.aborted || session !== app.session) return;
        app.mask = mask;
        app.pending = app.pending.slice(shown);
        redraw();
      });
      if (!app.loop.frames.length) say("Making the loop…", true);
    } else if (kind === "frame") {
      frames.push(createImageBitmap(value));
    } else if (value.type === "loop") {
      [total, isWhole] = [value.num_frames, value.is_whole];
    } else if (value.type === "waiting" && value.position > 1) {
      say(`Waiting, number ${value.position} in line…`, true);
    } else if (value.type === "cancelled") {
      isReplaced = true;
    } else if (value.type === "error") {
      throw new server.Refusal(400, value.message);
    }
  };
  try {
    await server.preview(session.id, { edits, is_steady }, aborting.signal, hear);
    const bitmaps = await Promise.all(frames);
    // By the newer edit of another page with this session, or has the session ended?
    if (isReplaced) await server.describe(session.id);
    if (aborting.signal.aborted || session !== app.session) {
      for (const bitmap of bitmaps) bitmap.close();
      return;
    }
    if (total > 0 && bitmaps.length === total) {
      app.loop.replace(bitmaps, { isWhole, hasCamera });
      $("frame").max = total - 1;
      app.previews = (app.previews ?? 0) + 1;
      redraw();
    }
    say("");
  } catch (error) {
    if (error.name === "AbortError" || aborting.signal.aborted) return;
    if (error.status === 410 && app.file) {
      reopen().then(edited, (failure) => say(failure.message, false, true));
      return;
    }
    if (error.isPassing) {
      say(`${error.message} Trying again…`, true, true);
      setTimeout(() => aborting.signal.aborted || requestPreview(true), error.wait);
      return;
    }
    if (error.status === 400) app.pending = [];
    say(error.message, false, true);
    redraw();
  }
}

// Sessions

// Without a photo there is nothing to set, to play or to save.
function showEmpty(isEmpty) {
  for (const part of ["tools", "panel", "player"]) $(part).inert = isEmpty;
  for (const button of ["export", "undo", "redo"]) $(button).disabled = isEmpty;
}

// Does what needs the server, again and again while that is away or full.
async function persist(action, signal) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!error.isPassing) throw error;
      if (!signal?.aborted) say(`${error.message} Trying again…`, true, true);
      await new Promise((resolve) => setTimeout(resolve, error.wait));
      if (signal?.aborted) throw new DOMException("", "AbortError");
    }
  }
}

let opening = null;

async function open(file) {
  say("Opening the photo…", true);
  previewing?.abort();
  opening?.abort();
  const { signal } = (opening = new AbortController());
  const hear = (share) => {
    if (!signal.aborted && share < 1) say(`Opening the photo… ${Math.round(100 * share)} %`, true);
    else if (!signal.aborted) say("Opening the photo…", true);
  };
  try {
    // A video that is being made keeps its session.
    const replaces = exporting.isRunning() ? null : app.session?.id;
    const session = await persist(() => server.open(file, { replaces, signal, hear }), signal);
    if (signal.aborted) return;
    app.file = file;
    app.styleFile = null;
    await enter(session);
  } catch (error) {
    if (!signal.aborted) say(error.message, false, true);
  } finally {
    if (opening?.signal === signal) opening = null;
  }
}

// The server has forgotten the session (it was idle for long, or started anew): the page still has
// everything.
let reopening = null;

function reopen() {
  reopening ??= (async () => {
    const { session: before, file, styleFile } = app;
    const session = await persist(() => server.open(file));
    if (before !== app.session) return; // another photo was opened meanwhile
    if (styleFile) await persist(() => server.setStyle(session.id, styleFile));
    app.session = { ...session, name: before.name };
    sessionStorage.setItem("session", session.id);
    if (!styleFile && !session.has_style) app.history.change({ has_style: false });
  })().finally(() => {
    reopening = null;
  });
  return reopening;
}

// Does something with the session, which is opened again if need be.
async function inSession(action) {
  try {
    return await action(app.session.id);
  } catch (error) {
    if (error.status !== 410 || !app.file) throw error;
    await reopen();
    return action(app.session.id);
  }
}

async function enter(session) {
  const picture = await createImageBitmap(await persist(() => server.photo(session.id)));
  showEmpty(false);
  app.picture?.close();
  Object.assign(app, { session, picture, mask: null, pending: [] });
  app.loop.clear();
  app.history.reset(session.edits);
  exporting.restore(session.video);
  tools.chosen = null;
  app.view.setPhoto(session.width, session.height);
  sessionStorage.setItem("session", session.id);
  document.title = `${session.name} – StyleCineGAN`;
  stage.setAttribute("aria-label", `Photo ${session.name}, ${session.width} by ${session.height} pixels`);
  if (!session.has_style) $("style-picture").removeAttribute("src");
  edited();
  redraw();
}

async function begin() {
  const kept = sessionStorage.getItem("session");
  if (kept) {
    const { signal } = (opening = new AbortController());
    say("Opening the photo…", true);
    try {
      const session = await persist(() => server.describe(kept), signal);
      if (!signal.aborted) await enter(session);
      return;
    } catch {
      if (signal.aborted) return;
      sessionStorage.removeItem("session");
    } finally {
      if (opening?.signal === signal) opening = null;
    }
  }
  await open("example");
}

// What is said

let isHiding = 0;

function say(text, isBusy = false, isError = false) {
  clearTimeout(isHiding);
  const status = $("status");
  const hide = () => {
    status.hidden = true;
  };
  if (text) {
    status.textContent = text;
    status.hidden = false;
    status.classList.toggle("error", isError);
    status.classList.toggle("busy", isBusy);
    if (isError && !isBusy) isHiding = setTimeout(hide, 12000);
    else if (!isBusy) isHiding = setTimeout(hide, 4000);
  } else {
    hide();
  }
}

function showEdits() {
  const { edits, past, future } = app.history;
  $("undo").disabled = past.length === 0;
  $("redo").disabled = future.length === 0;
  for (const key of [...SLIDERS, ...CHOICES]) $(key).value = edits[key];
  if (document.activeElement !== $("text")) $("text").value = edits.text;
  showNumbers();
  $("camera-way").hidden = edits.camera === "none";
  showHint();
  $("style-none").hidden = edits.has_style;
  $("style-some").hidden = !edits.has_style;
  const entries = [];
  for (const kind of ["arrow", "anchor"]) {
    edits[`${kind}s`].forEach((_, index) => entries.push(hintEntry(kind, index)));
  }
  $("hints").replaceChildren(...entries);
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

function showNumbers() {
  for (const output of document.querySelectorAll("output[for]")) {
    const input = $(output.getAttribute("for"));
    if (output.id === "number" || !input) continue;
    const value = Number(input.value);
    if (input.id === "size") output.textContent = String(value);
    else if (input.id === "softness") output.textContent = `${value} %`;
    else if (input.id === "camera_amount") output.textContent = `${Math.round(100 * value)} %`;
    else output.textContent = `${value.toFixed(2).replace(/\.?0+$/, "")} ×`;
  }
}

function toolChanged() {
  for (const button of $("tools").children) {
    const isChosen = button.dataset.tool === tools.tool;
    button.setAttribute("aria-checked", isChosen);
    button.tabIndex = isChosen ? 0 : -1;
  }
  showHint();
  $("brush").hidden = !tools.isBrush;
  stage.dataset.tool = tools.tool;
  adaptCamera();
  redraw();
}

function showHint() {
  const stands = tools.tool !== "view" && app.history.edits.camera !== "none";
  $("hint").textContent = HINTS[tools.tool] + (stands ? " The camera stands meanwhile." : "");
}

function showPlaying() {
  const { isPlaying } = app.loop;
  $("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  $("play-icon").setAttribute("href", `page/icons.svg#${isPlaying ? "pause" : "play"}`);
}

function toggle(key, button) {
  app[key] = !app[key];
  $(button).setAttribute("aria-pressed", app[key]);
  adaptCamera();
  redraw();
}

function setBrushSize(size) {
  tools.brush.size = Math.min(150, Math.max(3, size));
  $("size").value = tools.brush.size;
  showNumbers();
  redraw();
}

// A move that is set is to be seen.
function showCamera() {
  if (tools.tool !== "view") tools.choose("view");
  if (app.showsMask) toggle("showsMask", "mask");
}

function playPause() {
  app.loop.play(!app.loop.isPlaying);
  showPlaying();
}

function stepFrame(step) {
  app.loop.play(false);
  app.loop.seek(app.loop.index + step);
  showPlaying();
  redraw();
}

function zoom(factor) {
  if (factor) app.view.zoom(factor);
  else app.view.fit();
  redraw();
}

// Controls

listen(stage, app.view, {
  begin: (point, event) => tools.begin(point, event),
  draw: (point, event) => tools.draw(point, event),
  finish: () => tools.finish(),
  drop: () => tools.drop(),
  hover: (point) => tools.hover(point),
  pans: (event) => tools.pans(event),
  looked: redraw,
});

for (const button of $("tools").children) {
  button.addEventListener("click", () => tools.choose(button.dataset.tool));
}
$("tools").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const all = [...$("tools").children];
  const index = all.findIndex((button) => button.dataset.tool === tools.tool);
  const next = all[(index + step + all.length) % all.length];
  tools.choose(next.dataset.tool);
  next.focus();
});

$("undo").addEventListener("click", () => travel("undo"));
$("redo").addEventListener("click", () => travel("redo"));
$("delete").addEventListener("click", () => tools.deleteChosen());
$("play").addEventListener("click", playPause);
$("mask").addEventListener("click", () => toggle("showsMask", "mask"));
$("compare").addEventListener("click", () => toggle("showsPhoto", "compare"));
$("zoom-in").addEventListener("click", () => zoom(1.5));
$("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
$("zoom-fit").addEventListener("click", () => zoom(null));
$("help").addEventListener("click", () => $("keys").showModal());
$("adjust").addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("adjusting");
  $("adjust").setAttribute("aria-expanded", isOpen);
});
$("frame").addEventListener("input", () => {
  app.loop.play(false);
  app.loop.seek(Number($("frame").value));
  showPlaying();
  redraw();
});
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
  $(key).addEventListener("change", () => change({ [key]: Number($(key).value) }));
}
for (const key of CHOICES) $(key).addEventListener("change", () => change({ [key]: $(key).value }));
$("text").addEventListener("change", () => change({ text: $("text").value.trim() }));
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter") change({ text: $("text").value.trim() });
});

$("file").addEventListener("change", () => {
  if ($("file").files[0]) open($("file").files[0]);
  $("file").value = "";
});
$("style-file").addEventListener("change", async () => {
  const file = $("style-file").files[0];
  $("style-file").value = "";
  if (!file) return;
  say("Reading the style…", true);
  try {
    await inSession((id) => server.setStyle(id, file));
    app.styleFile = file;
    const picture = $("style-picture");
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    if (app.history.edits.has_style) requestPreview();
    else change({ has_style: true });
  } catch (error) {
    say(error.message, false, true);
  }
});
$("style-remove").addEventListener("click", () => change({ has_style: false }));

$("save").addEventListener("click", async () => {
  try {
    await saveSession();
    say("The session is saved; open it here again like a photo.");
  } catch (error) {
    say(error.message, false, true);
  }
});
$("copy").addEventListener("click", async () => {
  try {
    const { command, from_session } = await inSession((id) => server.command(id, wish()));
    const { strokes, has_style } = app.history.edits;
    // Masks and pictures cannot stand in a line: the session's file brings them along.
    const needsFiles = strokes.length > 0 || has_style;
    const line = needsFiles ? from_session : command;
    if (needsFiles) await saveSession();
    await copy(line);
  } catch (error) {
    say(error.message, false, true);
  }
});

// Browsers open the clipboard only to pages from this machine or with a certificate.
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

async function saveSession() {
  const file = await inSession((id) => server.sessionFile(id, wish()));
  save(file, `${app.session.name}.stylecinegan`);
}

const wish = () => ({ edits: app.history.edits, video: exporting.settings() });

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const DONE_BY_KEY = {
  v: () => tools.choose("view"),
  b: () => tools.choose("moves"),
  s: () => tools.choose("stays"),
  e: () => tools.choose("erase"),
  a: () => tools.choose("arrow"),
  n: () => tools.choose("anchor"),
  o: () => $("file").click(),
  m: () => toggle("showsMask", "mask"),
  " ": playPause,
  ",": () => stepFrame(-1),
  ".": () => stepFrame(1),
  "[": () => setBrushSize(tools.brush.size / 1.2),
  "]": () => setBrushSize(tools.brush.size * 1.2),
  "+": () => zoom(1.3),
  "=": () => zoom(1.3),
  "-": () => zoom(1 / 1.3),
  0: () => zoom(null),
  "?": () => $("keys").showModal(),
  Delete: () => tools.deleteChosen(),
  Backspace: () => tools.deleteChosen(),
  Escape: () => {
    if (opening) {
      opening.abort();
      say("");
    }
    tools.drop();
    tools.chosen = null;
  },
};
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

addEventListener("keydown", (event) => {
  if (event.target.closest("dialog, input:not([type=range]), select, textarea")) return;
  const isCommand = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (isCommand && (key === "z" || key === "y")) {
    event.preventDefault();
    travel(key === "y" || event.shiftKey ? "redo" : "undo");
    return;
  }
  if (isCommand || event.altKey) return;
  const isOnStage = event.target === stage;
  if (isOnStage && key in STEPS) {
    event.preventDefault();
    const length = event.shiftKey ? 1 : 12;
    tools.step(...STEPS[key].map((direction) => direction * length));
  } else if (isOnStage && key === "Enter") {
    event.preventDefault();
    tools.press(event.shiftKey);
  } else if (key === "c") {
    if (!event.repeat && !app.showsPhoto) toggle("showsPhoto", "compare");
  } else if (key in DONE_BY_KEY) {
    if (key === " " && event.target.closest("button, label")) return;
    event.preventDefault();
    DONE_BY_KEY[key]();
    redraw();
  }
});
addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "c" && app.showsPhoto) toggle("showsPhoto", "compare");
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").hidden = ![...event.dataTransfer.types].includes("Files");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files][0];
  if (file) open(file);
});

showEmpty(true);
toolChanged();
showPlaying();
showNumbers();
requestAnimationFrame(tick);
begin();
