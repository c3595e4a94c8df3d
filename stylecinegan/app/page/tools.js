// The tools: what they do when one draws on the photo. Points are in pixels of the photo.

import { distance, distanceToPath, simplify } from "./paths.js";

const BRUSHES = ["moves", "stays", "erase"];
const MIN_LENGTH = 8; // of an arrow, in pixels of the screen
const TOLERANCE = 5; // of an arrow's simplification, in pixels of the screen
const MAX_POINTS = 12; // of an arrow

export const HINTS = {
  view: "Drag to move the photo, scroll or pinch to zoom. Choose a tool to change what moves.",
  moves: "Paint over what should move as well. The brush selects the thing under it, not its surroundings.",
  stays: "Paint over what should stand still: a tower, a branch, a boat. A rough stroke is enough.",
  erase: "Paint over your strokes to remove them.",
  arrow: "Drag in the direction in which things should move; the arrow may bend. Longer is faster.",
  anchor: "Tap what should stay in place. Motion fades towards the pin.",
};

export class Tools {
  constructor(app) {
    this.app = app;
    this.tool = "view";
    this.chosen = null; // { kind: "arrow" | "anchor", index }
    this.draft = null; // what is being drawn
    this.held = null; // what is being moved
    this.pointer = null;
    this.isKeyed = false;
    this.brush = { size: 24, softness: 0.2, follows_edges: true };
  }

  choose(tool) {
    this.drop();
    this.tool = tool;
    this.chosen = null;
    this.app.tell("tool");
  }

  get isBrush() {
    return BRUSHES.includes(this.tool);
  }

  pans(event) {
    return this.tool === "view" && event.button === 0;
  }

  begin(point, event) {
    this.isKeyed = false;
    this.pointer = event.pointerType === "touch" ? null : point;
    if (this.isBrush) this.draft = this.#stroke([point]);
    else if (this.tool === "arrow") this.#beginArrow(point, event);
    else if (this.tool === "anchor") this.#beginAnchor(point, event);
    this.app.redraw();
  }

  draw(point, event) {
    if (event.pointerType !== "touch") this.pointer = point;
    const scale = this.app.view.scale;
    if (this.held) {
      this.held.points[this.held.index] = this.#inside(point);
      this.held.hasMoved = true;
    } else if (this.draft) {
      const points = this.draft.points ?? this.draft.arrow;
      const step = this.draft.kind ? Math.max(0.7 / scale, 0.08 * this.draft.radius) : 1.5 / scale;
      if (distance(points.at(-1), point) >= step) points.push(this.draft.arrow ? this.#inside(point) : point);
      else if (this.draft.arrow && points.length > 1) points[points.length - 1] = this.#inside(point);
    }
    this.app.redraw();
  }

  finish() {
    const { draft, held } = this;
    this.draft = this.held = null;
    if (held) this.#finishHeld(held);
    else if (draft?.kind) this.#addStroke(draft);
    else if (draft?.arrow) this.#addArrow(draft.arrow);
    this.app.redraw();
  }

  drop() {
    this.draft = this.held = null;
    this.app.redraw();
  }

  hover(point) {
    if (this.isKeyed && point === null) return;
    this.pointer = point;
    this.isKeyed = false;
    this.app.redraw();
  }

  deleteChosen() {
    if (this.chosen) this.delete(this.chosen.kind, this.chosen.index);
  }

  delete(kind, index) {
    const key = `${kind}s`;
    this.chosen = null;
    this.app.change({ [key]: this.app.history.edits[key].filter((_, i) => i !== index) });
  }

  // Arrows and pins, with what is being dragged where it is now.
  arrows() {
    return this.#withHeld("arrow", this.app.history.edits.arrows.map((a) => a.map((p) => this.#toPixels(p))));
  }

  anchors() {
    const points = this.app.history.edits.anchors.map((p) => this.#toPixels(p));
    return this.#withHeld("anchor", points.map((p) => [p])).map(([p]) => p);
  }

  // Points of the chosen arrow or pin, if there is one.
  chosenPath() {
    if (!this.chosen) return null;
    const { kind, index } = this.chosen;
    return kind === "arrow" ? this.arrows()[index] : [this.anchors()[index]];
  }

  #withHeld(kind, paths) {
    if (this.held?.kind === kind) paths[this.held.number] = this.held.points;
    return paths;
  }

  // Keyboard: moves the cursor by pixels of the screen.
  step(dx, dy) {
    const { view } = this.app;
    const middle = view.toPhoto(view.stage.width / 2, view.stage.height / 2);
    const [x, y] = this.isKeyed && this.pointer ? this.pointer : middle;
    this.pointer = this.isKeyed ? this.#inside([x + dx / view.scale, y + dy / view.scale]) : this.#inside([x, y]);
    this.isKeyed = true;
    const [left, top] = view.toStage(...this.pointer);
    const margin = 24;
    view.pan(
      Math.max(0, margin - left) - Math.max(0, left - view.stage.width + margin),
      Math.max(0, margin - top) - Math.max(0, top - view.stage.height + margin),
    );
    if (this.draft?.arrow && this.draft.isKeyed) this.draft.arrow[this.draft.arrow.length - 1] = this.pointer;
    this.app.redraw();
  }

  // Keyboard: what a click does; with Shift, a stroke continues the last one, an arrow bends.
  press(isLine) {
    if (!this.isKeyed || !this.pointer) return this.step(0, 0);
    const point = [...this.pointer];
    if (this.isBrush) {
      const from = isLine && this.lastPoint ? [this.lastPoint] : [];
      this.lastPoint = point;
      this.#addStroke(this.#stroke([...from, point]));
    } else if (this.tool === "anchor") {
      this.#addAnchor(point);
    } else if (this.tool === "arrow") {
      if (this.draft?.isKeyed) {
        if (isLine) this.draft.arrow.push(point);
        else this.finish();
      } else {
        this.draft = { arrow: [point, [...point]], isKeyed: true };
      }
    }
    this.app.redraw();
  }

  #stroke(points) {
    const { view } = this.app;
    const radius = (this.brush.size * this.app.zoom) / view.scale;
    return { kind: this.tool, points, radius, softness: this.brush.softness, follows_edges: this.brush.follows_edges };
  }

