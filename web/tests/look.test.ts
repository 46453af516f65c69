/** Windows from values, presets, and the look of masks. */
import { describe, expect, it, vi } from "vitest";
import { Look } from "../src/state/look";
import { Pen } from "../src/view/overlay_pen";
import { sliceWindow, volumeWindow } from "../src/volume/auto_window";
import { Geometry } from "../src/volume/coordinates";
import { renderSlice } from "../src/volume/slice_rendering";
import { centerWidth, draggedWindow, presetsOf } from "../src/volume/value_window";
import grids from "./fixtures/grids.json";

type Grid = ConstructorParameters<typeof Geometry>[0];

/** A grid of 40 × 30 × 5 voxels, stored as another one is. */
function geometryLike(name: keyof typeof grids): Geometry {
  const given = grids[name] as unknown as Grid;
  return new Geometry({ ...given, shape_ijk: [40, 30, 5] });
}

describe("a window from the values", () => {
  const geometry = geometryLike("usual");
  const { axial } = geometry.grids;
  // Slice k holds k·1000 to k·1000 + 1199, each once.
  const voxels = Int16Array.from(
    { length: geometry.voxels },
    (_, at) => Math.floor(at / 1200) * 1000 + (at % 1200),
  );

  it("goes from the 2nd to the 98th percentile of the slice in view", () => {
    expect(sliceWindow(voxels, axial, 2, true)).toEqual([2024, 3175]);
    expect(sliceWindow(voxels, axial, 0, true)).toEqual([24, 1175]);
  });

  it("or of the whole volume", () => {
    const [low, high] = volumeWindow(voxels, geometry, true);
    const sorted = Array.from(voxels).sort((a, b) => a - b);
    expect(low).toBe(sorted[Math.round(0.02 * 5999)]);
    expect(high).toBe(sorted[Math.round(0.98 * 5999)]);
  });

  it("leaves the air out in a CT, and the lowest value in other modalities", () => {
    const aired = voxels.slice();
    for (let at = 0; at < 1200; at++) if (at % 2) aired[at] = -1000;
    expect(sliceWindow(aired, axial, 0, true)[0]).toBeGreaterThan(0);
    const dark = Float32Array.from({ length: geometry.voxels }, (_, at) => (at % 3 ? 0 : 1 + (at % 7) / 10));
    const [low, high] = sliceWindow(dark, axial, 0, false);
    expect(low).toBeCloseTo(1, 5);
    expect(high).toBeCloseTo(1.6, 5);
  });

  it("exists where all values are the same, and where all is air", () => {
    const air = new Int16Array(geometry.voxels).fill(-1000);
    expect(sliceWindow(air, axial, 0, true)).toEqual([-1000.5, -999.5]);
    expect(volumeWindow(air, geometry, false)).toEqual([-1000.5, -999.5]);
  });

  it.each(["coronal", "sagittal"] as const)("takes the values of the %s slice", (plane) => {
    const grid = geometry.grids[plane];
    const one = new Int16Array(geometry.voxels);
    for (let x = 0; x < grid.cols; x++)
      for (let y = 0; y < grid.rows; y++) one[geometry.offset(grid.xyToIjk(3, x, y))] = 700;
    expect(sliceWindow(one, grid, 3, true)).toEqual([699.5, 700.5]);
    expect(sliceWindow(one, grid, 2, true)).toEqual([-0.5, 0.5]);
  });
});

describe("windows in numbers", () => {
  it.each([
    [[-160, 240], { center: 40, width: 400 }],
    [[0.125, 2.375], { center: 1.3, width: 2.3 }],
    [[0.01, 0.03], { center: 0.02, width: 0.02 }],
  ] as const)("%j", ([low, high], shown) => expect(centerWidth([low, high])).toEqual(shown));

  it("have names that occur once", () => {
    for (const [modality, unit] of [
      ["CT", "HU"],
      ["MR", null],
      ["PET", "SUV"],
      ["PET", "Bq/ml"],
      ["other", null],
    ] as const) {
      const presets = presetsOf({ modality, unit, default_window: [3, 900] });
      expect(new Set(presets.map((each) => each.name)).size).toBe(presets.length);
      expect(new Set(presets.map((each) => each.window.join())).size).toBe(presets.length);
      expect(presets.every(({ window: [low, high] }) => low < high)).toBe(true);
      if (modality !== "CT") expect(presets.every((each) => !/tissue|lung|bone/i.test(each.name))).toBe(true);
    }
    const [automatic, bright, dark] = presetsOf({ modality: "MR", unit: null, default_window: [100, 1100] });
    expect(automatic.window).toEqual([100, 1100]);
    expect(bright.window[1]).toBeLessThan(1100); // less is white
    expect(dark.window[1]).toBeGreaterThan(1100);
    const suv = presetsOf({ modality: "PET", unit: "SUV", default_window: [0, 10] });
    expect(suv.map((each) => each.window)).toEqual([
      [0, 5],
      [0, 10],
      [0, 20],
    ]);
  });

  it("can be dragged to any size in modalities without HU", () => {
    const [low, high] = draggedWindow([0, 0.5], -600, 0, false);
    expect(high - low).toBeLessThan(0.1);
    const wide = draggedWindow([0, 40_000], 300, 150, false);
    expect((wide[0] + wide[1]) / 2).toBe(40_000);
  });

  it("are inverted by exchanging their ends", () => {
    const out = new Uint32Array(2);
    const plan = { base: 0, dx: 1, dy: 2, cols: 2, rows: 1 };
    const place = { left: 0, top: 0, scaleX: 1, scaleY: 1 };
    renderSlice(Int16Array.of(-160, 240), plan, place, 2, 1, [240, -160], out);
    expect([...out].map((word) => word & 255)).toEqual([255, 0]);
  });
});

describe("the look", () => {
  it("is kept in the browser, but for the inversion", () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    } as unknown as Storage;
    new Look(storage).set({ style: "outline", opacity: 0.5, inverted: true });
    const { style, opacity, inverted } = new Look(storage);
    expect({ style, opacity, inverted }).toEqual({ style: "outline", opacity: 0.5, inverted: false });
    for (const stored of ["no JSON", '{"style":"dots","opacity":7}', "null"]) {
      kept.set("radsam-look", stored);
      const usual = new Look(storage);
      expect([usual.style, usual.opacity]).toEqual(["both", 0.2]);
    }
  });

  it.each([
    ["both", { fills: 1, strokes: 2 }],
    ["outline", { fills: 0, strokes: 2 }],
    ["fill", { fills: 1, strokes: 0 }],
  ] as const)("%s", (style, expected) => {
    vi.stubGlobal(
      "Path2D",
      class {
        moveTo() {}
        lineTo() {}
        closePath() {}
      },
    );
    const alphas: number[] = [];
    let strokes = 0;
    const c = {
      globalAlpha: 1,
      fill: () => alphas.push(c.globalAlpha),
      stroke: () => strokes++,
      setLineDash: () => undefined,
    };
    const place = { left: 0, top: 0, scaleX: 1, scaleY: 1 };
    const pen = new Pen(c as never, place, 1, { style, opacity: 0.5 });
    pen.mask([[0, 0, 1, 0, 1, 1]], "#fff", true);
    expect({ fills: alphas.length, strokes }).toEqual(expected);
    if (alphas.length) {
      pen.mask([[0, 0, 1, 0, 1, 1]], "#fff", false);
      expect(alphas).toEqual([0.5, 0.3]);
    }
    vi.unstubAllGlobals();
  });
});
