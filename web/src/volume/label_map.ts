/** The label map of the page: the voxels of each object, updated slice by slice. */
import type { PlaneName } from "../api/wire_types";
import type { Geometry, SliceGrid } from "./coordinates";
import { pixelOutlines } from "./mask_outlines";
import { type Extent, rowOf, SparseMask } from "./sparse_mask";

export interface SliceOutlines {
  id: number;
  polygons: Float32Array[];
}

/** Outlines of an object's slices that are kept at most; those of an axial scroll through an organ fit. */
const MAX_OUTLINES = 400;

interface Shown {
  mask: SparseMask;
  /** The version of the map in which the object last changed. */
  version: number;
  outlines: Map<string, Float32Array[]>;
}

/** Bits of a slice, 16 pixels along u in a word, and the words and rows that hold any. */
interface SliceBits {
  words: Uint16Array;
  perRow: number;
  range: Range;
}

/** Inclusive ranges of columns u and rows v; empty where `u0 > u1`. */
class Range {
  u0 = Number.POSITIVE_INFINITY;
  u1 = -1;
  v0 = Number.POSITIVE_INFINITY;
  v1 = -1;

  add(u0: number, u1: number, v0: number, v1: number): void {
    if (u0 < this.u0) this.u0 = u0;
    if (u1 > this.u1) this.u1 = u1;
    if (v0 < this.v0) this.v0 = v0;
    if (v1 > this.v1) this.v1 = v1;
  }
}

export class LabelMap {
  /** Grows with every change, so that drawing code can tell that the map is new. */
  version = 0;
  private readonly objects = new Map<number, Shown>();

  constructor(readonly geometry: Geometry) {}

  clear(): void {
    this.objects.clear();
    this.version++;
  }

  /** Remove an object's voxels. */
  drop(id: number): void {
    this.objects.delete(id);
    this.version++;
  }

  /** The version in which object `id` last changed; 0 if it has no voxels. */
  versionOf(id: number): number {
    return this.objects.get(id)?.version ?? 0;
  }

  /** The voxels of object `id`; null if it has none. */
  mask(id: number): SparseMask | null {
    return this.objects.get(id)?.mask ?? null;
  }

  /** Bytes that the masks take. */
  get bytes(): number {
    return [...this.objects.values()].reduce((sum, each) => sum + each.mask.bytes, 0);
  }

  /** The object at an offset into the voxels, stored i fastest; 0 for background. */
  at(offset: number): number {
    const [ni, nj] = this.geometry.shape;
    const row = Math.floor(offset / ni);
    return this.idAt(offset % ni, row % nj, Math.floor(row / nj));
  }

  idAt(i: number, j: number, k: number): number {
    for (const [id, { mask }] of this.objects) if (mask.has(i, j, k)) return id;
    return 0;
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
    const bits = bitsOf(grid, runs);
    const shown = this.object(id);
    shown.mask.eachCubeAt(grid.axis, index, (_, first) => {
      const [, u, v] = grid.split(first);
      bits.range.add(u, u + 15, v, v + 15);
    });
    const others = [...this.objects].filter(([other]) => other !== id);
    const kept = others.filter(([other]) => locked.has(other)).map(([, each]) => each.mask);
    const givers = others.filter(([other]) => !locked.has(other)).map(([, each]) => each);
    this.version++;
    this.replace(grid, index, bits, shown, kept, givers);
    shown.version = this.version;
  }

  /** Change the voxels of a slice to `bits`, cube by cube. */
  private replace(
    grid: SliceGrid,
    index: number,
    bits: SliceBits,
    shown: Shown,
    kept: SparseMask[],
    givers: Shown[],
  ): void {
    const [rows, cols] = grid.shapeVu;
    const { u0, u1, v0, v1 } = bits.range;
    const changed = new Map<Shown, Range>();
    for (let v = v0 & ~15; v <= Math.min(v1, rows - 1); v += 16)
      for (let u = u0 & ~15; u <= Math.min(u1, cols - 1); u += 16) {
        const [i, j, k] = grid.join(index, u, v);
        const here = givers.flatMap((each) => {
          const cube = each.mask.cube(i, j, k);
          return cube ? [{ each, cube }] : [];
        });
        const locked = kept.flatMap((mask) => mask.cube(i, j, k) ?? []);
        const own = shown.mask.cube(i, j, k) ?? shown.mask.newCube(i, j, k);
        const put = (row: number, bit: number, all: number, a: number, b: number) => {
          let wanted = all;
          for (const cube of locked) wanted &= ~cube[row];
          const before = own[row] & bit;
          if (wanted === before) return;
          own[row] = (own[row] & ~bit) | wanted;
          note(changed, shown, u + a, bit === 0xffff ? 16 : 1, v + b);
          for (const { each, cube } of here) {
            if (!(cube[row] & wanted & ~before)) continue;
            cube[row] &= ~(wanted & ~before);
            note(changed, each, u + a, bit === 0xffff ? 16 : 1, v + b);
          }
        };
        // Along i a word is a row of the slice; across i, each voxel of the slice is a bit of another word.
        for (let b = 0; b < 16 && v + b < rows; b++) {
          const word = bits.words[(v + b) * bits.perRow + (u >> 4)];
          if (grid.axis === 2) put(rowOf(b, index), 0xffff, word, 0, b);
          else if (grid.axis === 1) put(rowOf(index, b), 0xffff, word, 0, b);
          else
            for (let a = 0; a < 16; a++)
              put(rowOf(a, b), 1 << (index & 15), ((word >> a) & 1) << (index & 15), a, b);
        }
      }
    for (const [each, range] of changed) this.changed(each, grid, index, range);
  }

