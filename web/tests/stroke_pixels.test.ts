/** Strokes set the same pixels on the screen as on the server, on every grid of `tests/web_strokes.py`. */
import { describe, expect, it } from "vitest";
import type { Ijk, PlaneName } from "../src/api/wire_types";
import { Geometry } from "../src/volume/coordinates";
import { decodeRuns } from "../src/volume/run_lengths";
import { limitedPixels, polygonPixels, simplified, strokePixels, type Uv } from "../src/volume/stroke_pixels";
import fixture from "./fixtures/strokes.json";

interface Stroke {
  plane: PlaneName;
  index: number;
  path?: [number, number][];
  radius_mm?: number;
  polygon?: [number, number][];
  runs: number[];
  within: number[] | null;
  alike: number[] | null;
}

/** The values of `tests/web_strokes.py`. */
const hu = ([i, j, k]: Ijk) => (i * 7 + j * 13 + k * 29 + i * j * k) % 97;

describe.each(Object.entries(fixture))("on the %s grid", (_, given) => {
  const geometry = new Geometry(given as unknown as ConstructorParameters<typeof Geometry>[0]);
  const strokes = given.strokes as unknown as Stroke[];

  it.each(strokes.map((each, n) => [`${each.plane} ${n}`, each] as const))("%s", (_name, stroke) => {
    const grid = geometry.grids[stroke.plane];
    const size = grid.shapeVu[0] * grid.shapeVu[1];
    const mask = stroke.path
      ? strokePixels(grid, stroke.path, stroke.radius_mm!)
      : polygonPixels(grid, stroke.polygon!);
    expect([...mask]).toEqual([...decodeRuns(stroke.runs, size)]);
    const value = (u: number, v: number) => hu(grid.join(stroke.index, u, v));
    const shown = (runs: number[] | null) => [...(runs ? decodeRuns(runs, size) : new Uint8Array(size))];
    const at = stroke.path?.[0] ?? null;
    expect([...limitedPixels(mask, grid, { within: [20, 60] }, at, value)]).toEqual(shown(stroke.within));
    expect([...limitedPixels(mask, grid, { alike: 25 }, at, value)]).toEqual(shown(stroke.alike));
  });
});

describe("a simplified path", () => {
  const wave: Uv[] = Array.from({ length: 5000 }, (_, n) => [n / 10, 40 * Math.sin(n / 200)]);

  it("has few points, keeps its ends and stays within half a voxel", () => {
    const few = simplified(wave);
    expect(few.length).toBeLessThan(100);
    expect([few[0], few.at(-1)]).toEqual([wave[0], wave.at(-1)]);
    for (const [x, y] of wave) {
      const near = few.some((b, n) => {
        if (!n) return false;
        const a = few[n - 1];
        if (x < a[0] || x > b[0]) return false;
        const on = a[1] + ((x - a[0]) / (b[0] - a[0])) * (b[1] - a[1]);
        return Math.abs(on - y) < 1.2; // at a slope of 2, half a voxel from the line
      });
      expect(near).toBe(true);
    }
  });

  it("never has more than some hundred", () => {
    const rough: Uv[] = Array.from({ length: 1500 }, (_, n) => [n, (n * 7919) % 101]);
    expect(simplified(rough).length).toBeLessThanOrEqual(400);
  });

  it("leaves a click alone", () => expect(simplified([[3, 4]])).toEqual([[3, 4]]));
});
