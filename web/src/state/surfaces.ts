/** The surfaces of the objects, made anew only for those whose voxels have changed. */
import type { LabelMap } from "../volume/label_map";
import type { Surface, SurfaceGrid } from "../volume/object_surface";
import type { PackedMask } from "../volume/sparse_mask";
import type { SurfaceRequest } from "../volume/surface_worker";

export type MakeSurface = (mask: PackedMask, grid: SurfaceGrid) => Promise<Surface | null>;

export class Surfaces {
  private readonly known = new Map<number, { version: number; surface: Promise<Surface | null> }>();

  constructor(
    private readonly labels: LabelMap,
    private readonly make: MakeSurface = inWorker(),
  ) {}

  /** The surface of an object as it is now; null if it has no voxels. */
  of(id: number): Promise<Surface | null> {
    const version = this.labels.versionOf(id);
    const known = this.known.get(id);
    if (known?.version === version) return known.surface;
    const mask = this.labels.mask(id);
    const { spacing, affine } = this.labels.geometry;
    const surface = mask ? this.make(mask.packed(), { spacing, affine }) : Promise.resolve(null);
    this.known.set(id, { version, surface });
    return surface;
  }
}

/** Make surfaces in a worker, which starts with the first one. */
function inWorker(): MakeSurface {
  let worker: Worker | null = null;
  let last = 0;
  const waiting = new Map<
    number,
    { resolve: (surface: Surface | null) => void; reject: (error: Error) => void }
  >();
  const start = () => {
    const started = new Worker(new URL("../volume/surface_worker.ts", import.meta.url), { type: "module" });
    started.onmessage = ({ data }: MessageEvent<{ number: number; surface: Surface | null }>) => {
      waiting.get(data.number)?.resolve(data.surface);
      waiting.delete(data.number);
    };
    started.onerror = () => {
      for (const { reject } of waiting.values())
        reject(new Error("The surface of an object could not be made."));
      waiting.clear();
      worker = null;
    };
    return started;
  };
  return (mask, grid) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      const request: SurfaceRequest = { number: ++last, mask, grid };
      waiting.set(request.number, { resolve, reject });
      worker.postMessage(request, [mask.cubes.buffer, mask.words.buffer]);
    });
}
