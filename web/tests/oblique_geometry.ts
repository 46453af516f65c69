/** A geometry for tests: uneven shape and spacing, turned by 12° around the patient's left-right axis. */
import type { AxisName, PlaneInfo } from "../src/api/wire_types";
import { Geometry } from "../src/volume/coordinates";

const [cos, sin] = [Math.cos((12 * Math.PI) / 180), Math.sin((12 * Math.PI) / 180)];

const plane = (
  axis: AxisName,
  count: number,
  uv: [AxisName, AxisName],
  flips: [boolean, boolean],
): PlaneInfo => ({
  axis,
  count,
  uv_axes: uv,
  transpose: false,
  flip_cols: flips[0],
  flip_rows: flips[1],
  spacing_mm_vu: [1, 1],
});

/** i runs to the patient's right, j backwards and (12°) upwards, k upwards and forwards. */
export const GEOMETRY = new Geometry({
  shape_ijk: [20, 16, 9],
  spacing_mm_ijk: [1, 2, 5],
  affine_lps: [-1, 0, 0, 0, 0, 2 * cos, -5 * sin, 0, 0, 2 * sin, 5 * cos, 0, 0, 0, 0, 1],
  planes: {
    axial: plane("k", 9, ["i", "j"], [true, false]),
    coronal: plane("j", 16, ["i", "k"], [true, true]),
    sagittal: plane("i", 20, ["j", "k"], [false, true]),
  },
});
