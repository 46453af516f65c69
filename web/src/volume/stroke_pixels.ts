/**
 * The pixels of brush strokes and lassos on a slice as stored: the same ones that the server sets.
 *
 * A pixel belongs to a stroke if its centre is within the brush's radius of the lines between the points, and to a
 * lasso if its centre lies inside or on a side (see `radsam.volume.hand_shape`).
 */
import type { SliceGrid } from "./coordinates";

/** A position in voxels along the slice's two stored axes. */
export type Uv = readonly [number, number];

/** A centre at the radius belongs to the stroke, whatever the last digits of both. */
const TOLERANCE = 1e-6;

/** Set the pixels within `radius` of the line from `a` to `b`; a pixel is `du` by `dv`. */
function addCapsule(
  mask: Uint8Array,
  [rows, cols]: readonly [number, number],
  [a, b]: readonly [Uv, Uv],
  radius: number,
  [du, dv]: Uv,
): void {
  const reach = radius + TOLERANCE;
  const first = Math.max(0, Math.ceil(Math.min(a[1], b[1]) - reach / dv));
  const last = Math.min(rows - 1, Math.floor(Math.max(a[1], b[1]) + reach / dv));
  const left = Math.max(0, Math.ceil(Math.min(a[0], b[0]) - reach / du));
  const right = Math.min(cols - 1, Math.floor(Math.max(a[0], b[0]) + reach / du));
  const [x, y] = [(b[0] - a[0]) * du, (b[1] - a[1]) * dv];
  const square = x * x + y * y;
  for (let v = first; v <= last; v++)
    for (let u = left; u <= right; u++) {
      const [px, py] = [(u - a[0]) * du, (v - a[1]) * dv];
      const share = square ? Math.min(1, Math.max(0, (px * x + py * y) / square)) : 0;
      if ((px - share * x) ** 2 + (py - share * y) ** 2 <= reach * reach) mask[v * cols + u] = 1;
    }
}

/** The nearest voxel of a place; between two voxels the upper one. */
const nearest = (place: number) => Math.floor(place + 0.5 + TOLERANCE);

/** Set the pixels of one straight piece of a brush stroke; a thin brush sets at least those on the line. */
export function addStroke(mask: Uint8Array, grid: SliceGrid, a: Uv, b: Uv, radiusMm: number): void {
  const cols = grid.shapeVu[1];
  addCapsule(mask, grid.shapeVu, [a, b], radiusMm, grid.spacingUv);
  const steps = Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1]));
  for (let n = 0; n <= steps; n++) {
    const share = n / Math.max(1, steps);
    const [u, v] = [nearest(a[0] + (b[0] - a[0]) * share), nearest(a[1] + (b[1] - a[1]) * share)];
    mask[v * cols + u] = 1;
  }
}

/** The pixels of a whole brush stroke. */
export function strokePixels(grid: SliceGrid, path: readonly Uv[], radiusMm: number): Uint8Array {
  const mask = new Uint8Array(grid.shapeVu[0] * grid.shapeVu[1]);
  if (path.length === 1) addStroke(mask, grid, path[0], path[0], radiusMm);
  for (let n = 1; n < path.length; n++) addStroke(mask, grid, path[n - 1], path[n], radiusMm);
  return mask;
}

/** The pixels inside a closed polygon or on its sides. */
export function polygonPixels(grid: SliceGrid, polygon: readonly Uv[]): Uint8Array {
  const [rows, cols] = grid.shapeVu;
  const mask = new Uint8Array(rows * cols);
  const crossings: number[][] = Array.from({ length: rows }, () => []);
  for (let n = 0; n < polygon.length; n++) {
    const [a, b] = [polygon[n], polygon[(n + 1) % polygon.length]];
    addCapsule(mask, grid.shapeVu, [a, b], 0, [1, 1]);
    // Downwards, so that a side crosses a row at the same place whichever way it is drawn.
    const [[x0, y0], [x1, y1]] = a[1] > b[1] ? [b, a] : [a, b];
    for (let row = Math.max(0, Math.ceil(y0)); row < Math.min(rows, Math.ceil(y1)); row++)
      crossings[row].push(x0 + (row - y0) * ((x1 - x0) / (y1 - y0)));
  }
  crossings.forEach((places, row) => {
    places.sort((p, q) => p - q);
    for (let n = 0; n + 1 < places.length; n += 2)
      for (let col = Math.max(0, Math.ceil(places[n])); col < Math.min(cols, Math.ceil(places[n + 1])); col++)
        mask[row * cols + col] = 1;
  });
  return mask;
}

/** No stroke is sent with more points. */
const MOST_POINTS = 400;

