/**
 * Coordinates: the only file that maps voxels to the screen and to the patient.
 *
 * Four frames: voxels (i, j, k) as stored; (index, u, v) inside one slice as stored; (x, y) of the slice
 * in the radiological display, pixel centres on whole numbers; and millimetres in LPS.
 * `PlaneInfo`, sent by the server, gives each plane's transpose and flips, so that page, model and previews
 * agree to the voxel.
 */
import type { AxisName, BoxPrompt, Ijk, PlaneInfo, PlaneName, VolumeInfo } from "../api/wire_types";

const AXES: AxisName[] = ["i", "j", "k"];
/** The letters of the patient's sides in the negative and the positive direction of each LPS axis. */
const SIDES = ["RL", "AP", "IS"];
/** An edge has a second letter from this angle on. */
const SECOND_LETTER_DEG = 5;
/** LPS axis of each plane's normal, and the sign towards the top of the slice bar: S, A, R. */
const NORMAL: Record<PlaneName, [number, number]> = { axial: [2, 1], coronal: [1, -1], sagittal: [0, -1] };
const NORMAL_LETTERS = [
  ["L", "R"],
  ["P", "A"],
  ["S", "I"],
];

/** Offset of displayed pixel (x, y) of one slice in an array stored i fastest: base + x·dx + y·dy. */
export interface SlicePlan {
  base: number;
  dx: number;
  dy: number;
  cols: number;
  rows: number;
}

export class SliceGrid {
  readonly axis: number;
  readonly u: number;
  readonly v: number;
  readonly count: number;
  /** Columns and rows as displayed, and the millimetres between them. */
  readonly cols: number;
  readonly rows: number;
  readonly colMm: number;
  readonly rowMm: number;
  readonly sliceMm: number;
  readonly letters: { left: string; right: string; top: string; bottom: string };
  /** The angle between this plane and the anatomical one, in whole degrees; 0 unless the volume is oblique. */
  readonly tiltDeg: number;
  /** Whether the top of the slice bar (superior, anterior or right) is the highest index. */
  readonly topIsLast: boolean;

  constructor(
    readonly plane: PlaneName,
    private readonly info: PlaneInfo,
    private readonly geometry: Geometry,
  ) {
    const { shape, spacing } = geometry;
    this.axis = AXES.indexOf(info.axis);
    this.u = AXES.indexOf(info.uv_axes[0]);
    this.v = AXES.indexOf(info.uv_axes[1]);
    this.count = info.count;
    const [colAxis, rowAxis] = info.transpose ? [this.v, this.u] : [this.u, this.v];
    this.cols = shape[colAxis];
    this.rows = shape[rowAxis];
    this.colMm = spacing[colAxis];
    this.rowMm = spacing[rowAxis];
    this.sliceMm = spacing[this.axis];
    this.letters = this.lettersOf(colAxis, rowAxis);
    const [lps, sign] = NORMAL[plane];
    this.tiltDeg = Math.round(geometry.angleDeg(this.u, this.v, lps));
    this.topIsLast = geometry.direction(this.axis)[lps] * sign > 0;
  }

  /** The axis of the slices, as requests name it. */
  get axisName(): AxisName {
    return AXES[this.axis];
  }

  /** The letters at the edges; an oblique edge has a second one, as in "AR", for the smaller part of its direction. */
  private lettersOf(colAxis: number, rowAxis: number) {
    const { info, geometry } = this;
    const towards = (axis: number, flip: boolean) =>
      sideOf(geometry.direction(axis).map((part) => (flip ? -part : part)));
    const back = (axis: number, flip: boolean) => towards(axis, !flip);
    return {
      left: back(colAxis, info.flip_cols),
      right: towards(colAxis, info.flip_cols),
      top: back(rowAxis, info.flip_rows),
      bottom: towards(rowAxis, info.flip_rows),
    };
  }

  /** Rows and columns of a slice as stored; the shape of masks. */
  get shapeVu(): [number, number] {
    return [this.geometry.shape[this.v], this.geometry.shape[this.u]];
  }

