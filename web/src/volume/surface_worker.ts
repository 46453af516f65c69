/** A worker that makes surfaces. */
import { type Surface, type SurfaceGrid, surfaceOf } from "./object_surface";
import { type PackedMask, SparseMask } from "./sparse_mask";
import { answerCalls } from "./worker_calls";

export interface SurfaceRequest {
  mask: PackedMask;
  grid: SurfaceGrid;
}

answerCalls<SurfaceRequest, Surface | null>(
  ({ mask, grid }) => surfaceOf(SparseMask.unpacked(mask), grid),
  (surface) => (surface ? [surface.points.buffer, surface.triangles.buffer] : []),
);
