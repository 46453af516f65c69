/** The measurements of a session as a table. */
import type { Measurement } from "../api/measurements";
import type { PlaneName } from "../api/wire_types";
import type { Geometry } from "./coordinates";
import { measuredValues } from "./measured_values";
import type { Voxels } from "./voxel_block";

/** CSV with a row for each measurement: what it is, where it lies (i, j, k of its points), and its values. */
export function measurementTable(
  list: readonly Measurement[],
  geometry: Geometry,
  voxelsOn: (plane: PlaneName, index: number) => Voxels | null,
  unit: string,
): string {
  const head = ["kind", "plane", "slice", "length_mm", "angle_degrees", "area_mm2", "voxels"];
  const values = ["mean", "sd", "minimum", "maximum"];
  const rows = list.map((each) => {
    const slice = geometry.grids[each.plane].split(each.points[0])[0];
    const measured = measuredValues(each, geometry, voxelsOn(each.plane, slice));
    const region = measured.values;
    const numbers = [
      ...[measured.mm, measured.degrees, measured.mm2, region?.count],
      ...[region?.mean, region?.sd, region?.minimum, region?.maximum],
    ].map((value) => (value === undefined ? "" : String(Number(value.toFixed(3)))));
    const points = each.points.map((point) => point.map((at) => Number(at.toFixed(2))).join(" ")).join("; ");
    return [each.kind, each.plane, slice, ...numbers, region ? unit.trim() : "", points];
  });
  return [[...head, ...values, "unit", "points_ijk"], ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}
