/** The values of measurements: millimetres, degrees, and the voxels inside a region. */
import type { Measurement } from "../api/measurements";
import type { Ijk, VolumeInfo } from "../api/wire_types";
import type { Geometry } from "./coordinates";
import type { Voxels } from "./voxel_block";

export interface RegionValues {
  count: number;
  mean: number;
  sd: number;
  minimum: number;
  maximum: number;
}

export interface MeasuredValues {
  mm?: number;
  degrees?: number;
  mm2?: number;
  /** Of the voxels whose centres lie inside a region; null while there are none, or no voxels yet. */
  values?: RegionValues | null;
}

export function measuredValues(
  measurement: Measurement,
  geometry: Geometry,
  voxels: Voxels | null,
): MeasuredValues {
  const [a, b, c] = measurement.points;
  if (measurement.kind === "length") return { mm: geometry.distance(a, b) };
  if (measurement.kind === "angle") return { degrees: angle(geometry, a, b, c) };
  const { colMm, rowMm } = geometry.grids[measurement.plane];
  const [[x0, y0], [x1, y1]] = corners(measurement, geometry);
  const box = (x1 - x0) * colMm * (y1 - y0) * rowMm;
  return {
    mm2: measurement.kind === "ellipse" ? (box * Math.PI) / 4 : box,
    values: voxels && regionValues(measurement, geometry, voxels),
  };
}

/** Degrees between the sides from the vertex `b` to `a` and to `c`. */
function angle(geometry: Geometry, a: Ijk, b: Ijk, c: Ijk): number {
  const [from, p, q] = [b, a, c].map((each) => geometry.toLps(each));
  const [u, v] = [p, q].map((each) => each.map((value, axis) => value - from[axis]));
  const dot = u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const cross = Math.hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]);
  return (Math.atan2(cross, dot) * 180) / Math.PI;
}

/** The upper left and the lower right corner of a region as displayed. */
export function corners(measurement: Measurement, geometry: Geometry): [[number, number], [number, number]] {
  const grid = geometry.grids[measurement.plane];
  const [[ax, ay], [bx, by]] = measurement.points.map((each) => grid.ijkToXy(each));
  return [
    [Math.min(ax, bx), Math.min(ay, by)],
    [Math.max(ax, bx), Math.max(ay, by)],
  ];
}

function regionValues(measurement: Measurement, geometry: Geometry, voxels: Voxels): RegionValues | null {
  const grid = geometry.grids[measurement.plane];
  const { base, dx, dy } = grid.plan(grid.split(measurement.points[0])[0]);
  const [[x0, y0], [x1, y1]] = corners(measurement, geometry);
  const round = measurement.kind === "ellipse";
  let [count, mean, squares] = [0, 0, 0];
  let [minimum, maximum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let y = Math.max(0, Math.ceil(y0)); y <= Math.min(grid.rows - 1, y1); y++)
    for (let x = Math.max(0, Math.ceil(x0)); x <= Math.min(grid.cols - 1, x1); x++) {
      if (round && ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 > 1) continue;
      const value = voxels[base + x * dx + y * dy];
      count++;
      const before = value - mean;
      mean += before / count;
      squares += before * (value - mean);
      minimum = Math.min(minimum, value);
      maximum = Math.max(maximum, value);
    }
  return count ? { count, mean, sd: Math.sqrt(squares / count), minimum, maximum } : null;
}

/** The values in words: "23.4 mm", "45.2°", "54.1 ± 12.3 HU, 312 mm²". */
export function measuredText(measured: MeasuredValues, unit: string): string {
  const { mm, degrees, mm2, values } = measured;
  if (mm !== undefined) return `${mm.toFixed(1)} mm`;
  if (degrees !== undefined) return `${degrees.toFixed(1)}°`;
  const area = `${mm2!.toFixed(mm2! < 100 ? 1 : 0)} mm²`;
  return values ? `${shortNumber(values.mean)} ± ${shortNumber(values.sd)}${unit}, ${area}` : area;
}

/** A value of a voxel or a mean of some in three digits, or in all before the decimal point. */
export function shortNumber(value: number): string {
  return String(Number(Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)));
}

/** The unit of the voxels after a space; nothing where they have none, as those of an MR. */
export function unitOf({ unit }: Pick<VolumeInfo, "unit">): string {
  return unit ? ` ${unit}` : "";
}
