/** The surfaces of the objects, made anew only for those whose voxels have changed. */
import type { LabelMap } from "../volume/label_map";
import type { Surface } from "../volume/object_surface";
import type { SurfaceRequest } from "../volume/surface_worker";
import { inWorker } from "../volume/worker_calls";

export type MakeSurface = (request: SurfaceRequest) => Promise<Surface | null>;

export class Surfaces {
  private readonly known = new Map<number, { version: number; surface: Promise<Surface | null> }>();

  constructor(
    private readonly labels: LabelMap,
    private readonly make: MakeSurface = surfacesInWorker(),
  ) {}

  /** The surface of an object as it is now; null if it has no voxels. */
  of(id: number): Promise<Surface | null> {
    const version = this.labels.versionOf(id);
    const known = this.known.get(id);
    if (known?.version === version) return known.surface;
    const mask = this.labels.mask(id);
    const { spacing, affine } = this.labels.geometry;
    const surface = mask
      ? this.make({ mask: mask.packed(), grid: { spacing, affine } })
      : Promise.resolve(null);
    this.known.set(id, { version, surface });
    return surface;
  }
}

function surfacesInWorker(): MakeSurface {
  return inWorker<SurfaceRequest, Surface | null>(
    () => new Worker(new URL("../volume/surface_worker.ts", import.meta.url), { type: "module" }),
    ({ mask }) => [mask.cubes.buffer, mask.words.buffer],
  );
}
