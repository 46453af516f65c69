/** Oblique, flipped and stretched grids: what a view says about them. */
import { describe, expect, it } from "vitest";
import { Geometry } from "../src/volume/coordinates";
import { GEOMETRY } from "./oblique_geometry";

describe("a volume turned by 12° around the left-right axis", () => {
  it("has axial and coronal planes at that angle, and a true sagittal one", () => {
    const { axial, coronal, sagittal } = GEOMETRY.grids;
    expect([axial.tiltDeg, coronal.tiltDeg, sagittal.tiltDeg]).toEqual([12, 12, 0]);
  });

  it("says with second letters where an edge leans to", () => {
    expect(GEOMETRY.grids.axial.letters).toEqual({ left: "R", right: "L", top: "AI", bottom: "PS" });
    expect(GEOMETRY.grids.coronal.letters).toEqual({ left: "R", right: "L", top: "SA", bottom: "IP" });
    expect(GEOMETRY.grids.sagittal.letters).toEqual({ left: "AI", right: "PS", top: "SA", bottom: "IP" });
  });
});

describe("a straight volume", () => {
  const straight = (affine: number[], spacing: [number, number, number] = [1, 1, 1]) =>
    new Geometry({
      shape_ijk: GEOMETRY.shape,
      spacing_mm_ijk: spacing,
      affine_lps: affine,
      planes: {
        axial: {
          axis: "k",
          count: 9,
          uv_axes: ["i", "j"],
          transpose: false,
          flip_cols: true,
          flip_rows: true,
          spacing_mm_vu: [1, 1],
        },
        coronal: {
          axis: "j",
          count: 16,
          uv_axes: ["i", "k"],
          transpose: false,
          flip_cols: true,
          flip_rows: true,
          spacing_mm_vu: [1, 1],
        },
        sagittal: {
          axis: "i",
          count: 20,
          uv_axes: ["j", "k"],
          transpose: false,
          flip_cols: true,
          flip_rows: true,
          spacing_mm_vu: [1, 1],
        },
      },
    });

  it("has planes without an angle and one letter an edge, also flipped and with uneven voxels", () => {
    const { grids } = straight([-0.7, 0, 0, 5, 0, -0.9, 0, 5, 0, 0, 5, 5, 0, 0, 0, 1], [0.7, 0.9, 5]);
    expect(Object.values(grids).map((grid) => grid.tiltDeg)).toEqual([0, 0, 0]);
    expect(grids.axial.letters).toEqual({ left: "R", right: "L", top: "A", bottom: "P" });
    expect(grids.coronal.letters).toEqual({ left: "R", right: "L", top: "S", bottom: "I" });
    expect(grids.sagittal.letters).toEqual({ left: "A", right: "P", top: "S", bottom: "I" });
  });

  it("is not called oblique for a fraction of a degree", () => {
    const lean = Math.sin(0.004);
    const { grids } = straight([-1, 0, 0, 0, 0, -1, lean, 0, 0, lean, 1, 0, 0, 0, 0, 1]);
    expect(grids.axial.tiltDeg).toBe(0);
    expect(grids.axial.letters.top).toBe("A");
  });
});
