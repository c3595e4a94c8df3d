// The preview: mask and loop of the current edits, requested after every change.

import { app } from "./app.js";
import { Mask } from "./contour.js";
import * as server from "./server.js";
import { canReopen, reopen } from "./sessions.js";
import { say } from "./status.js";

let current = null; // the latest request

export function setUpPreview() {
  app.on("opening", () => current?.cancel());
  app.on("edits", () => request());
  app.on("tool", adaptCamera);
  app.on("layers", adaptCamera);
}

// Requests another loop if the camera moves where it should stand still, or the other way round.
function adaptCamera() {
  if (!app.session || app.history.edits.camera === "none") return;
  if (app.isSteady !== current?.isSteady) request();
}

async function request({ isRetry = false, wasReplaced = false } = {}) {
  current?.cancel();
  const preview = (current = new Preview());
  if (!isRetry) say(app.loop.frames.length ? "Working…" : "Finding what moves…", "busy");
  try {
    if (!(await preview.run())) return;
    // Cancelled requests may arrive after the latest one, and replace it. Another page with this
    // session may do so again and again: one more request is enough.
    if (preview.isReplaced && !wasReplaced) request({ isRetry: true, wasReplaced: true });
    else say("");
  } catch (error) {
    preview.discardFrames();
    if (!preview.isCancelled) recover(error, preview);
  }
}

function recover(error, preview) {
  if (canReopen(error)) {
    reopen().then(() => app.tell("edits"), (failure) => say(failure.message, "error"));
  } else if (error.isTemporary) {
    say(`${error.message} Trying again…`, "retry");
    setTimeout(() => preview.isCancelled || request({ isRetry: true }), error.retryAfter);
  } else {
    if (error.status === 400) app.pending = [];
    say(error.message, "error");
    app.redraw();
  }
}

class Preview {
  constructor() {
    this.session = app.session;
    this.edits = app.history.edits;
    this.isSteady = app.isSteady;
    this.numPending = app.pending.length;
    this.aborting = new AbortController();
    this.frames = []; // promises of bitmaps
    this.numFrames = 0;
    this.isWhole = false;
    this.isReplaced = false;
  }

  cancel() {
    this.aborting.abort();
  }

  get isCancelled() {
    return this.aborting.signal.aborted;
  }

  get isCurrent() {
    return !this.isCancelled && this.session === app.session;
  }

  // Shows mask and loop as they arrive; returns whether they are still wanted then.
  async run() {
    const body = { edits: this.edits, is_steady: this.isSteady };
    const receive = (kind, content) => this.isCancelled || this.#receive(kind, content);
    await server.preview(this.session.id, body, this.aborting.signal, receive);
    const frames = await Promise.all(this.frames);
    // Either another request came later, or the session has ended.
    if (this.isReplaced) await server.describe(this.session.id);
    if (!this.isCurrent) {
      this.discardFrames();
      return false;
    }
    if (frames.length > 0 && frames.length === this.numFrames) this.#showLoop(frames);
    return true;
  }

  discardFrames() {
    for (const frame of this.frames) frame.then((bitmap) => bitmap.close(), () => {});
    this.frames = [];
  }

  #receive(kind, content) {
    if (kind === "mask") {
      Mask.decode(content).then((mask) => this.#showMask(mask));
      if (!app.loop.frames.length) say("Making the loop…", "busy");
    } else if (kind === "frame") {
      this.frames.push(createImageBitmap(content));
    } else if (content.type === "loop") {
      [this.numFrames, this.isWhole] = [content.num_frames, content.is_whole];
    } else if (content.type === "waiting" && content.position > 1) {
      say(`Waiting, number ${content.position} in line…`, "busy");
    } else if (content.type === "cancelled") {
      this.isReplaced = true;
    } else if (content.type === "error") {
      throw new server.ServerError(400, content.message);
    }
  }

  #showMask(mask) {
    if (!this.isCurrent) return;
    app.mask = mask;
    app.pending = app.pending.slice(this.numPending);
    app.redraw();
  }

  #showLoop(frames) {
    const hasCamera = this.edits.camera !== "none" && !this.isSteady;
    app.loop.replace(frames, { isWhole: this.isWhole, hasCamera });
    app.previews += 1;
    app.tell("playing");
    app.redraw();
  }
}
