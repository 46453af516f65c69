/**
 * The 3D view, and the only file that knows NiiVue. It takes millimetres only: a coarse copy of the CT with
 * its own affine, and surfaces in RAS, so NiiVue's own voxel order never matters. `slice_pane.ts` draws slices.
 */
import { Niivue, NVImage, NVMesh, SLICE_TYPE } from "@niivue/niivue";
import type { Geometry } from "../volume/coordinates";
import type { Voxels } from "../volume/nifti_voxels";
import type { Surface } from "../volume/object_surface";

export interface SceneObject {
  key: string;
  surface: Surface;
  colour: string;
}
/** The part of the CT that is shown around the objects. */
export type Surroundings = "bones" | "skin" | "nothing";

/** Voxels along the longest side of the coarse copy: as many as a small pane shows, and fast without a GPU. */
const MAX_VOXELS = 144;
/** NiiVue's azimuth and elevation in degrees, by the side of the patient that faces the viewer. */
const DIRECTIONS = {
  A: [180, 8],
  P: [0, 8],
  L: [270, 8],
  R: [90, 8],
  S: [180, 90],
  I: [180, -90],
} as const satisfies Record<string, readonly [number, number]>;
export type Direction = keyof typeof DIRECTIONS;
const COLORMAPS: Record<Exclude<Surroundings, "nothing">, { colormap: string; low: number; high: number }> = {
  bones: { colormap: "bone", low: 140, high: 900 },
  skin: { colormap: "gray", low: -320, high: 400 },
};

export class Viewer3d {
  private readonly niivue: Niivue;
  private shown = new Map<string, NVMesh>();
  private image: NVImage | null = null;
  private coarse: Uint8Array<ArrayBuffer> | null = null;
  private ready: Promise<unknown>;

  constructor(canvas: HTMLCanvasElement) {
    this.niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      show3Dcrosshair: false,
      isColorbar: false,
      meshXRay: 0.55,
      dragAndDropEnabled: false,
      logLevel: "silent",
    });
    this.ready = this.niivue.attachToCanvas(canvas, false).then(() => {
      this.niivue.setSliceType(SLICE_TYPE.RENDER);
      this.niivue.setRadiologicalConvention(true);
      this.viewFrom("A");
    });
  }

  /** Show the CT around the objects, or nothing. */
  async setVolume(voxels: Voxels, geometry: Geometry, around: Surroundings): Promise<void> {
    await this.ready;
    this.coarse ??= coarseCopy(voxels, geometry);
    if (this.image) this.niivue.removeVolume(this.image);
    const colours = COLORMAPS[around === "nothing" ? "skin" : around];
    this.image = await NVImage.loadFromUrl({
      url: "ct.nii",
      name: "ct.nii",
      buffer: this.coarse.slice().buffer,
      colormap: colours.colormap,
      cal_min: colours.low,
      cal_max: colours.high,
      opacity: around === "nothing" ? 0 : 1,
    });
    this.niivue.addVolume(this.image);
    this.niivue.drawScene();
  }

  /** Show these surfaces and no others. */
  async setObjects(objects: readonly SceneObject[]): Promise<void> {
    await this.ready;
    const keys = new Set(objects.map((each) => each.key));
    for (const [key, mesh] of this.shown)
      if (!keys.has(key)) {
        this.niivue.removeMesh(mesh);
        this.shown.delete(key);
      }
    for (const { key, surface, colour } of objects) {
      if (this.shown.has(key)) continue;
      const rgba = Uint8Array.of(
        ...[1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)),
        255,
      );
      const mesh = new NVMesh(surface.points, surface.triangles, key, rgba, 1, true, this.niivue.gl);
      this.niivue.addMesh(mesh);
      this.shown.set(key, mesh);
    }
    this.niivue.drawScene();
  }

  viewFrom(direction: Direction): void {
    const [azimuth, elevation] = DIRECTIONS[direction];
    this.niivue.setRenderAzimuthElevation(azimuth, elevation);
  }

  turn(azimuth: number, elevation: number): void {
    const { renderAzimuth, renderElevation } = this.niivue.scene;
    this.niivue.setRenderAzimuthElevation(renderAzimuth + azimuth, renderElevation + elevation);
  }

  dispose(): void {
    this.niivue.cleanup();
    this.niivue.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** A NIfTI file of block means, with the affine that puts each block at the centre of its voxels. */
function coarseCopy(voxels: Voxels, geometry: Geometry): Uint8Array<ArrayBuffer> {
  const cellMm = Math.max(
    ...geometry.shape.map((size, axis) => (size * geometry.spacing[axis]) / MAX_VOXELS),
  );
  const step = geometry.spacing.map((mm) => Math.max(1, Math.round(cellMm / mm)));
  const size = geometry.shape.map((length, axis) => Math.max(1, Math.floor(length / step[axis])));
  const coarse = new Int16Array(size[0] * size[1] * size[2]);
  const [ni, nj] = geometry.shape;
  let at = 0;
  for (let k = 0; k < size[2]; k++)
    for (let j = 0; j < size[1]; j++)
      for (let i = 0; i < size[0]; i++, at++) {
        let sum = 0;
        for (let c = 0; c < step[2]; c++)
          for (let b = 0; b < step[1]; b++) {
            const from = i * step[0] + ni * (j * step[1] + b + nj * (k * step[2] + c));
            for (let a = 0; a < step[0]; a++) sum += voxels[from + a];
          }
        coarse[at] = sum / (step[0] * step[1] * step[2]);
      }
  const origin = geometry.toLps([(step[0] - 1) / 2, (step[1] - 1) / 2, (step[2] - 1) / 2]);
  const affine = [0, 1, 2].flatMap((row) => {
    const sign = row < 2 ? -1 : 1; // LPS to RAS
    return [...[0, 1, 2].map((axis) => sign * geometry.affine[row][axis] * step[axis]), sign * origin[row]];
  });
  const spacing = geometry.spacing.map((mm, axis) => mm * step[axis]);
  return Uint8Array.from(NVImage.createNiftiArray(size, spacing, [...affine, 0, 0, 0, 1], 4, coarse));
}