  /** Forget the outlines that a change on one slice concerns: its own, and where other planes cut the change. */
  private changed(each: Shown, grid: SliceGrid, index: number, { u0, u1, v0, v1 }: Range): void {
    each.version = this.version;
    const ranges: [number, number][] = [];
    ranges[grid.axis] = [index, index];
    ranges[grid.u] = [u0, u1];
    ranges[grid.v] = [v0, v1];
    for (const key of each.outlines.keys()) {
      const [plane, at] = key.split(" ");
      const [low, high] = ranges[this.geometry.grids[plane as PlaneName].axis];
      if (low <= Number(at) && Number(at) <= high) each.outlines.delete(key);
    }
  }

  private object(id: number): Shown {
    let shown = this.objects.get(id);
    if (!shown) {
      shown = { mask: new SparseMask(this.geometry.shape), version: 0, outlines: new Map() };
      this.objects.set(id, shown);
    }
    return shown;
  }

  /** The outlines of every object on a slice, as displayed. */
  outlines(grid: SliceGrid, index: number): SliceOutlines[] {
    const result: SliceOutlines[] = [];
    for (const [id, shown] of this.objects) {
      const key = `${grid.plane} ${index}`;
      let polygons = shown.outlines.get(key);
      if (!polygons) {
        polygons = sliceOutlines(shown.mask, grid, index);
        if (shown.outlines.size >= MAX_OUTLINES) shown.outlines.delete(shown.outlines.keys().next().value!);
        shown.outlines.set(key, polygons);
      }
      if (polygons.length) result.push({ id, polygons });
    }
    return result.sort((a, b) => a.id - b.id);
  }

  /** The voxels that hold object `id`, as inclusive ranges per axis; null where there are none. */
  extent(id: number): Extent | null {
    return this.mask(id)?.extent() ?? null;
  }
}

function note(changed: Map<Shown, Range>, each: Shown, u: number, width: number, v: number): void {
  let range = changed.get(each);
  if (!range) {
    range = new Range();
    changed.set(each, range);
  }
  range.add(u, u + width - 1, v, v);
}

/** Run lengths of a slice, background first, as bits. */
function bitsOf(grid: SliceGrid, runs: ArrayLike<number>): SliceBits {
  const [rows, cols] = grid.shapeVu;
  const perRow = Math.ceil(cols / 16);
  const words = new Uint16Array(rows * perRow);
  const range = new Range();
  let at = 0;
  for (let n = 0; n < runs.length; n++) {
    const end = at + runs[n];
    if (n % 2 && end <= rows * cols)
      for (let from = at; from < end; ) {
        const v = Math.floor(from / cols);
        const u = from - v * cols;
        const last = Math.min(end - v * cols, cols) - 1;
        for (let w = u >> 4; w <= last >> 4; w++) {
          const low = Math.max(u - 16 * w, 0);
          const high = Math.min(last - 16 * w, 15);
          words[v * perRow + w] |= ((1 << (high + 1)) - 1) & ~((1 << low) - 1);
        }
        range.add(u, last, v, v);
        from = v * cols + last + 1;
      }
    at = end;
  }
  if (at !== rows * cols) throw new Error(`The mask has ${at} pixels, and its slice has ${rows * cols}.`);
  return { words, perRow, range };
}

/** The outlines of a mask on a slice; only the part of the slice that its cubes cover is looked at. */
function sliceOutlines(mask: SparseMask, grid: SliceGrid, index: number): Float32Array[] {
  const cubes: [Uint16Array, [number, number, number]][] = [];
  const range = new Range();
  mask.eachCubeAt(grid.axis, index, (cube, first) => {
    cubes.push([cube, first]);
    const [, u, v] = grid.split(first);
    range.add(u, u + 15, v, v + 15);
  });
  if (!cubes.length) return [];
  const corners = [grid.uvToXy(range.u0, range.v0), grid.uvToXy(range.u1, range.v1)];
  const [left, top] = [0, 1].map((n) => Math.min(corners[0][n], corners[1][n]));
  const cols = Math.abs(corners[0][0] - corners[1][0]) + 1;
  const rows = Math.abs(corners[0][1] - corners[1][1]) + 1;
  const pixels = new Uint8Array(cols * rows);
  const [x0, y0] = grid.uvToXy(0, 0);
  const alongU = grid.uvToXy(1, 0);
  const alongV = grid.uvToXy(0, 1);
  const offset = x0 - left + (y0 - top) * cols;
  const du = alongU[0] - x0 + (alongU[1] - y0) * cols;
  const dv = alongV[0] - x0 + (alongV[1] - y0) * cols;
  const steps: number[] = [0, 0, 0];
  steps[grid.u] = du;
  steps[grid.v] = dv;
  for (const [cube, [i0, j0, k0]] of cubes)
    for (let n = 0; n < cube.length; n++) {
      const [j, k] = [j0 + (n & 15), k0 + (n >> 4)];
      if ((grid.axis === 1 && j !== index) || (grid.axis === 2 && k !== index)) continue;
      let word = grid.axis === 0 ? cube[n] & (1 << (index & 15)) : cube[n];
      let at = offset + i0 * steps[0] + j * steps[1] + k * steps[2];
      for (; word; word >>= 1, at += steps[0]) if (word & 1) pixels[at] = 1;
    }
  const found = pixelOutlines(pixels, cols, rows);
  for (const polygon of found)
    for (let n = 0; n < polygon.length; n += 2) {
      polygon[n] += left;
      polygon[n + 1] += top;
    }
  return found;
}
