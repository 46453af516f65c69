/** A slice on the screen shows the values of the file. */
import { describe, expect, it } from "vitest";
import { renderSlice } from "../src/volume/slice_rendering";
import { CT_PRESETS, centerWidth, draggedWindow, windowOf } from "../src/volume/value_window";

const plan = { base: 0, dx: 1, dy: 4, cols: 4, rows: 3 };
const voxels = Int16Array.from({ length: 12 }, (_, n) => n * 20);
const greys = (width: number, height: number, scale: number, left = 0, top = 0) => {
  const out = new Uint32Array(width * height);
  renderSlice(voxels, plan, { left, top, scaleX: scale, scaleY: scale }, width, height, [0, 255], out);
  return [...out].map((word) => word & 255);
};

describe("renderSlice", () => {
  it("shows every voxel unchanged at one pixel each", () => {
    expect(greys(4, 3, 1)).toEqual([...voxels]);
  });

  it("keeps a voxel in the middle of its pixels when enlarged", () => {
    const wide = greys(20, 15, 5);
    for (let y = 0; y < 3; y++)
      for (let x = 0; x < 4; x++) expect(wide[(5 * y + 2) * 20 + 5 * x + 2]).toBe(voxels[4 * y + x]);
  });

  it("shows the part that was moved into the picture", () => {
    expect(greys(2, 2, 1, -2, -1)).toEqual([120, 140, 200, 220]);
  });

  it("averages when shrunk", () => {
    const [grey] = greys(1, 1, 0.25, 0, 0.125);
    expect(grey).toBeGreaterThan(85);
    expect(grey).toBeLessThan(135);
  });

  it("clips at the ends of the window", () => {
    const out = new Uint32Array(12);
    renderSlice(voxels, plan, { left: 0, top: 0, scaleX: 1, scaleY: 1 }, 4, 3, [60, 100], out);
    expect(out[0]).toBe(0xff000000);
    expect(out[11]).toBe(0xffffffff);
  });
});

describe("windows", () => {
  it.each(CT_PRESETS.map((preset) => [preset.name, preset.window] as const))("%s", (_, window) => {
    expect(windowOf(centerWidth(window))).toEqual(window);
  });

  it("widens to the right and moves the level downwards", () => {
    const before = centerWidth([-160, 240]);
    expect(centerWidth(draggedWindow([-160, 240], 60, 0)).width).toBeGreaterThan(before.width);
    expect(centerWidth(draggedWindow([-160, 240], 0, 60)).center).toBeGreaterThan(before.center);
    expect(centerWidth(draggedWindow([-160, 240], -1e5, 0)).width).toBeGreaterThan(0);
  });
});