  /** Millimetres between stored columns and between stored rows. */
  get spacingUv(): [number, number] {
    return [this.geometry.spacing[this.u], this.geometry.spacing[this.v]];
  }

  uvToXy(u: number, v: number): [number, number] {
    const [x, y] = this.info.transpose ? [v, u] : [u, v];
    return [this.info.flip_cols ? this.cols - 1 - x : x, this.info.flip_rows ? this.rows - 1 - y : y];
  }

  xyToUv(x: number, y: number): [number, number] {
    const [a, b] = [this.info.flip_cols ? this.cols - 1 - x : x, this.info.flip_rows ? this.rows - 1 - y : y];
    return this.info.transpose ? [b, a] : [a, b];
  }

  split(ijk: readonly number[]): [number, number, number] {
    return [ijk[this.axis], ijk[this.u], ijk[this.v]];
  }

  join(index: number, u: number, v: number): Ijk {
    const ijk: Ijk = [index, index, index];
    ijk[this.u] = u;
    ijk[this.v] = v;
    return ijk;
  }

  /** The displayed position of a voxel, whatever its slice. */
  ijkToXy(ijk: readonly number[]): [number, number] {
    const [, u, v] = this.split(ijk);
    return this.uvToXy(u, v);
  }

  /** The voxel under a displayed position; fractions stay. */
  xyToIjk(index: number, x: number, y: number): Ijk {
    const [u, v] = this.xyToUv(x, y);
    return this.join(index, u, v);
  }

  plan(index: number): SlicePlan {
    const at = (x: number, y: number) => this.geometry.offset(this.xyToIjk(index, x, y));
    const base = at(0, 0);
    return { base, dx: at(1, 0) - base, dy: at(0, 1) - base, cols: this.cols, rows: this.rows };
  }

  /** (base, du, dv): offset of stored pixel (u, v) of a slice in an array stored i fastest: base + u·du + v·dv. */
  strides(index: number): [number, number, number] {
    const base = this.geometry.offset(this.join(index, 0, 0));
    const du = this.geometry.offset(this.join(index, 1, 0)) - base;
    const dv = this.geometry.offset(this.join(index, 0, 1)) - base;
    return [base, du, dv];
  }

  /** A box prompt from two displayed corners, clipped to the slice and rounded to voxels. */
  box(index: number, a: [number, number], b: [number, number]): BoxPrompt {
    const clamp = (value: number, size: number) => Math.min(size - 1, Math.max(0, Math.round(value)));
    const corners = [a, b].map(([x, y]) => this.xyToUv(clamp(x, this.cols), clamp(y, this.rows)));
    const [us, vs] = [0, 1].map((n) => corners.map((corner) => corner[n]).sort((p, q) => p - q));
    const [u, v] = [AXES[this.u], AXES[this.v]];
    return {
      box: {
        [AXES[this.axis]]: index,
        [`${u}0`]: us[0],
        [`${u}1`]: us[1],
        [`${v}0`]: vs[0],
        [`${v}1`]: vs[1],
      },
    };
  }

  /** The displayed edges (left, top, right, bottom) of a box prompt on this plane; null on another plane or slice. */
  boxEdges(box: Record<string, number>, index: number): [number, number, number, number] | null {
    if (box[AXES[this.axis]] !== index) return null;
    const [u, v] = [AXES[this.u], AXES[this.v]];
    const [x0, y0] = this.uvToXy(box[`${u}0`], box[`${v}0`]);
    const [x1, y1] = this.uvToXy(box[`${u}1`], box[`${v}1`]);
    return [Math.min(x0, x1) - 0.5, Math.min(y0, y1) - 0.5, Math.max(x0, x1) + 0.5, Math.max(y0, y1) + 0.5];
  }

  /** The slice of a mask prompt: its axis and index. */
  maskSlice(index: number): Partial<Record<AxisName, number>> {
    return { [AXES[this.axis]]: index };
  }

