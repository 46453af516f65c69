/**
 * A slice at screen resolution: interpolated as values and windowed afterwards, so that an edge which the window
 * clips keeps its position. Catmull-Rom when enlarging; widened to an average when shrinking.
 */
import type { SlicePlan } from "./coordinates";
import type { ValueWindow } from "./value_window";
import type { Voxels } from "./voxel_block";

/** The position of a displayed slice in a picture: pixel x of the slice is centred at left + (x + 0.5)·scaleX. */
export interface Placement {
  left: number;
  top: number;
  scaleX: number;
  scaleY: number;
}

interface Taps {
  first: Int32Array;
  count: number;
  weights: Float32Array;
}

function cubic(t: number): number {
  const a = Math.abs(t);
  if (a < 1) return 1.5 * a * a * a - 2.5 * a * a + 1;
  return a < 2 ? -0.5 * a * a * a + 2.5 * a * a - 4 * a + 2 : 0;
}

/** The taps of the last pictures: scrolling makes many of one size. */
const known = new Map<string, Taps>();
const MAX_KNOWN = 24;

function tapsOf(length: number, start: number, scale: number, size: number): Taps {
  const key = `${length} ${start} ${scale} ${size}`;
  const found = known.get(key) ?? taps(length, start, scale, size);
  if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value!);
  known.set(key, found);
  return found;
}

/** For each picture pixel, the slice pixels and weights it is mixed from; pixels beyond the border repeat it. */
function taps(length: number, start: number, scale: number, size: number): Taps {
  const widen = Math.max(1, 1 / scale);
  const count = Math.ceil(4 * widen);
  const first = new Int32Array(length);
  const weights = new Float32Array(length * count);
  for (let n = 0; n < length; n++) {
    const centre = (n + 0.5 - start) / scale - 0.5;
    const from = Math.ceil(centre - 2 * widen);
    first[n] = Math.min(Math.max(0, size - count), Math.max(0, from));
    let sum = 0;
    const mixed = new Float64Array(count);
    for (let t = 0; t < count; t++) {
      const weight = cubic((from + t - centre) / widen);
      const at = Math.min(size - 1, Math.max(0, from + t)) - first[n];
      if (at >= 0 && at < count) mixed[at] += weight;
      sum += weight;
    }
    for (let t = 0; t < count; t++) weights[n * count + t] = mixed[t] / (sum || 1);
  }
  return { first, count, weights };
}

/** The rows of a slice, mixed along x; kept from picture to picture. */
let lines = new Float32Array(0);
let sums = new Float32Array(0);

/** Grey levels (0 to 255, as opaque RGBA words) of `width` × `height` picture pixels. */
export function renderSlice(
  voxels: Voxels,
  plan: SlicePlan,
  place: Placement,
  width: number,
  height: number,
  window: ValueWindow,
  out: Uint32Array,
): void {
  const across = tapsOf(width, place.left, place.scaleX, plan.cols);
  const down = tapsOf(height, place.top, place.scaleY, plan.rows);
  const firstRow = down.first[0];
  const lastRow = Math.min(plan.rows - 1, down.first[height - 1] + down.count - 1);
  const size = (lastRow - firstRow + 1) * width;
  if (lines.length < size) lines = new Float32Array(size);
  if (sums.length < width) sums = new Float32Array(width);
  for (let row = firstRow; row <= lastRow; row++)
    mixAlong(voxels, plan.base + row * plan.dy, plan, across, width, (row - firstRow) * width);
  const scale = 255 / (window[1] - window[0]);
  for (let y = 0; y < height; y++) {
    mixRows(down, y, (down.first[y] - firstRow) * width, plan.rows, width);
    for (let x = 0, at = y * width; x < width; x++, at++) {
      let grey = (sums[x] - window[0]) * scale;
      grey = grey < 0 ? 0 : grey > 255 ? 255 : (grey + 0.5) | 0;
      out[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  }
}

/** Mix one row of the slice, which starts at `from`, into `lines` at `to`. */
function mixAlong(
  voxels: Voxels,
  from: number,
  { dx, cols }: SlicePlan,
  { first, count, weights }: Taps,
  width: number,
  to: number,
): void {
  if (count === 4 && cols >= 4) {
    for (let x = 0, w = 0; x < width; x++, w += 4) {
      const at = from + first[x] * dx;
      lines[to + x] =
        voxels[at] * weights[w] +
        voxels[at + dx] * weights[w + 1] +
        voxels[at + 2 * dx] * weights[w + 2] +
        voxels[at + 3 * dx] * weights[w + 3];
    }
    return;
  }
  for (let x = 0; x < width; x++) {
    let value = 0;
    const last = Math.min(count, cols - first[x]);
    for (let t = 0; t < last; t++) value += voxels[from + (first[x] + t) * dx] * weights[x * count + t];
    lines[to + x] = value;
  }
}

/** Mix rows of `lines`, from `from` on, into `sums`: picture row `y`. */
function mixRows(
  { first, count, weights }: Taps,
  y: number,
  from: number,
  rows: number,
  width: number,
): void {
  if (count === 4 && rows >= 4) {
    const [a, b, c, d] = weights.subarray(4 * y, 4 * y + 4);
    for (let x = 0, at = from; x < width; x++, at++)
      sums[x] = lines[at] * a + lines[at + width] * b + lines[at + 2 * width] * c + lines[at + 3 * width] * d;
    return;
  }
  sums.fill(0, 0, width);
  const last = Math.min(count, rows - first[y]);
  for (let t = 0; t < last; t++) {
    const weight = weights[y * count + t];
    for (let x = 0, at = from + t * width; x < width; x++, at++) sums[x] += lines[at] * weight;
  }
}
