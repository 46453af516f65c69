/** A worker that makes surfaces, so that the page goes on while it does. */
import { type SurfaceGrid, surfaceOf } from "./object_surface";
import { type PackedMask, SparseMask } from "./sparse_mask";

export interface SurfaceRequest {
  number: number;
  mask: PackedMask;
  grid: SurfaceGrid;
}

addEventListener("message", ({ data: { number, mask, grid } }: MessageEvent<SurfaceRequest>) => {
  const surface = surfaceOf(SparseMask.unpacked(mask), grid);
  postMessage(
    { number, surface },
    { transfer: surface ? [surface.points.buffer, surface.triangles.buffer] : [] },
  );
});
