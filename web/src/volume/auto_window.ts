/** A window that shows most of the values of a slice or of a volume. */
import type { Geometry, SliceGrid } from "./coordinates";
import type { ValueWindow } from "./value_window";
import type { Voxels } from "./voxel_block";

/** So many values are enough for a percentile. */
const MOST_VALUES = 200_000;
/** Air, lung and the edge of the skin: they would darken every slice of a CT. Presets show the lung. */
const BODY_HU = -250;
/** Where less of a CT is body, all of it counts. */
const LEAST_BODY = 0.02;
const PERCENTILES = [0.02, 0.98] as const;

/** From the 2nd to the 98th percentile of a slice's values. */
export function sliceWindow(voxels: Voxels, grid: SliceGrid, index: number, isCt: boolean): ValueWindow {
  const { base, dx, dy, cols, rows } = grid.plan(index);
  const step = Math.max(1, Math.floor((cols * rows) / MOST_VALUES));
  const values: number[] = [];
  for (let at = 0; at < cols * rows; at += step)
    values.push(voxels[base + (at % cols) * dx + Math.floor(at / cols) * dy]);
  return windowOfValues(values, isCt);
}

/** From the 2nd to the 98th percentile of a volume's values. */
export function volumeWindow(voxels: Voxels, geometry: Geometry, isCt: boolean): ValueWindow {
  // A step that shares no factor with the shape takes values of every row and column.
  let step = Math.max(1, Math.floor(voxels.length / MOST_VALUES));
  while (geometry.shape.some((size) => step > 1 && size % step === 0)) step++;
  const values: number[] = [];
  for (let at = 0; at < voxels.length; at += step) values.push(voxels[at]);
  return windowOfValues(values, isCt);
}

function windowOfValues(values: readonly number[], isCt: boolean): ValueWindow {
  const lowest = values.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  // In other modalities the background is what is lowest.
  const counted = values.filter((each) => (isCt ? each > BODY_HU : each > lowest));
  const sorted = Float32Array.from(counted.length >= LEAST_BODY * values.length ? counted : values).sort();
  const [low, high] = PERCENTILES.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
