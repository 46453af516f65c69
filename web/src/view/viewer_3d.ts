/**
 * The 3D view, and the only file that knows NiiVue. It takes millimetres only: a coarse copy of the volume
 * with its own affine, and surfaces in RAS, so NiiVue's own voxel order never matters. `slice_pane.ts` draws slices.
 */
import { Niivue, NVImage, NVMesh, SLICE_TYPE } from "@niivue/niivue";
import type { CoarseCopy } from "../volume/coarse_copy";
import type { Surface } from "../volume/object_surface";
import type { Surroundings } from "../volume/surroundings";

export interface SceneObject {
  key: string;
  surface: Surface;
  colour: string;
}

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

/** NIfTI's codes of the types of voxels. */
const [NIFTI_INT16, NIFTI_FLOAT32] = [4, 16];

export class Viewer3d {
  private readonly niivue: Niivue;
  private shown = new Map<string, NVMesh>();
  private image: NVImage | null = null;
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

  /** Show the volume around the objects, or nothing. */
  async setVolume(copy: CoarseCopy, around: Surroundings): Promise<void> {
    await this.ready;
    if (this.image) this.niivue.removeVolume(this.image);
    this.image = await NVImage.loadFromUrl({
      url: "volume.nii",
      name: "volume.nii",
      buffer: niftiOf(copy).buffer,
      colormap: around?.colormap ?? "gray",
      cal_min: around?.low ?? 0,
      cal_max: around?.high ?? 1,
      opacity: around ? 1 : 0,
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

  /** What is shown, on a canvas of its own: WebGL's keeps nothing once the browser has taken it. */
  picture(): HTMLCanvasElement {
    this.niivue.drawScene();
    const { canvas } = this.niivue.gl;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    copy.getContext("2d")!.drawImage(canvas, 0, 0);
    return copy;
  }

  dispose(): void {
    this.niivue.cleanup();
    this.niivue.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** The copy as a NIfTI file. */
function niftiOf({ voxels, geometry }: CoarseCopy): Uint8Array<ArrayBuffer> {
  const affine = [0, 1, 2].flatMap((row) => geometry.affine[row].map((value) => (row < 2 ? -value : value))); // LPS to RAS
  const bytes = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  const type = voxels instanceof Int16Array ? NIFTI_INT16 : NIFTI_FLOAT32;
  return Uint8Array.from(
    NVImage.createNiftiArray(geometry.shape, geometry.spacing, [...affine, 0, 0, 0, 1], type, bytes),
  );
}
