// The dialog in which a video is made.

import { app } from "./app.js";
import { $ } from "./elements.js";
import * as server from "./server.js";
import { inSession } from "./sessions.js";

const SIDES = [3840, 2560, 1920, 1280, 720, 480]; // offered, if the photo is larger
const LARGE = 2048; // photos above this are offered at 1920 first
const NOTES = { gif: " A GIF of this takes much space; WebP looks better." };

const dialog = $("video");
let rendered = null; // the session whose video is made

export function setUpExport() {
  $("export").addEventListener("click", openDialog);
  dialog.addEventListener("input", () => {
    showLength();
    $("video-save").hidden = true;
  });
  $("video-start").addEventListener("click", start);
  $("video-cancel").addEventListener("click", () => {
    $("video-news").textContent = "Cancelling…";
    server.cancelRender(rendered.id).catch(() => {});
  });
  app.on("session", showSettings);
}

export function videoSettings() {
  return {
    format: dialog.querySelector("input[name=format]:checked").value,
    num_frames: Number($("video-frames").value),
    fps: Number($("video-fps").value),
    size: $("video-size").value ? Number($("video-size").value) : null,
  };
}

// Shows the settings that came with the session.
function showSettings() {
  const { format, num_frames, fps } = app.session.video;
  dialog.querySelector(`input[name=format][value=${format}]`).checked = true;
  $("video-frames").value = num_frames;
  $("video-fps").value = fps;
}

function openDialog() {
  offerSides();
  showLength();
  if (!app.isRendering) {
    $("video-progress").hidden = true;
    $("video-save").hidden = true;
  }
  dialog.showModal();
}

function offerSides() {
  const { width, height, limits } = app.session;
  const own = Math.max(width, height);
  const chosen = $("video-size").value;
  const sides = SIDES.filter((side) => side < own && side <= limits.render_side);
  const options = sides.map((side) => new Option(String(side), String(side)));
  if (own <= limits.render_side) options.unshift(new Option(`${own}, as the photo`, ""));
  $("video-size").replaceChildren(...options);
  if (chosen && options.some((option) => option.value === chosen)) $("video-size").value = chosen;
  else if (own > LARGE) $("video-size").value = "1920";
}

function showLength() {
  const { num_frames, fps, format } = videoSettings();
  const seconds = (num_frames / fps).toFixed(1);
  $("video-length").textContent = `The loop lasts ${seconds} seconds.${NOTES[format] ?? ""}`;
}

async function start() {
  if (!dialog.querySelector("form").reportValidity()) return;
  $("video-save").hidden = true;
  $("video-bar").removeAttribute("value"); // not known yet
  $("video-news").textContent = "Preparing the photo at full size…";
  showRendering(true);
  try {
    const body = { edits: app.history.edits, video: videoSettings() };
    await inSession((id) => {
      rendered = { ...app.session, id };
      return server.render(id, body, showProgress);
    });
  } catch (error) {
    const advice = error.isTemporary ? " The video is not finished; start it again." : "";
    $("video-news").textContent = `${error.message}${advice}`;
  }
  if (!$("video-bar").hasAttribute("value")) $("video-bar").value = 0;
  showRendering(false);
}

function showRendering(isRendering) {
  app.isRendering = isRendering;
  showShare(0);
  $("video-start").hidden = isRendering;
  $("video-cancel").hidden = !isRendering;
  $("video-progress").hidden = false;
  for (const field of dialog.querySelectorAll("input, select")) field.disabled = isRendering;
}

// The dialog may be closed meanwhile: the button that opens it shows the progress as well.
function showShare(share) {
  const text = app.isRendering ? `${Math.floor(100 * share)} %` : "Make video";
  $("export").querySelector("span").textContent = text;
}

function showProgress(message) {
  const news = $("video-news");
  if (message.type === "waiting") {
    news.textContent = `Waiting, number ${message.position} in line…`;
  } else if (message.type === "progress") {
    const share = message.done / message.of;
    $("video-bar").value = share;
    news.textContent = `Frame ${message.done} of ${message.of}`;
    showShare(share);
  } else if (message.type === "video") {
    offerVideo(message);
  } else if (message.type === "error") {
    news.textContent = message.message;
  } else if (message.type === "cancelled") {
    news.textContent = "Cancelled.";
  }
}

function offerVideo({ bytes, width, height }) {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  $("video-bar").value = 1;
  $("video-news").textContent = `Done: ${width} × ${height}, ${size}`;
  const link = $("video-save");
  link.href = server.videoAddress(rendered.id);
  link.download = `${rendered.name}.${videoSettings().format}`;
  link.hidden = false;
  link.focus();
}
