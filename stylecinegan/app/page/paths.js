// Arithmetic of drawn lines.

export const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

// Distance of a point to a line segment.
function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

export function distanceToPath(point, path) {
  let least = Infinity;
  for (let i = 0; i + 1 < path.length; i++) {
    least = Math.min(least, distanceToSegment(point, path[i], path[i + 1]));
  }
  return least;
}

// Fewer points of a path: those left out are within a tolerance of it (Douglas and Peucker 1973).
export function simplify(points, tolerance) {
  if (points.length < 3) return points;
  const last = points.length - 1;
  let farthest = 0;
  let index = 0;
  for (let i = 1; i < last; i++) {
    const away = distanceToSegment(points[i], points[0], points[last]);
    if (away > farthest) [farthest, index] = [away, i];
  }
  if (farthest <= tolerance) return [points[0], points[last]];
  const start = simplify(points.slice(0, index + 1), tolerance);
  return [...start.slice(0, -1), ...simplify(points.slice(index), tolerance)];
}