/** A path with fewer points that stays within `tolerance` of it; the ends stay. */
export function simplified(path: readonly Uv[], tolerance = 0.5): Uv[] {
  for (let within = tolerance; ; within *= 2) {
    const kept = withinTolerance(path, within);
    if (kept.length <= MOST_POINTS) return kept;
  }
}

/** Ramer, Douglas and Peucker: keep the point farthest from the line between the ends, and so on in both halves. */
function withinTolerance(path: readonly Uv[], tolerance: number): Uv[] {
  const keep = new Set([0, path.length - 1]);
  const parts: [number, number][] = [[0, path.length - 1]];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const [from, to] = part;
    let [farthest, distance] = [from, tolerance];
    for (let n = from + 1; n < to; n++) {
      const away = distanceTo(path[n], path[from], path[to]);
      if (away > distance) [farthest, distance] = [n, away];
    }
    if (farthest === from) continue;
    keep.add(farthest);
    parts.push([from, farthest], [farthest, to]);
  }
  return path.filter((_, n) => keep.has(n));
}

function distanceTo(point: Uv, from: Uv, to: Uv): number {
  const [x, y] = [to[0] - from[0], to[1] - from[1]];
  const [px, py] = [point[0] - from[0], point[1] - from[1]];
  const square = x * x + y * y;
  const share = square ? Math.min(1, Math.max(0, (px * x + py * y) / square)) : 0;
  return Math.hypot(px - share * x, py - share * y);
}

/** Where values are like those around the stroke's first point, and connected to them; see `alike` on the server. */
const SAMPLE_RADIUS_MM = 1.5;

/** Keep the pixels within ± `tolerance` of the mean around `at` that hang together with it; corners count. */
function alikePixels(
  mask: Uint8Array,
  grid: SliceGrid,
  at: Uv,
  tolerance: number,
  value: (u: number, v: number) => number,
): Uint8Array {
  const [rows, cols] = grid.shapeVu;
  const disk = new Uint8Array(mask.length);
  addCapsule(disk, grid.shapeVu, [at, at], SAMPLE_RADIUS_MM, grid.spacingUv);
  const sampled: number[] = [];
  disk.forEach((inside, n) => {
    if (inside) sampled.push(n);
  });
  const of = (n: number) => value(n % cols, Math.floor(n / cols));
  const mean = sampled.reduce((sum, n) => sum + of(n), 0) / sampled.length;
  const kept = new Uint8Array(mask.length);
  const open: number[] = [];
  const visit = (n: number) => {
    if (!mask[n] || kept[n] || Math.abs(of(n) - mean) > tolerance) return;
    kept[n] = 1;
    open.push(n);
  };
  sampled.forEach(visit);
  for (let n = open.pop(); n !== undefined; n = open.pop()) {
    const [u, v] = [n % cols, Math.floor(n / cols)];
    for (let dv = -1; dv <= 1; dv++)
      for (let du = -1; du <= 1; du++)
        if (u + du >= 0 && u + du < cols && v + dv >= 0 && v + dv < rows) visit(n + dv * cols + du);
  }
  return kept;
}

/** The pixel of a mask nearest its middle: what a lasso is compared with. */
function middleOf(mask: Uint8Array, cols: number): Uv {
  const found = [...mask.keys()].filter((n) => mask[n]);
  const mean = (of: (n: number) => number) => found.reduce((sum, n) => sum + of(n), 0) / found.length;
  const [u, v] = [mean((n) => n % cols), mean((n) => Math.floor(n / cols))];
  const away = (n: number) => ((n % cols) - u) ** 2 + (Math.floor(n / cols) - v) ** 2;
  let nearest = found[0];
  for (const n of found) if (away(n) < away(nearest)) nearest = n;
  return [nearest % cols, Math.floor(nearest / cols)];
}

/** Keep the pixels of a stroke that its limits allow, as the server does; `at` is where a brush began. */
export function limitedPixels(
  mask: Uint8Array,
  grid: SliceGrid,
  limits: { within?: readonly [number, number]; alike?: number },
  at: Uv | null,
  value: (u: number, v: number) => number,
): Uint8Array {
  const { within, alike } = limits;
  const cols = grid.shapeVu[1];
  const some = mask.slice();
  if (within)
    for (let n = 0; n < some.length; n++) {
      if (!some[n]) continue;
      const here = value(n % cols, Math.floor(n / cols));
      if (here < within[0] || here > within[1]) some[n] = 0;
    }
  if (alike === undefined || !some.includes(1)) return some;
  return alikePixels(some, grid, at ?? middleOf(some, cols), alike, value);
}
