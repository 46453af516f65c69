/**
 * A slice at screen resolution: interpolated in HU and windowed afterwards, so that an edge which the window
 * clips keeps its position. Catmull-Rom when enlarging; widened to an average when shrinking.
 */
import type { SlicePlan } from "./coordinates";
import type { WindowHu } from "./hu_window";
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

/** Grey levels (0 to 255, as opaque RGBA words) of `width` × `height` picture pixels. */
export function renderSlice(
  voxels: Voxels,
  plan: SlicePlan,
  place: Placement,
  width: number,
  height: number,
  window: WindowHu,
  out: Uint32Array,
): void {
  const across = taps(width, place.left, place.scaleX, plan.cols);
  const down = taps(height, place.top, place.scaleY, plan.rows);
  const firstRow = down.first[0];
  const lastRow = Math.min(plan.rows - 1, down.first[height - 1] + down.count - 1);
  const lines = new Float32Array((lastRow - firstRow + 1) * width);
  for (let row = firstRow; row <= lastRow; row++) {
    const from = plan.base + row * plan.dy;
    const line = (row - firstRow) * width;
    for (let x = 0; x < width; x++) {
      let value = 0;
      const first = across.first[x];
      const last = Math.min(across.count, plan.cols - first);
      for (let t = 0; t < last; t++)
        value += voxels[from + (first + t) * plan.dx] * across.weights[x * across.count + t];
      lines[line + x] = value;
    }
  }
  const scale = 255 / (window[1] - window[0]);
  for (let y = 0; y < height; y++) {
    const first = down.first[y] - firstRow;
    const last = Math.min(down.count, plan.rows - down.first[y]);
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (let t = 0; t < last; t++)
        value += lines[(first + t) * width + x] * down.weights[y * down.count + t];
      let grey = (value - window[0]) * scale;
      grey = grey < 0 ? 0 : grey > 255 ? 255 : (grey + 0.5) | 0;
      out[y * width + x] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  }
}
