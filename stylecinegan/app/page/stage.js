// The canvas: repainted when something has changed; its gestures go to the tools.

import { app, tools } from "./app.js";
import { $ } from "./elements.js";
import { listen } from "./gestures.js";
import { paintStage } from "./painting.js";
import { showPosition } from "./player.js";

const HINT_OPACITY = { view: 0, moves: 0.35, stays: 0.35, erase: 0.35, arrow: 1, anchor: 1 };
const DELETE_SIZE = [76, 50]; // of the button with its margin, in pixels

const stage = $("stage");
const context = stage.getContext("2d");

export function setUpStage() {
  listen(stage, app.view, {
    begin: (point, event) => tools.begin(point, event),
    draw: (point, event) => tools.draw(point, event),
    finish: () => tools.finish(),
    drop: () => tools.drop(),
    hover: (point) => tools.hover(point),
    pans: (event) => tools.pans(event),
    hasMoved: () => app.redraw(),
  });
  $("delete").addEventListener("click", () => tools.deleteChosen());
  app.on("tool", showTool);
  app.on("session", describe);
  showTool();
  requestAnimationFrame(tick);
}

function showTool() {
  stage.dataset.tool = tools.tool;
  app.redraw();
}

function describe() {
  const { name, width, height } = app.session;
  stage.setAttribute("aria-label", `Photo ${name}, ${width} by ${height} pixels`);
  app.redraw();
}

function tick(now) {
  requestAnimationFrame(tick);
  fitCanvas();
  if (app.loop.advance(now)) app.redraw();
  if (!app.isDirty) return;
  app.isDirty = false;
  paintStage(context, scene());
  showPosition();
  placeDelete();
}

// Gives the canvas a pixel for each pixel of the screen.
function fitCanvas() {
  const box = stage.getBoundingClientRect();
  const [width, height] = [box.width, box.height].map((side) => Math.round(side * devicePixelRatio));
  if (stage.width === width && stage.height === height) return;
  [stage.width, stage.height] = [width, height];
  app.zoom = Number(getComputedStyle(document.documentElement).getPropertyValue("--zoom"));
  app.view.resize(box.width, box.height);
  app.redraw();
}

function scene() {
  return {
    ...app,
    showsPhoto: app.showsPhoto || (app.loop.hasCamera && app.isSteady),
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
    hintOpacity: HINT_OPACITY[tools.tool],
  };
}

// Places the button beside the last point of the chosen arrow or pin.
function placeDelete() {
  const { view, zoom } = app;
  const end = tools.chosenPath()?.at(-1);
  const [x, y] = end ? view.toStage(...end) : [-1, -1];
  const { width, height } = view.stage;
  const isInside = x >= 0 && y >= 0 && x <= width && y <= height;
  const button = $("delete");
  button.hidden = !isInside || tools.held !== null || tools.draft !== null;
  if (button.hidden) return;
  const left = Math.min(width / zoom - DELETE_SIZE[0], Math.max(8, x / zoom + 14));
  const top = Math.min(height / zoom - DELETE_SIZE[1], Math.max(8, y / zoom + 10));
  button.style.transform = `translate(${left}px, ${top}px)`;
}
