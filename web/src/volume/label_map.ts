/** The label map of the page: the object id of each voxel, updated slice by slice. */
import type { PlaneName } from "../api/wire_types";
import type { Geometry, SliceGrid } from "./coordinates";
import { outlines } from "./mask_outlines";
import { decodeRuns } from "./run_lengths";

export interface SliceOutlines {
  id: number;
  polygons: Float32Array[];
}

export class LabelMap {
  readonly ids: Uint16Array;
  /** Grows with every change, so that drawing code can tell that the map is new. */
  version = 0;
  private cache = new Map<string, SliceOutlines[]>();

  constructor(readonly geometry: Geometry) {
    this.ids = new Uint16Array(geometry.voxels);
  }

  private changed(): void {
    this.version++;
    this.cache.clear();
  }

  clear(): void {
    this.ids.fill(0);
    this.changed();
  }

  /** Remove an object's voxels. */
  drop(id: number): void {
    for (let at = 0; at < this.ids.length; at++) if (this.ids[at] === id) this.ids[at] = 0;
    this.changed();
  }

  /** Replace the mask of object `id` on one slice; the objects in `locked` keep their voxels. */
  putSlice(
    id: number,
    plane: PlaneName,
    index: number,
    runs: ArrayLike<number>,
    locked: ReadonlySet<number> = new Set(),
  ): void {
    const grid = this.geometry.grids[plane];
    const [rows, cols] = grid.shapeVu;
    const mask = decodeRuns(runs, rows * cols);
    const [base, du, dv] = grid.strides(index);
    for (let v = 0; v < rows; v++)
      for (let u = 0; u < cols; u++) {
        const at = base + u * du + v * dv;
        const owner = this.ids[at];
        if (mask[v * cols + u]) {
          if (!locked.has(owner)) this.ids[at] = id;
        } else if (owner === id) this.ids[at] = 0;
      }
    this.changed();
  }

  at(offset: number): number {
    return this.ids[offset];
  }

  /** The outlines of every object on a slice, as displayed. */
  outlines(grid: SliceGrid, index: number): SliceOutlines[] {
    const key = `${grid.plane} ${index}`;
    const known = this.cache.get(key);
    if (known) return known;
    const { base, dx, dy, cols, rows } = grid.plan(index);
    const present = new Set<number>();
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < cols; x++) {
        const id = this.ids[base + x * dx + y * dy];
        if (id) present.add(id);
      }
    const result = [...present]
      .sort((a, b) => a - b)
      .map((id) => ({
        id,
        polygons: outlines((x, y) => this.ids[base + x * dx + y * dy] === id, cols, rows),
      }));
    this.cache.set(key, result);
    return result;
  }

  /** The voxels that hold object `id`, as inclusive ranges per axis; null where there are none. */
  extent(id: number): [[number, number], [number, number], [number, number]] | null {
    const [ni, nj, nk] = this.geometry.shape;
    const low = [ni, nj, nk];
    const high = [-1, -1, -1];
    let at = 0;
    for (let k = 0; k < nk; k++)
      for (let j = 0; j < nj; j++)
        for (let i = 0; i < ni; i++, at++)
          if (this.ids[at] === id) {
            if (i < low[0]) low[0] = i;
            if (i > high[0]) high[0] = i;
            if (j < low[1]) low[1] = j;
            if (j > high[1]) high[1] = j;
            low[2] = Math.min(low[2], k);
            high[2] = k;
          }
    return high[0] < 0
      ? null
      : [
          [low[0], high[0]],
          [low[1], high[1]],
          [low[2], high[2]],
        ];
  }
}
