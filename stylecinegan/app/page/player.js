// The bar below the photo: playing, frames, layers, zoom.

import { app } from "./app.js";
import { $ } from "./elements.js";

export function setUpPlayer() {
  $("play").addEventListener("click", playPause);
  $("frame").addEventListener("input", () => showFrame(Number($("frame").value)));
  $("mask").addEventListener("click", () => app.toggle("showsMask"));
  $("compare").addEventListener("click", () => app.toggle("showsPhoto"));
  $("zoom-in").addEventListener("click", () => zoomBy(1.5));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  $("zoom-fit").addEventListener("click", zoomToFit);
  app.on("playing", showPlaying);
  app.on("layers", showLayers);
  showPlaying();
}

export function playPause() {
  app.loop.play(!app.loop.isPlaying);
  app.tell("playing");
}

export function stepFrame(step) {
  showFrame(app.loop.index + step);
}

export function zoomBy(factor) {
  app.view.zoom(factor);
  app.redraw();
}

export function zoomToFit() {
  app.view.fit();
  app.redraw();
}

// Shows the number of the frame and the scale of the photo.
export function showPosition() {
  const { loop, view } = app;
  $("frame").value = loop.index;
  $("number").textContent = loop.frames.length ? `${loop.index + 1} / ${loop.frames.length}` : "";
  $("zoom-fit").textContent = app.picture ? `${Math.round(100 * view.scale)} %` : "–";
}

function showFrame(index) {
  app.loop.play(false);
  app.loop.seek(index);
  app.tell("playing");
  app.redraw();
}

function showPlaying() {
  const { isPlaying, frames } = app.loop;
  $("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  $("play").title = `${isPlaying ? "Pause" : "Play"} (space)`;
  $("play-icon").setAttribute("href", `page/icons.svg#${isPlaying ? "pause" : "play"}`);
  if (frames.length) $("frame").max = frames.length - 1;
}

function showLayers() {
  $("mask").setAttribute("aria-pressed", app.showsMask);
  $("compare").setAttribute("aria-pressed", app.showsPhoto);
}
