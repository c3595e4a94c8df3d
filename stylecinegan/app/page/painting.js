// Paints the stage: photo, loop, mask, strokes, arrows, pins and cursor.

const COLOURS = { moves: "#5fe3d4", stays: "#ff9d5c", erase: "#c9ccd4" };

export function paintStage(context, scene) {
  const { view, ratio } = scene;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  if (!scene.picture || !context.canvas.width || !context.canvas.height) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const { width, height } = view.photo;
  const box = [view.x, view.y, width * view.scale, height * view.scale];
  const place = [...box, ratio];
  photo.paint(context, [scene.picture, ...place], (layer) => paintPhoto(layer, scene, box));
  if (!scene.showsPhoto) paintLoop(context, scene, box);
  if (scene.showsMask && scene.mask) {
    veil.paint(context, [scene.mask, scene.zoom, ...place], (layer) => paintMask(layer, scene, box));
  }
  for (const stroke of scene.pending) paintStroke(context, view, stroke);
  if (scene.draft?.kind) paintStroke(context, view, scene.draft);
  if (scene.hintOpacity > 0) {
    context.globalAlpha = scene.hintOpacity;
    scene.anchors.forEach((point, i) => paintAnchor(context, scene, point, scene.isChosen("anchor", i)));
    scene.arrows.forEach((arrow, i) => paintArrow(context, scene, arrow, scene.isChosen("arrow", i)));
    if (scene.draft?.arrow) paintArrow(context, scene, scene.draft.arrow, false);
    context.globalAlpha = 1;
  }
  if (scene.pointer) paintPointer(context, scene);
}

// A picture that is the same in all frames and painted only once: a page that plays would otherwise
// keep the cores busy on which the next loop is computed.
class Layer {
  constructor() {
    this.canvas = new OffscreenCanvas(1, 1);
    this.subject = [];
  }

  // Draws the layer over a canvas of any size; calls paint(context) if part of its subject is new.
  paint(context, subject, paint) {
    const { width, height } = context.canvas;
    const { canvas } = this;
    const own = canvas.getContext("2d");
    const hasSize = canvas.width === width && canvas.height === height;
    if (!hasSize || subject.some((part, i) => part !== this.subject[i])) {
      [canvas.width, canvas.height] = [width, height]; // which also clears it
      own.setTransform(context.getTransform());
      paint(own);
      this.subject = subject;
    }
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(canvas, 0, 0);
    context.restore();
  }
}

const photo = new Layer();
const veil = new Layer();
const movingPart = new OffscreenCanvas(1, 1);

function paintPhoto(context, { view, picture }, box) {
  // Magnified single pixels remain squares.
  context.imageSmoothingEnabled = (view.scale * view.photo.width) / picture.width < 6;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, ...box);
}

// Draws only the moving part over the photo, so that the rest is as sharp as the photo at any zoom.
function paintLoop(context, scene, box) {
  const { loop, mask } = scene;
  const frame = loop.frame;
  if (!frame) return;
  if (loop.isWhole || !mask) {
    context.drawImage(frame, ...box);
    return;
  }
  const { width, height } = frame;
  if (movingPart.width !== width || movingPart.height !== height) {
    [movingPart.width, movingPart.height] = [width, height];
  }
  const part = movingPart.getContext("2d");
  part.globalCompositeOperation = "copy";
  part.drawImage(frame, 0, 0);
  part.globalCompositeOperation = "destination-in";
  part.drawImage(mask.movingAt(width, height), 0, 0);
  context.drawImage(movingPart, ...box);
}

