/** Painted masks: brush strokes and lassos on the pixels of a displayed slice. */
import type { SliceGrid } from "../volume/coordinates";

type Xy = readonly [number, number];

/** Paint (or erase) along a straight stroke with a round brush. */
export function paintStroke(
  mask: Uint8Array,
  grid: SliceGrid,
  from: Xy,
  to: Xy,
  diameterMm: number,
  value: 0 | 1,
): void {
  const radius = diameterMm / 2;
  const lengthMm = Math.hypot((to[0] - from[0]) * grid.colMm, (to[1] - from[1]) * grid.rowMm);
  const dabs = Math.max(1, Math.ceil(lengthMm / Math.max(0.3, radius / 2)));
  for (let n = 0; n <= dabs; n++) {
    const share = n / dabs;
    dab(mask, grid, from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), radius, value);
  }
}

function dab(mask: Uint8Array, grid: SliceGrid, x: number, y: number, radiusMm: number, value: 0 | 1): void {
  const [rx, ry] = [radiusMm / grid.colMm, radiusMm / grid.rowMm];
  for (let row = Math.max(0, Math.ceil(y - ry)); row <= Math.min(grid.rows - 1, Math.floor(y + ry)); row++)
    for (let col = Math.max(0, Math.ceil(x - rx)); col <= Math.min(grid.cols - 1, Math.floor(x + rx)); col++)
      if (((col - x) * grid.colMm) ** 2 + ((row - y) * grid.rowMm) ** 2 <= radiusMm ** 2)
        mask[row * grid.cols + col] = value;
  const [col, row] = [Math.round(x), Math.round(y)];
  if (col >= 0 && row >= 0 && col < grid.cols && row < grid.rows) mask[row * grid.cols + col] = value;
}

/** Fill a polygon: the pixels whose centres lie inside (even-odd). */
export function fillPolygon(mask: Uint8Array, grid: SliceGrid, polygon: readonly Xy[]): void {
  for (let row = 0; row < grid.rows; row++) {
    const crossings: number[] = [];
    for (let n = 0; n < polygon.length; n++) {
      const [ax, ay] = polygon[n];
      const [bx, by] = polygon[(n + 1) % polygon.length];
      if (ay <= row !== by <= row) crossings.push(ax + ((row - ay) / (by - ay)) * (bx - ax));
    }
    crossings.sort((a, b) => a - b);
    for (let n = 0; n + 1 < crossings.length; n += 2) {
      const first = Math.max(0, Math.ceil(crossings[n]));
      const last = Math.min(grid.cols - 1, Math.floor(crossings[n + 1]));
      for (let col = first; col <= last; col++) mask[row * grid.cols + col] = 1;
    }
  }
}
