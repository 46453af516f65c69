/** The page puts each voxel where the server and the patient have it. The grids come from `tests/web_grids.py`. */
import { describe, expect, it } from "vitest";
import type { Ijk, PlaneInfo, PlaneName } from "../src/api/wire_types";
import { PLANES } from "../src/api/wire_types";
import { Geometry } from "../src/volume/coordinates";
import grids from "./fixtures/grids.json";

interface Grid {
  shape_ijk: Ijk;
  spacing_mm_ijk: Ijk;
  affine_lps: number[][];
  planes: Record<PlaneName, PlaneInfo>;
  shown: Record<PlaneName, [number, number, number][]>;
  voxels: Ijk[];
}
const cases = Object.entries(grids as unknown as Record<string, Grid>);
/** LPS axis and sign of the display's columns and rows in the radiological convention. */
const RIGHTWARDS = { axial: [0, 1], coronal: [0, 1], sagittal: [1, 1] } as const;
const DOWNWARDS = { axial: [1, 1], coronal: [2, -1], sagittal: [2, -1] } as const;

describe.each(cases)("grid %s", (_, given) => {
  const geometry = new Geometry(given);
  const all: Ijk[] = [];
  for (let k = 0; k < 5; k++) for (let j = 0; j < 4; j++) for (let i = 0; i < 3; i++) all.push([i, j, k]);

  describe.each(PLANES)("%s", (plane) => {
    const grid = geometry.grids[plane];

    it("shows voxels where the server shows them", () => {
      given.voxels.forEach((voxel, n) => {
        const [index, x, y] = given.shown[plane][n];
        expect(grid.split(voxel)[0]).toBe(index);
        expect(grid.ijkToXy(voxel)).toEqual([x, y]);
      });
    });

    it("maps every displayed position back to its voxel", () => {
      for (const voxel of all) {
        const [x, y] = grid.ijkToXy(voxel);
        expect(grid.xyToIjk(grid.split(voxel)[0], x, y)).toEqual(voxel);
      }
    });

    it("has columns and rows in the radiological convention", () => {
      const at = (x: number, y: number) => geometry.toLps(grid.xyToIjk(0, x, y));
      const [right, down] = [RIGHTWARDS[plane], DOWNWARDS[plane]];
      expect((at(1, 0)[right[0]] - at(0, 0)[right[0]]) * right[1]).toBeGreaterThan(0);
      expect((at(0, 1)[down[0]] - at(0, 0)[down[0]]) * down[1]).toBeGreaterThan(0);
    });

    it("has the head, the front or the right at the top of the slice bar", () => {
      const axis = { axial: 2, coronal: 1, sagittal: 0 }[plane];
      const sign = plane === "axial" ? 1 : -1;
      const [first, last] = [0, grid.count - 1].map(
        (index) => geometry.toLps(grid.xyToIjk(index, 0, 0))[axis] * sign,
      );
      expect(grid.topIsLast).toBe(last > first);
    });

    it("reads the stored array at the voxel that it shows", () => {
      for (let index = 0; index < grid.count; index++) {
        const { base, dx, dy, cols, rows } = grid.plan(index);
        for (let y = 0; y < rows; y++)
          for (let x = 0; x < cols; x++)
            expect(base + x * dx + y * dy).toBe(geometry.offset(grid.xyToIjk(index, x, y)));
      }
    });

    it("turns masks from storage order to the display", () => {
      const stored = new Uint8Array(grid.cols * grid.rows).map((_, n) => Number(n % 3 === 1));
      const display = grid.maskToDisplay(stored);
      for (let y = 0; y < grid.rows; y++)
        for (let x = 0; x < grid.cols; x++) {
          const [u, v] = grid.xyToUv(x, y);
          expect(display[y * grid.cols + x]).toBe(stored[v * grid.shapeVu[1] + u]);
        }
    });

    it("clips a drawn box to the slice, with the smaller end first", () => {
      const { box } = grid.box(1, [-3, 0.4], [1.2, 99]);
      expect(grid.boxEdges(box, 1)).toEqual([-0.5, -0.5, 1.5, grid.rows - 0.5]);
      expect(grid.boxEdges(box, 0)).toBeNull();
      const axes = "ijk".replace("ijk"[grid.axis], "");
      for (const axis of axes) expect(box[`${axis}0`]).toBeLessThanOrEqual(box[`${axis}1`]);
      expect(box["ijk"[grid.axis]]).toBe(1);
    });
  });

  it("measures millimetres along and across the voxel axes", () => {
    expect(geometry.distance([0, 0, 0], [2, 0, 0])).toBeCloseTo(1.4, 6);
    expect(geometry.distance([0, 0, 0], [0, 0, 4])).toBeCloseTo(10, 6);
    expect(geometry.distance([1, 0, 0], [1, 3, 4])).toBeCloseTo(Math.hypot(2.4, 10), 6);
  });
});

it("writes the position of a slice in the radiological notation", () => {
  const geometry = new Geometry((grids as unknown as Record<string, Grid>).usual);
  expect(geometry.grids.axial.position(0)).toBe("S 30.0 mm");
  expect(geometry.grids.coronal.position(0)).toBe("A 20.0 mm");
  expect(geometry.grids.sagittal.position(0)).toBe("L 10.0 mm");
});
