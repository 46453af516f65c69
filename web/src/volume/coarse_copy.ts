/** A coarse copy of the volume: what planes show where no voxels have arrived, and what the 3D view shows. */
import type { PlaneName, VolumeInfo } from "../api/wire_types";
import { PLANES } from "../api/wire_types";
import { Geometry, type SlicePlan } from "./coordinates";
import type { Placement } from "./slice_rendering";
import type { VoxelBlock, Voxels } from "./voxel_block";

export class CoarseCopy {
  readonly voxels: Voxels;
  /** The grid of its cells. */
  readonly geometry: Geometry;
  /** Whether its cells are the voxels of the volume. */
  readonly isWhole: boolean;
  private readonly step: readonly number[];

  constructor(
    block: VoxelBlock,
    private readonly volume: Geometry,
    info: Pick<VolumeInfo, "planes">,
  ) {
    const { shape, step } = block;
    this.voxels = block.voxels;
    this.step = step;
    this.isWhole = step.every((each) => each === 1);
    const affine = volume.affine.slice(0, 3).map((row) => {
      const middle = row[3] + [0, 1, 2].reduce((sum, axis) => sum + (row[axis] * (step[axis] - 1)) / 2, 0);
      return [...[0, 1, 2].map((axis) => row[axis] * step[axis]), middle];
    });
    const planes = structuredClone(info.planes);
    for (const plane of PLANES) planes[plane].count = shape[volume.grids[plane].axis];
    const spacing = volume.spacing.map((mm, axis) => mm * step[axis]);
    this.geometry = new Geometry({
      shape_ijk: shape,
      spacing_mm_ijk: [spacing[0], spacing[1], spacing[2]],
      affine_lps: [...affine, [0, 0, 0, 1]],
      planes,
    });
  }

  /** The slice of cells that holds a slice of the volume. */
  indexOf(plane: PlaneName, index: number): number {
    return Math.floor(index / this.step[this.volume.grids[plane].axis]);
  }

  /** The slice of cells that holds a slice of the volume, and where it lies for that slice's own place. */
  slice(plane: PlaneName, index: number, place: Placement): { plan: SlicePlan; place: Placement } {
    const fine = this.volume.grids[plane];
    const coarse = this.geometry.grids[plane];
    const plan = coarse.plan(this.indexOf(plane, index));
    // The voxel position of the middle of the first displayed cell, on the volume's own grid.
    const cell = coarse.xyToIjk(0, 0, 0);
    const [x, y] = fine.ijkToXy(
      cell.map((value, axis) => value * this.step[axis] + (this.step[axis] - 1) / 2),
    );
    const scaleX = (place.scaleX * coarse.colMm) / fine.colMm;
    const scaleY = (place.scaleY * coarse.rowMm) / fine.rowMm;
    return {
      plan,
      place: {
        left: place.left + (x + 0.5) * place.scaleX - scaleX / 2,
        top: place.top + (y + 0.5) * place.scaleY - scaleY / 2,
        scaleX,
        scaleY,
      },
    };
  }
}
