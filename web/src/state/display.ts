/** How the volume is shown: slices in view, window, tool, layout. Only the slice in view is reported to the server. */
import type { Ijk, PlaneName } from "../api/wire_types";
import type { Geometry } from "../volume/coordinates";
import type { ValueWindow } from "../volume/value_window";
import { keep, kept } from "./kept";
import { Observable } from "./observable";
import { PaneSizes } from "./pane_sizes";

export type Tool =
  | "navigate"
  | "window"
  | "measure"
  | "box"
  | "point"
  | "negative"
  | "scribble"
  | "brush"
  | "erase"
  | "lasso";
export type Layout = "quad" | "main" | "single";
export type PaneName = PlaneName | "3d";
const PANE_NAMES: readonly PaneName[] = ["axial", "coronal", "sagittal", "3d"];

/** Zoom of a pane relative to the whole slice, and the offset of its centre from the slice's in mm. */
export interface Camera {
  zoom: number;
  x: number;
  y: number;
}

export interface Pointer {
  plane: PlaneName;
  x: number;
  y: number;
}

const WHOLE: Camera = { zoom: 1, x: 0, y: 0 };

export class Display extends Observable {
  /** The voxel whose three slices are in view. */
  focus: Ijk;
  window: ValueWindow;
  tool: Tool = "box";
  layout: Layout = "main";
  active: PlaneName = "axial";
  /** The pane that fills the screen in layout "single", and is the large one in layout "main". */
  large: PaneName = "axial";
  readonly sizes = new PaneSizes();
  /** Whether the other planes move to what the user clicks, draws or selects. */
  follow = kept("follow", true);
  crosshair = true;
  masks = true;
  brushMm = 12;
  cameras: Record<PlaneName, Camera> = { axial: WHOLE, coronal: WHOLE, sagittal: WHOLE };
  /** Under the mouse, or moved by keys. */
  pointer: Pointer | null = null;
  /** Notifies when the planes have followed, so that a view that is zoomed in moves there, too. */
  readonly followed = new Observable();
  private layoutBefore: Layout = "main";
  /** Notifies of the pointer alone, which moves all the time. */
  readonly pointing = new Observable();

  constructor(
    readonly geometry: Geometry,
    window: ValueWindow,
  ) {
    super();
    this.focus = geometry.shape.map((size) => Math.floor(size / 2)) as Ijk;
    this.window = window;
  }

  set(
    change: Partial<Pick<Display, "tool" | "layout" | "large" | "crosshair" | "masks" | "window" | "active">>,
  ): void {
    Object.assign(this, change);
    this.notify();
  }

  point(pointer: Pointer | null): void {
    this.pointer = pointer;
    this.pointing.notify();
  }

  index(plane: PlaneName): number {
    return this.focus[this.geometry.grids[plane].axis];
  }

  goTo(plane: PlaneName, index: number): void {
    const grid = this.geometry.grids[plane];
    const next = [...this.focus] as Ijk;
    next[grid.axis] = Math.min(grid.count - 1, Math.max(0, Math.round(index)));
    this.focusOn(next);
  }

  /** Make a plane the active one, large where one view is, and go to one of its slices. */
  show(plane: PlaneName, index: number): void {
    this.active = plane;
    if (this.layout !== "quad") this.large = plane;
    this.goTo(plane, index);
  }

  /** Step towards the top of the slice bar (superior, anterior, right) or the bottom. */
  step(plane: PlaneName, towardsTop: number): void {
    const grid = this.geometry.grids[plane];
    this.goTo(plane, this.index(plane) + (grid.topIsLast ? towardsTop : -towardsTop));
  }

  focusOn(ijk: Ijk): void {
    this.focus = ijk.map((value, axis) =>
      Math.min(this.geometry.shape[axis] - 1, Math.max(0, Math.round(value))),
    ) as Ijk;
    this.notify();
  }

  zoom(plane: PlaneName, factor: number): void {
    const camera = this.cameras[plane];
    const zoom = Math.min(32, Math.max(0.5, camera.zoom * factor));
    this.cameras = { ...this.cameras, [plane]: { ...camera, zoom } };
    this.notify();
  }

  moveCamera(plane: PlaneName, camera: Camera): void {
    this.cameras = { ...this.cameras, [plane]: camera };
    this.notify();
  }

  fit(): void {
    this.cameras = { axial: WHOLE, coronal: WHOLE, sagittal: WHOLE };
    this.notify();
  }

  setBrush(mm: number): void {
    this.brushMm = Math.min(80, Math.max(1, mm));
    this.notify();
  }

  /** Show only this view, or all of them as before. */
  enlarge(pane: PaneName): void {
    if (this.layout === "single")
      this.set({ layout: this.layoutBefore, active: planeOf(pane) ?? this.active });
    else {
      this.layoutBefore = this.layout;
      this.lay("single", pane);
    }
  }

  /** Make a view the large one, or the only one where there is but one. */
  makeLarge(pane: PaneName): void {
    this.lay(this.layout === "quad" ? "main" : this.layout, pane);
  }

  nextLarge(step: number): void {
    const at = PANE_NAMES.indexOf(this.layout === "quad" ? this.active : this.large);
    this.makeLarge(PANE_NAMES[(at + step + PANE_NAMES.length) % PANE_NAMES.length]);
  }

  private lay(layout: Layout, large: PaneName): void {
    this.set({ layout, large, active: planeOf(large) ?? this.active });
  }

  setFollow(follow: boolean): void {
    this.follow = follow;
    keep("follow", follow);
    this.notify();
  }

  /** Move the other planes to a voxel, unless the user does not want it; the slice of `plane` stays. */
  followTo(plane: PlaneName, ijk: Ijk): void {
    if (!this.follow) return;
    const { axis } = this.geometry.grids[plane];
    this.focusOn(ijk.map((value, n) => (n === axis ? this.focus[n] : value)) as Ijk);
    this.followed.notify();
  }
}

function planeOf(pane: PaneName): PlaneName | null {
  return pane === "3d" ? null : pane;
}
