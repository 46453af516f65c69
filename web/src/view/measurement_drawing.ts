/** Draws lengths, angles and regions on the slice where they were measured. */
import type { Measurement } from "../api/measurements";
import type { ObjectStatistics } from "../api/statistics";
import type { OpenSession } from "../state/open_session";
import type { SliceGrid } from "../volume/coordinates";
import { measuredText, measuredValues } from "../volume/measured_values";
import { type Pen, PROMPT, type Xy } from "./overlay_pen";

/** A slice in view; a `SlicePane` is one. */
export interface ShownSlice {
  readonly session: OpenSession;
  readonly grid: SliceGrid;
  readonly index: number;
}

export function indexOf(measurement: Measurement, grid: SliceGrid): number {
  return grid.split(measurement.points[0])[0];
}

/** The measurements of a slice. */
export function onSlice(slice: ShownSlice): Measurement[] {
  return slice.session.measurements.list.filter(
    (each) => each.plane === slice.grid.plane && indexOf(each, slice.grid) === slice.index,
  );
}

/** Draw those of a slice, and an angle that is begun; its second side follows the pointer where the pane is `idle`. */
export function drawMeasurements(slice: ShownSlice, pen: Pen, idle: boolean): void {
  const { measurements, display } = slice.session;
  for (const each of onSlice(slice))
    if (idle || each !== measurements.dragged)
      drawMeasurement(slice, pen, each, each === measurements.selected);
  const { started } = measurements;
  if (!started || !idle || started.plane !== slice.grid.plane || indexOf(started, slice.grid) !== slice.index)
    return;
  const { pointer } = display;
  const third: Xy[] = pointer?.plane === slice.grid.plane ? [[pointer.x, pointer.y]] : [];
  const shown = third.length ? withPoints(slice, started, [...pointsOf(slice, started), ...third]) : started;
  drawMeasurement(slice, pen, shown, true);
}

export function drawMeasurement(
  slice: ShownSlice,
  pen: Pen,
  measurement: Measurement,
  strong: boolean,
): void {
  const points = pointsOf(slice, measurement);
  const colour = strong ? PROMPT : "#ffffff";
  const { kind } = measurement;
  if (kind === "ellipse") pen.ellipse(points[0], points[1], colour);
  else if (kind === "rectangle") pen.line(rectangle(points), colour, true);
  else pen.line(points, colour);
  if (kind === "length") pen.ends(points[0], points[1], colour);
  if (strong) for (const each of points) pen.dot(each, colour);
  if (kind === "angle" && points.length < 3) return;
  const { geometry, loading, unit } = slice.session;
  const voxels = loading.voxelsOn(slice.grid.plane, slice.index);
  const text = measuredText(measuredValues(measurement, geometry, voxels), unit);
  pen.label(text, kind === "angle" ? points[1] : rightmost(points), colour);
}

/** The statistics whose diameters are drawn; null while there are none. */
export function drawnDiameters({ statistics }: OpenSession): ObjectStatistics | null {
  return statistics.drawn === null ? null : statistics.of(statistics.drawn);
}

/** Draw the longest axial diameter of an object and its perpendicular, in the object's colour, on their slice. */
export function drawDiameters(slice: ShownSlice, pen: Pen): void {
  const drawn = drawnDiameters(slice.session);
  if (!drawn?.longest_axial || !drawn.perpendicular || slice.grid.plane !== "axial") return;
  if (drawn.longest_axial.index !== slice.index) return;
  const colour = slice.session.objects.find((each) => each.id === drawn.id)?.color ?? "#ffffff";
  for (const { mm, ends_ijk } of [drawn.perpendicular, drawn.longest_axial]) {
    const ends = ends_ijk.map((each): Xy => slice.grid.ijkToXy(each));
    pen.line(ends, colour);
    for (const each of ends) pen.dot(each, colour);
    pen.label(`${mm.toFixed(1)} mm`, rightmost(ends), "#ffffff");
  }
}

function rightmost(points: readonly Xy[]): Xy {
  return points.reduce((best, each) => (each[0] > best[0] ? each : best));
}

export function rectangle([[ax, ay], [bx, by]]: readonly Xy[]): Xy[] {
  return [
    [ax, ay],
    [bx, ay],
    [bx, by],
    [ax, by],
  ];
}

export function pointsOf(slice: ShownSlice, measurement: Measurement): Xy[] {
  return measurement.points.map((each) => slice.grid.ijkToXy(each));
}

/** A measurement of other points; they are moved onto the slice where they lie outside. */
export function withPoints(
  slice: ShownSlice,
  of: Pick<Measurement, "kind">,
  points: readonly Xy[],
): Measurement {
  const { cols, rows } = slice.grid;
  const clamp = (value: number, size: number) => Math.min(size - 0.5, Math.max(-0.5, value));
  return {
    kind: of.kind,
    plane: slice.grid.plane,
    points: points.map(([x, y]) => slice.grid.xyToIjk(slice.index, clamp(x, cols), clamp(y, rows))),
  };
}
