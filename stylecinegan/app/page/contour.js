// The mask on the page: its static part is dimmed, and a contour line is drawn where it is 0.5.

const DIM = 0x20110d; // blue, green, red

export class Mask {
  constructor(width, height, values) {
    this.width = width;
    this.height = height;
    this.moving = paint(width, height, (i) => values[i]); // opacity: the mask
    this.still = paint(width, height, (i) => 255 - values[i]);
    this.line = outline(values, width, height); // in pixels of the mask
  }

  // `moving` in another size, computed once for all frames of a loop.
  movingAt(width, height) {
    if (this.scaled?.width !== width || this.scaled.height !== height) {
      this.scaled = new OffscreenCanvas(width, height);
      this.scaled.getContext("2d").drawImage(this.moving, 0, 0, width, height);
    }
    return this.scaled;
  }

  static async decode(blob) {
    const picture = await createImageBitmap(blob);
    const { width, height } = picture;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    const values = new Uint8Array(width * height);
    for (let i = 0; i < values.length; i++) values[i] = data[4 * i];
    return new Mask(width, height, values);
  }
}

function paint(width, height, opacity) {
  const canvas = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = (opacity(i) << 24) | DIM;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// Marching squares: the line between the pixels' centres on which the values are 127.5.
function outline(values, width, height) {
  const path = new Path2D();
  const level = 127.5;
  const cross = (a, b) => (level - a) / (b - a);
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const i = y * width + x;
      const a = values[i];
      const b = values[i + 1];
      const c = values[i + width + 1];
      const d = values[i + width];
      const kind = (a > level) + 2 * (b > level) + 4 * (c > level) + 8 * (d > level);
      if (kind === 0 || kind === 15) continue;
      const top = [x + 0.5 + cross(a, b), y + 0.5];
      const right = [x + 1.5, y + 0.5 + cross(b, c)];
      const bottom = [x + 0.5 + cross(d, c), y + 1.5];
      const left = [x + 0.5, y + 0.5 + cross(a, d)];
      for (const [from, to] of segments(kind, top, right, bottom, left)) {
        path.moveTo(from[0], from[1]);
        path.lineTo(to[0], to[1]);
      }
    }
  }
  return path;
}

function segments(kind, top, right, bottom, left) {
  switch (kind) {
    case 1: case 14: return [[left, top]];
    case 2: case 13: return [[top, right]];
    case 3: case 12: return [[left, right]];
    case 4: case 11: return [[right, bottom]];
    case 6: case 9: return [[top, bottom]];
    case 7: case 8: return [[left, bottom]];
    case 5: return [[left, top], [right, bottom]];
    default: return [[top, right], [left, bottom]];
  }
}
