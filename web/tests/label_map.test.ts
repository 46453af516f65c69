/** The sparse label map gives what one id per voxel would, and redoes only what a change concerns. */
import { describe, expect, it } from "vitest";
import type { Ijk, PlaneName } from "../src/api/wire_types";
import { PLANES } from "../src/api/wire_types";
import { Surfaces } from "../src/state/surfaces";
import { Geometry } from "../src/volume/coordinates";
import { LabelMap } from "../src/volume/label_map";
import { outlines } from "../src/volume/mask_outlines";
import { surfaceOf } from "../src/volume/object_surface";
import { encodeRuns } from "../src/volume/run_lengths";
import { SparseMask } from "../src/volume/sparse_mask";
import grids from "./fixtures/grids.json";

/** Larger than a cube of the sparse masks along every axis, and of no multiple of its side. */
const SHAPE: Ijk = [37, 21, 18];
type Given = ConstructorParameters<typeof Geometry>[0];

function geometryOf(name: keyof typeof grids): Geometry {
  const given = structuredClone(grids[name]) as unknown as Given;
  const axes = ["i", "j", "k"];
  for (const plane of PLANES) given.planes[plane].count = SHAPE[axes.indexOf(given.planes[plane].axis)];
  return new Geometry({ ...given, shape_ijk: SHAPE });
}

/** The same numbers in every run. */
function randomNumbers(): (below: number) => number {
  let state = 7;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}

function blob(geometry: Geometry, plane: PlaneName, random: (below: number) => number): Uint8Array {
  const [rows, cols] = geometry.grids[plane].shapeVu;
  const mask = new Uint8Array(rows * cols);
  if (random(4) === 0) return mask;
  const [v0, u0, height, width] = [random(rows), random(cols), random(rows), random(cols)];
  for (let v = v0; v < Math.min(rows, v0 + height); v++)
    for (let u = u0; u < Math.min(cols, u0 + width); u++) mask[v * cols + u] = random(5) ? 1 : 0;
  return mask;
}

/** One id per voxel: the definition. */
class Dense {
  readonly ids: Uint16Array;
  constructor(readonly geometry: Geometry) {
    this.ids = new Uint16Array(geometry.voxels);
  }
  put(id: number, plane: PlaneName, index: number, mask: Uint8Array, locked: Set<number>): void {
    const grid = this.geometry.grids[plane];
    const [rows, cols] = grid.shapeVu;
    for (let v = 0; v < rows; v++)
      for (let u = 0; u < cols; u++) {
        const at = this.geometry.offset(grid.join(index, u, v));
        if (mask[v * cols + u]) {
          if (!locked.has(this.ids[at])) this.ids[at] = id;
        } else if (this.ids[at] === id) this.ids[at] = 0;
      }
  }
}

describe.each(Object.keys(grids) as (keyof typeof grids)[])("a label map on the grid %s", (name) => {
  const geometry = geometryOf(name);
  const random = randomNumbers();

  it("holds and outlines what one id per voxel would, after any slices of any plane", () => {
    const labels = new LabelMap(geometry);
    const dense = new Dense(geometry);
    for (let round = 0; round < 60; round++) {
      const plane = PLANES[random(3)];
      const index = random(geometry.grids[plane].count);
      const id = 1 + random(4);
      const locked = random(3) ? new Set<number>() : new Set([1 + random(4)].filter((each) => each !== id));
      const mask = blob(geometry, plane, random);
      labels.putSlice(id, plane, index, encodeRuns(mask), locked);
      dense.put(id, plane, index, mask, locked);
      // Outlines that were asked for before the next change must not outlive it where it matters.
      for (const shown of PLANES) {
        const grid = geometry.grids[shown];
        const at = random(grid.count);
        const { base, dx, dy, cols, rows } = grid.plan(at);
        for (const each of [1, 2, 3, 4]) {
          const inside = (x: number, y: number) => dense.ids[base + x * dx + y * dy] === each;
          const expected = outlines(inside, cols, rows).map((polygon) => [...polygon]);
          const found = labels.outlines(grid, at).find((one) => one.id === each)?.polygons ?? [];
          expect(found.map((polygon) => [...polygon])).toEqual(expected);
        }
      }
    }
    expect(Array.from(dense.ids, (_, at) => labels.at(at))).toEqual([...dense.ids]);
    for (const id of [1, 2, 3, 4]) {
      const places = [...dense.ids.keys()].filter((at) => dense.ids[at] === id);
      const along = (axis: number) =>
        places.map(
          (at) =>
            [at % SHAPE[0], Math.floor(at / SHAPE[0]) % SHAPE[1], Math.floor(at / SHAPE[0] / SHAPE[1])][axis],
        );
      const expected =
        places.length && [0, 1, 2].map((axis) => [Math.min(...along(axis)), Math.max(...along(axis))]);
      expect(labels.extent(id)).toEqual(expected || null);
      expect(SparseMask.unpacked(labels.mask(id)!.packed()).extent()).toEqual(expected || null);
    }
  });
});