function paintMask(context, scene, box) {
  const { mask, view, ratio, zoom } = scene;
  context.globalAlpha = 0.55;
  context.drawImage(mask.still, ...box);
  context.globalAlpha = 1;
  const across = box[2] / mask.width;
  const down = box[3] / mask.height;
  context.setTransform(ratio * across, 0, 0, ratio * down, ratio * view.x, ratio * view.y);
  context.lineCap = "round";
  for (const [colour, width] of [["rgb(0 0 0 / 45%)", 3.2], ["#f4fffd", 1.3]]) {
    context.strokeStyle = colour;
    context.lineWidth = (zoom * width) / across;
    context.stroke(mask.line);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

function paintStroke(context, view, stroke) {
  context.save();
  context.globalAlpha = 0.45;
  context.strokeStyle = context.fillStyle = COLOURS[stroke.kind];
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = 2 * stroke.radius * view.scale;
  context.beginPath();
  trace(context, view, stroke.points);
  if (stroke.points.length === 1) {
    const [x, y] = view.toStage(...stroke.points[0]);
    context.arc(x, y, stroke.radius * view.scale, 0, 2 * Math.PI);
    context.fill();
  } else {
    context.stroke();
  }
  context.restore();
}

function trace(context, view, points) {
  points.forEach((point, i) => {
    const [x, y] = view.toStage(...point);
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  });
}

function paintArrow(context, { view, zoom }, points, isChosen) {
  const ends = points.map((point) => view.toStage(...point));
  const [x, y] = ends.at(-1);
  const before = ends.findLast(([a, b]) => Math.hypot(a - x, b - y) > 6) ?? ends[0];
  const angle = Math.atan2(y - before[1], x - before[0]);
  context.lineCap = context.lineJoin = "round";
  for (const [colour, width] of [["rgb(0 0 0 / 55%)", 6], [isChosen ? "#ffe08a" : "#ffffff", 2.8]]) {
    context.strokeStyle = colour;
    context.lineWidth = zoom * width;
    context.beginPath();
    smooth(context, ends);
    for (const side of [-1, 1]) {
      const turn = angle + side * 2.6;
      context.moveTo(x, y);
      context.lineTo(x + 13 * zoom * Math.cos(turn), y + 13 * zoom * Math.sin(turn));
    }
    context.stroke();
  }
  if (isChosen) for (const end of ends) paintHandle(context, ...end, 5.5 * zoom);
  else paintHandle(context, ...ends[0], 3 * zoom);
}

// A smooth curve through all points: at each one its direction is that from the previous to the next
// (Catmull and Rom 1974).
function smooth(context, points) {
  context.moveTo(...points[0]);
  for (let i = 0; i + 1 < points.length; i++) {
    const [from, to] = [points[i], points[i + 1]];
    const [before, after] = [points[i - 1] ?? from, points[i + 2] ?? to];
    context.bezierCurveTo(
      from[0] + (to[0] - before[0]) / 6, from[1] + (to[1] - before[1]) / 6,
      to[0] - (after[0] - from[0]) / 6, to[1] - (after[1] - from[1]) / 6,
      ...to,
    );
  }
}

function paintHandle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#fff";
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.stroke();
}

function paintAnchor(context, { view, zoom }, point, isChosen) {
  const [x, y] = view.toStage(...point);
  const shape = new Path2D("M0 0V-8M-6 -22H6L4.5 -14L8 -8H-8L-4.5 -14Z");
  context.save();
  context.translate(x, y);
  context.scale(zoom, zoom);
  context.lineJoin = context.lineCap = "round";
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.lineWidth = 5;
  context.stroke(shape);
  context.fillStyle = context.strokeStyle = isChosen ? "#ffe08a" : "#ff9d5c";
  context.lineWidth = 2;
  context.stroke(shape);
  context.fill(shape);
  context.restore();
}

function paintPointer(context, { pointer, view, zoom, tool, brushRadius, isKeyed }) {
  const [x, y] = view.toStage(...pointer);
  context.lineWidth = 1;
  if (tool in COLOURS) {
    for (const [colour, grow] of [["rgb(0 0 0 / 70%)", 1], ["#fff", 0]]) {
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(x, y, brushRadius + grow, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  if (!isKeyed) return;
  for (const [colour, width] of [["#000", 4], ["#fff", 1.6]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * zoom * dx, y + 4 * zoom * dy);
      context.lineTo(x + 12 * zoom * dx, y + 12 * zoom * dy);
    }
    context.stroke();
  }
}
