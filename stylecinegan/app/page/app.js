// State of the page: photo, mask, loop and edits. Other modules change it and listen to its events.

import { History } from "./history.js";
import { Loop } from "./loop.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

class App extends EventTarget {
  view = new View();
  history = new History();
  loop = new Loop();
  session = null; // the server's description of it
  picture = null; // the photo
  mask = null;
  pending = []; // strokes that the mask does not show yet
  zoom = 1; // of the page on very large screens
  showsMask = false;
  showsPhoto = false; // instead of the loop
  isDirty = true; // whether the stage needs repainting
  isRendering = false; // whether a video is being made
  previews = 0; // loops shown so far

  // Events: "opening" (of another photo), "session", "edits", "tool", "layers", "playing".
  on(event, action) {
    this.addEventListener(event, action);
  }

  tell(event) {
    this.dispatchEvent(new Event(event));
  }

  redraw() {
    this.isDirty = true;
  }

  change(changes, stroke) {
    if (!this.session || !this.history.change(changes)) return;
    if (stroke) this.pending.push(stroke);
    this.tell("edits");
  }

  undo() {
    if (this.history.undo()) this.#travelled();
  }

  redo() {
    if (this.history.redo()) this.#travelled();
  }

  #travelled() {
    tools.chosen = null;
    this.pending = [];
    this.tell("edits");
  }

  // Shows or hides a layer: "showsMask" or "showsPhoto".
  toggle(layer) {
    this[layer] = !this[layer];
    this.tell("layers");
    this.redraw();
  }

  // Strokes and mask lie on the photo: while they are visible, the camera stands still.
  get isSteady() {
    return tools.tool !== "view" || this.showsMask;
  }
}

export const app = new App();
export const tools = new Tools(app);
