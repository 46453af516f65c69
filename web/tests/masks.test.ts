/** Masks from the wire through the label map to outlines and surfaces. */
import { describe, expect, it } from "vitest";
import { parseChangedMasks, runsFromBase64 } from "../src/api/changed_masks";
import { Geometry } from "../src/volume/coordinates";
import { LabelMap } from "../src/volume/label_map";
import { outlines } from "../src/volume/mask_outlines";
import { surfaceOf } from "../src/volume/object_surface";
import { decodeRuns, encodeRuns } from "../src/volume/run_lengths";
import grids from "./fixtures/grids.json";

const geometry = new Geometry(grids.oblique_permuted as unknown as ConstructorParameters<typeof Geometry>[0]);

describe("runs", () => {
  it.each([
    [
      [0, 1, 1, 0],
      [1, 2, 1],
    ],
    [
      [1, 1, 0],
      [0, 2, 1],
    ],
    [[0, 0], [2]],
  ])("%j", (mask, runs) => {
    expect(encodeRuns(Uint8Array.from(mask))).toEqual(runs);
    expect([...decodeRuns(runs, mask.length)]).toEqual(mask);
  });

  it("refuses a mask of another size", () => {
    expect(() => decodeRuns([1, 2], 4)).toThrow();
  });

  it("reads the base64 of an event", () => {
    expect([...runsFromBase64(btoa("\x01\0\0\0\0\x02\0\0"))]).toEqual([1, 512]);
  });
});

it("reads changed slices, also those that start off a multiple of four", () => {
  const bytes = new Uint8Array(12 + 2 * 20 + 4 * 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x52, 0x53, 0x4d, 0x31]);
  view.setUint32(4, 7, true);
  view.setUint32(8, 2, true);
  let at = 12;
  for (const [id, plane, index, runs] of [
    [1, 0, 3, [2, 2, 8]],
    [300, 2, 1, [12]],
  ] as const) {
    view.setUint16(at, id, true);
    view.setUint8(at + 2, plane);
    for (const [n, value] of [index, 3, 4, runs.length, ...runs].entries())
      view.setUint32(at + 4 + 4 * n, value, true);
    at += 20 + 4 * runs.length;
  }
  const { revision, slices } = parseChangedMasks(bytes.buffer);
  expect(revision).toBe(7);
  expect(slices.map(({ objectId, plane, index, runs }) => [objectId, plane, index, [...runs]])).toEqual([
    [1, "axial", 3, [2, 2, 8]],
    [300, "sagittal", 1, [12]],
  ]);
});

const voxelsOf = (labels: LabelMap) =>
  Array.from({ length: labels.geometry.voxels }, (_, at) => labels.at(at)).filter(Boolean).length;

describe("label map", () => {
  const grid = geometry.grids.coronal;
  const [rows, cols] = grid.shapeVu;
  const runsAt = (u: number, v: number) =>
    encodeRuns(new Uint8Array(rows * cols).fill(1, v * cols + u, v * cols + u + 1));

  it("puts a stored pixel at its voxel, and removes it", () => {
    const labels = new LabelMap(geometry);
    labels.putSlice(4, "coronal", 1, runsAt(1, 2));
    expect(labels.at(geometry.offset(grid.join(1, 1, 2)))).toBe(4);
    expect(voxelsOf(labels)).toBe(1);
    labels.putSlice(4, "coronal", 1, [rows * cols]);
    expect(voxelsOf(labels)).toBe(0);
  });

  it("leaves locked objects their voxels, and overwrites those of others", () => {
    const labels = new LabelMap(geometry);
    labels.putSlice(1, "coronal", 1, runsAt(0, 0));
    labels.putSlice(2, "coronal", 1, runsAt(1, 0));
    labels.putSlice(3, "coronal", 1, [0, rows * cols], new Set([1]));
    expect(labels.at(geometry.offset(grid.join(1, 0, 0)))).toBe(1);
    expect(labels.at(geometry.offset(grid.join(1, 1, 0)))).toBe(3);
  });

  it("outlines an object where its voxel is shown, in every plane", () => {
    const labels = new LabelMap(geometry);
    labels.putSlice(4, "coronal", 1, runsAt(1, 2));
    const voxel = grid.join(1, 1, 2);
    for (const plane of Object.values(geometry.grids)) {
      const [{ id, polygons }] = labels.outlines(plane, plane.split(voxel)[0]);
      const [x, y] = plane.ijkToXy(voxel);
      expect(id).toBe(4);
      expect([...polygons[0]]).toEqual([x, y - 0.5, x + 0.5, y, x, y + 0.5, x - 0.5, y]);
    }
  });
});

describe("outlines", () => {
  const of = (...lines: string[]) => outlines((x, y) => lines[y][x] === "#", lines[0].length, lines.length);
  const area = (polygon: Float32Array) => {
    let sum = 0;
    for (let n = 0; n < polygon.length; n += 2) {
      const [m, o] = [(n + 2) % polygon.length, n + 1];
      sum += polygon[n] * polygon[m + 1] - polygon[m] * polygon[o];
    }
    return sum / 2;
  };

  it("has no outline for an empty mask", () => expect(of("..", "..")).toEqual([]));

  it("cuts the corners of a rectangle and follows its edges", () => {
    const [square] = of("###", "###");
    expect(square.length / 2).toBe(8);
    expect(area(square)).toBeCloseTo(6 - 4 * 0.125, 6);
  });

  it("runs around a hole the other way", () => {
    const found = of("###", "#.#", "###");
    expect(found.map((each) => Math.sign(area(each))).sort()).toEqual([-1, 1]);
  });

  it("keeps diagonal neighbours apart", () => expect(of("#.", ".#")).toHaveLength(2));
});

it("makes a closed surface around an object, at its position in the patient", () => {
  const labels = new LabelMap(geometry);
  const grid = geometry.grids.axial;
  const [rows, cols] = grid.shapeVu;
  for (let index = 0; index < grid.count; index++) labels.putSlice(1, "axial", index, [0, rows * cols]);
  const { points, triangles } = surfaceOf(labels.mask(1)!, geometry)!;
  const edges = new Map<string, number>();
  for (let n = 0; n < triangles.length; n += 3)
    for (const [a, b] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ]) {
      const [p, q] = [triangles[n + a], triangles[n + b]];
      edges.set(`${p} ${q}`, (edges.get(`${p} ${q}`) ?? 0) + 1);
    }
  for (const edge of edges.keys()) expect(edges.has(edge.split(" ").reverse().join(" "))).toBe(true);
  const middle = geometry.toLps([1, 1.5, 2]);
  const mean = [0, 1, 2].map(
    (axis) => points.filter((_, n) => n % 3 === axis).reduce((a, b) => a + b) / (points.length / 3),
  );
  expect(mean[0]).toBeCloseTo(-middle[0], 0);
  expect(mean[1]).toBeCloseTo(-middle[1], 0);
  expect(mean[2]).toBeCloseTo(middle[2], 0);
});
