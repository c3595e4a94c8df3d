// The frames of a loop and the clock that plays them.

export class Loop {
  constructor() {
    this.frames = [];
    this.fps = 30;
    this.isPlaying = true;
    this.isWhole = false; // whether the frames replace the whole photo, not only its moving part
    this.hasCamera = false; // whether the camera moves
    this.index = 0;
    this.began = performance.now();
  }

  // Continues with a new loop at the place of the old one.
  replace(frames, { isWhole = false, hasCamera = false } = {}) {
    const share = this.frames.length ? this.index / this.frames.length : 0;
    for (const frame of this.frames) frame.close();
    this.frames = frames;
    Object.assign(this, { isWhole, hasCamera });
    this.seek(Math.floor(share * frames.length));
  }

  clear() {
    this.replace([]);
  }

  seek(index) {
    const count = this.frames.length;
    this.index = count ? ((index % count) + count) % count : 0;
    this.began = performance.now() - (1000 * this.index) / this.fps;
  }

  play(isPlaying) {
    this.isPlaying = isPlaying;
    this.seek(this.index);
  }

  // Advances to the frame of a time; returns whether it is another one.
  advance(now) {
    if (!this.isPlaying || this.frames.length === 0) return false;
    const index = Math.floor(((now - this.began) * this.fps) / 1000) % this.frames.length;
    if (index === this.index) return false;
    this.index = Math.max(0, index);
    return true;
  }

  get frame() {
    return this.frames[this.index];
  }
}