describe("after a change", () => {
  const geometry = geometryOf("usual");
  const whole = (plane: PlaneName) => geometry.grids[plane].shapeVu[0] * geometry.grids[plane].shapeVu[1];
  const square = (u0: number, v0: number) => {
    const [rows, cols] = geometry.grids.axial.shapeVu;
    const mask = new Uint8Array(rows * cols);
    for (let v = v0; v < v0 + 3; v++) mask.fill(1, v * cols + u0, v * cols + u0 + 3);
    return encodeRuns(mask);
  };

  it("keeps the outlines of other slices and other objects", () => {
    const labels = new LabelMap(geometry);
    for (const index of [4, 5]) labels.putSlice(1, "axial", index, square(2, 2));
    labels.putSlice(2, "axial", 5, square(20, 12));
    const axial = geometry.grids.axial;
    const of = (index: number, id: number) =>
      labels.outlines(axial, index).find((each) => each.id === id)!.polygons;
    const before = [of(4, 1), of(5, 1), of(5, 2)];
    labels.putSlice(1, "axial", 5, square(3, 2));
    expect(of(4, 1)).toBe(before[0]);
    expect(of(5, 1)).not.toBe(before[1]);
    expect(of(5, 2)).toBe(before[2]);
  });

  it("refuses a mask of another size and changes nothing", () => {
    const labels = new LabelMap(geometry);
    labels.putSlice(1, "axial", 3, [0, whole("axial")]);
    const { version } = labels;
    expect(() => labels.putSlice(1, "axial", 3, [whole("axial") + 1])).toThrow("pixels");
    expect(labels.version).toBe(version);
    expect(labels.idAt(0, 0, 3)).toBe(1);
  });

  it("makes the surface of the changed object only", async () => {
    const labels = new LabelMap(geometry);
    labels.putSlice(1, "axial", 5, square(2, 2));
    labels.putSlice(2, "axial", 5, square(20, 12));
    let made = 0;
    const surfaces = new Surfaces(labels, async ({ mask, grid }) => {
      made++;
      return surfaceOf(SparseMask.unpacked(structuredClone(mask)), grid);
    });
    const first = await Promise.all([surfaces.of(1), surfaces.of(2)]);
    expect(made).toBe(2);
    labels.putSlice(2, "axial", 6, square(20, 12));
    const second = await Promise.all([surfaces.of(1), surfaces.of(2)]);
    expect(made).toBe(3);
    expect(second[0]).toBe(first[0]);
    expect(second[1]!.points.length).toBeGreaterThan(first[1]!.points.length);
    // Voxels that another object takes change both.
    labels.putSlice(1, "axial", 6, square(21, 12));
    await Promise.all([surfaces.of(1), surfaces.of(2)]);
    expect(made).toBe(5);
    labels.drop(2);
    expect(await surfaces.of(2)).toBeNull();
  });

  it("takes memory where objects are, not for the volume", () => {
    const large = new Geometry({ ...(grids.usual as unknown as Given), shape_ijk: [512, 512, 600] });
    const labels = new LabelMap(large);
    const mask = new Uint8Array(512 * 512);
    for (let v = 100; v < 300; v++) mask.fill(1, v * 512 + 100, v * 512 + 300);
    const runs = encodeRuns(mask);
    for (let k = 100; k < 300; k++) labels.putSlice(1, "axial", k, runs);
    expect(labels.bytes).toBeLessThan(2e6);
  });
});
