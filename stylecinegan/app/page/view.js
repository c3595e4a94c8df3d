// Position and scale of the photo on the stage; everything drawn is in pixels of the photo.

const CLOSEST = 40; // screen pixels per photo pixel

export class View {
  constructor() {
    this.photo = { width: 1, height: 1 };
    this.stage = { width: 1, height: 1 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.isFitted = true;
  }

  setPhoto(width, height) {
    this.photo = { width, height };
    this.fit();
  }

  resize(width, height) {
    if (width === this.stage.width && height === this.stage.height) return;
    const before = this.stage;
    this.stage = { width, height };
    if (this.isFitted) this.fit();
    else this.pan((width - before.width) / 2, (height - before.height) / 2);
  }

  get fitting() {
    const { photo, stage } = this;
    return Math.min(stage.width / photo.width, stage.height / photo.height);
  }

  fit() {
    this.scale = this.fitting;
    this.x = (this.stage.width - this.photo.width * this.scale) / 2;
    this.y = (this.stage.height - this.photo.height * this.scale) / 2;
    this.isFitted = true;
  }

  // Converts from the stage to pixels of the photo, and back.
  toPhoto(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toStage(x, y) {
    return [this.x + x * this.scale, this.y + y * this.scale];
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.isFitted = false;
    this.#keepInSight();
  }

  // Zooms about a point of the stage.
  zoom(factor, x = this.stage.width / 2, y = this.stage.height / 2) {
    const [left, top] = this.toPhoto(x, y);
    const scale = Math.min(CLOSEST, Math.max(this.fitting / 2, this.scale * factor));
    this.scale = scale;
    this.x = x - left * scale;
    this.y = y - top * scale;
    this.isFitted = false;
    this.#keepInSight();
  }

  // Keeps some of the photo in sight.
  #keepInSight() {
    const kept = 64;
    const { photo, stage, scale } = this;
    this.x = Math.min(stage.width - kept, Math.max(kept - photo.width * scale, this.x));
    this.y = Math.min(stage.height - kept, Math.max(kept - photo.height * scale, this.y));
  }
}
