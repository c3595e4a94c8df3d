// Undo and redo. Everything drawn and set is one immutable value; undo returns to an earlier one.

const PLAIN = Object.freeze({
  strokes: [],
  arrows: [],
  anchors: [],
  region: "auto",
  text: "",
  speed: 1,
  speed_sky: 1,
  speed_water: 1,
  has_style: false,
  style_strength: 1,
  style_schedule: "there_and_back",
  camera: "none",
  camera_amount: 0.05,
});

const DEEPEST = 500;

export class History {
  constructor() {
    this.reset(PLAIN);
  }

  reset(edits) {
    this.past = [];
    this.future = [];
    this.edits = Object.freeze({ ...PLAIN, ...edits });
  }

  // Returns whether anything changed.
  change(changes) {
    const same = Object.entries(changes).every(
      ([key, value]) => JSON.stringify(value) === JSON.stringify(this.edits[key]),
    );
    if (same) return false;
    this.past.push(this.edits);
    if (this.past.length > DEEPEST) this.past.shift();
    this.future = [];
    this.edits = Object.freeze({ ...this.edits, ...changes });
    return true;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  undo() {
    if (!this.canUndo) return false;
    this.future.push(this.edits);
    this.edits = this.past.pop();
    return true;
  }

  redo() {
    if (!this.canRedo) return false;
    this.past.push(this.edits);
    this.edits = this.future.pop();
    return true;
  }
}