  /** Whether a mask or lasso with this axis and index lies on a slice. */
  isSlice(given: Partial<Record<AxisName, number>>, index: number): boolean {
    return given[AXES[this.axis]] === index;
  }

  /** Turn a mask from storage order to the display. */
  maskToDisplay(stored: Uint8Array): Uint8Array {
    const [rows, cols] = this.shapeVu;
    const display = new Uint8Array(rows * cols);
    for (let v = 0; v < rows; v++)
      for (let u = 0; u < cols; u++)
        if (stored[v * cols + u]) {
          const [x, y] = this.uvToXy(u, v);
          display[y * this.cols + x] = 1;
        }
    return display;
  }

  /** The position of a slice along the patient in the radiological notation: "S 120.5 mm". */
  position(index: number): string {
    const centre = this.xyToIjk(index, (this.cols - 1) / 2, (this.rows - 1) / 2);
    const [lps] = NORMAL[this.plane];
    const mm = this.geometry.toLps(centre)[lps];
    return `${NORMAL_LETTERS[lps][mm >= 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)} mm`;
  }
}

export class Geometry {
  readonly shape: Ijk;
  readonly spacing: Ijk;
  /** Rows of the 4×4 matrix from (i, j, k) to LPS millimetres. */
  readonly affine: number[][];
  readonly grids: Record<PlaneName, SliceGrid>;

  constructor(info: Pick<VolumeInfo, "shape_ijk" | "spacing_mm_ijk" | "affine_lps" | "planes">) {
    this.shape = info.shape_ijk;
    this.spacing = info.spacing_mm_ijk;
    const flat = info.affine_lps.flat();
    this.affine = [0, 1, 2, 3].map((row) => flat.slice(4 * row, 4 * row + 4));
    this.grids = {
      axial: new SliceGrid("axial", info.planes.axial, this),
      coronal: new SliceGrid("coronal", info.planes.coronal, this),
      sagittal: new SliceGrid("sagittal", info.planes.sagittal, this),
    };
  }

  get voxels(): number {
    return this.shape[0] * this.shape[1] * this.shape[2];
  }

  offset([i, j, k]: Ijk): number {
    return i + this.shape[0] * (j + this.shape[1] * k);
  }

  contains(ijk: Ijk): boolean {
    return ijk.every((value, axis) => value >= 0 && value < this.shape[axis]);
  }

  /** The unit vector in LPS along a voxel axis. */
  direction(axis: number): Ijk {
    return [0, 1, 2].map((row) => this.affine[row][axis] / this.spacing[axis]) as Ijk;
  }

  /** The angle between the plane of two voxel axes and the one across an LPS axis. */
  angleDeg(u: number, v: number, lps: number): number {
    const [a, b] = [this.direction(u), this.direction(v)];
    const cross = [0, 1, 2].map((n) => a[(n + 1) % 3] * b[(n + 2) % 3] - a[(n + 2) % 3] * b[(n + 1) % 3]);
    return (180 / Math.PI) * Math.acos(Math.min(1, Math.abs(cross[lps]) / Math.hypot(...cross)));
  }

  toLps(ijk: Ijk): Ijk {
    return [0, 1, 2].map((row) => {
      const [a, b, c, d] = this.affine[row];
      return a * ijk[0] + b * ijk[1] + c * ijk[2] + d;
    }) as Ijk;
  }

  /** Millimetres between two voxel positions. */
  distance(a: Ijk, b: Ijk): number {
    const [p, q] = [this.toLps(a), this.toLps(b)];
    return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
  }
}

/** The side of the patient that a direction in LPS points to: "L", or "LA" where it also points forwards. */
function sideOf(direction: readonly number[]): string {
  const least = Math.sin((SECOND_LETTER_DEG * Math.PI) / 180);
  return [0, 1, 2]
    .filter((axis) => Math.abs(direction[axis]) >= least)
    .sort((a, b) => Math.abs(direction[b]) - Math.abs(direction[a]))
    .slice(0, 2)
    .map((axis) => SIDES[axis][direction[axis] > 0 ? 1 : 0])
    .join("");
}
