/**
 * The 3D view, and the only file that knows NiiVue. It takes millimetres only: a coarse copy of the CT with
 * its own affine, and surfaces in RAS, so NiiVue's own voxel order never matters. `slice_pane.ts` draws slices.
 */
import { Niivue, NVImage, NVMesh, SLICE_TYPE } from "@niivue/niivue";
import type { CoarseCopy } from "../volume/coarse_copy";
import type { Surface } from "../volume/object_surface";

export interface SceneObject {
  key: string;
  surface: Surface;
  colour: string;
}
/** The part of the CT that is shown around the objects. */
export type Surroundings = "bones" | "skin" | "nothing";

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
  async setVolume(copy: CoarseCopy, around: Surroundings): Promise<void> {
    await this.ready;
    if (this.image) this.niivue.removeVolume(this.image);
    const colours = COLORMAPS[around === "nothing" ? "skin" : around];
    this.image = await NVImage.loadFromUrl({
      url: "ct.nii",
      name: "ct.nii",
      buffer: niftiOf(copy).buffer,
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
  const data = Int16Array.from(voxels);
  return Uint8Array.from(
    NVImage.createNiftiArray(geometry.shape, geometry.spacing, [...affine, 0, 0, 0, 1], 4, data),
  );
}