  #addStroke(stroke) {
    const { width, height } = this.app.view.photo;
    const longer = Math.max(width, height);
    const clamped = stroke.points.map((p) => this.#toShares(p, -0.5, 1.5));
    const added = {
      ...stroke,
      points: clamped,
      radius: Math.min(0.5, Math.max(1e-5, stroke.radius / longer)),
    };
    this.app.change({ strokes: [...this.app.history.edits.strokes, added] }, stroke);
  }

  #beginArrow(point, event) {
    const found = this.#findPoint("arrow", this.arrows(), point, event);
    if (found) return this.#hold("arrow", found, this.arrows()[found.number]);
    const near = this.#reach(event);
    const index = this.arrows().findIndex((arrow) => distanceToPath(point, arrow) < near);
    if (index >= 0) {
      this.chosen = { kind: "arrow", index };
    } else {
      this.chosen = null;
      this.draft = { arrow: [this.#inside(point)] };
    }
  }

  #beginAnchor(point, event) {
    const pins = this.anchors().map((p) => [p]);
    const found = this.#findPoint("anchor", pins, point, event);
    if (found) return this.#hold("anchor", found, pins[found.number]);
    this.#addAnchor(point);
  }

  #addAnchor(point) {
    const { anchors } = this.app.history.edits;
    this.app.change({ anchors: [...anchors, this.#toShares(point)] });
    this.chosen = { kind: "anchor", index: anchors.length };
  }

  #hold(kind, { number, index }, path) {
    this.chosen = { kind, index: number };
    this.held = { kind, number, index, points: path.map((p) => [...p]), hasMoved: false };
  }

  #findPoint(kind, paths, point, event) {
    let best = null;
    let least = this.#reach(event);
    paths.forEach((path, number) => {
      path.forEach((other, index) => {
        const isEnd = index === 0 || index === path.length - 1;
        const isChosen = this.chosen?.kind === kind && this.chosen.index === number;
        const away = distance(point, other);
        if ((isEnd || isChosen) && away < least) [best, least] = [{ number, index }, away];
      });
    });
    return best;
  }

  #reach(event) {
    return ((event.pointerType === "touch" ? 24 : 12) * this.app.zoom) / this.app.view.scale;
  }

  #finishHeld({ kind, number, points, hasMoved }) {
    if (!hasMoved) return;
    const key = `${kind}s`;
    const moved = points.map((p) => this.#toShares(p));
    const all = [...this.app.history.edits[key]];
    all[number] = kind === "anchor" ? moved[0] : moved;
    this.app.change({ [key]: all });
  }

  #addArrow(points) {
    const { scale } = this.app.view;
    const length = points.reduce((sum, p, i) => sum + (i ? distance(p, points[i - 1]) : 0), 0);
    if (length * scale < MIN_LENGTH) return;
    let tolerance = TOLERANCE / scale;
    let kept = simplify(points, tolerance);
    while (kept.length > MAX_POINTS) kept = simplify(points, (tolerance *= 1.5));
    const { arrows } = this.app.history.edits;
    this.app.change({ arrows: [...arrows, kept.map((p) => this.#toShares(p))] });
    this.chosen = { kind: "arrow", index: arrows.length };
  }

  #inside([x, y]) {
    const { width, height } = this.app.view.photo;
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  #toShares([x, y], least = 0, most = 1) {
    const { width, height } = this.app.view.photo;
    const share = (value) => Math.round(1e6 * Math.min(most, Math.max(least, value))) / 1e6;
    return [share(x / width), share(y / height)];
  }

  #toPixels([x, y]) {
    const { width, height } = this.app.view.photo;
    return [x * width, y * height];
  }
}
