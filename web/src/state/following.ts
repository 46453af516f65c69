/**
 * Lets the other planes follow what the user draws, gets and selects, so that it is seen from three sides at once.
 * The slice that the user works on stays; planes that show the place already stay, too.
 */
import {
  type HandShape,
  type Ijk,
  PLANES,
  type PlaneName,
  type Prompt,
  type SegmentedObject,
} from "../api/wire_types";
import type { Geometry, SliceGrid } from "../volume/coordinates";
import type { LabelMap } from "../volume/label_map";
import { maskCentre, maskContains } from "../volume/mask_centre";
import { outlines } from "../volume/mask_outlines";
import { decodeRuns } from "../volume/run_lengths";
import type { Display } from "./display";
import type { Observable } from "./observable";
import type { DrawnPrompt, PromptDraft } from "./prompt_draft";

/** What of the open session is followed. */
interface Session extends Observable {
  readonly geometry: Geometry;
  readonly display: Display;
  readonly labels: LabelMap;
  readonly objects: readonly SegmentedObject[];
  readonly draft: PromptDraft | null;
  readonly busy: boolean;
  object(name: string | null): SegmentedObject | null;
}

export class Following {
  private preview: PromptDraft["masks"][number] | null = null;
  /** The objects that were there when the page looked last; a new one is gone to. */
  private known: Set<number>;
  /** An object to go to as soon as its masks have arrived. */
  private awaited: string | null = null;

  constructor(private readonly session: Session) {
    this.known = new Set(session.objects.map((each) => each.id));
    session.subscribe(() => this.look());
  }

  /** The user has drawn a prompt. */
  drawn({ plane, index, prompt }: DrawnPrompt): void {
    this.goTo(plane, index, prompt);
  }

  /** The user has painted or erased. */
  painted(shape: HandShape): void {
    const { display, geometry } = this.session;
    const axis = axisOf(shape);
    const plane = PLANES.find((each) => geometry.grids[each].axisName === axis);
    const drawnOn = plane ?? ("brush" in shape ? shape.brush.plane : null) ?? display.active;
    this.goTo(drawnOn, display.index(drawnOn), shape);
  }

  private goTo(plane: PlaneName, index: number, shape: Prompt | HandShape): void {
    const centre = centreOf(shape, this.session.geometry.grids[plane], index);
    if (centre) this.session.display.followTo(plane, centre);
  }

  /** The user has selected an object: go to it, on the slice in view where it is on it. */
  selected(name: string): void {
    const { session } = this;
    const object = session.object(name);
    if (!object) return;
    const { active } = session.display;
    if (this.slice(name, active, session.display.index(active)) || !object.slices) return;
    const middle = Math.round((object.slices[0] + object.slices[1]) / 2);
    const centre = this.centreOn(object.id, object.plane, middle);
    if (!centre || !session.display.follow) return;
    session.display.goTo(object.plane, middle);
    session.display.followTo(object.plane, centre);
  }

  /** Go to a slice of an object, in the other planes, too; false where the object is not on it. */
  slice(name: string, plane: PlaneName, index: number): boolean {
    const { session } = this;
    session.display.goTo(plane, index);
    const object = session.object(name);
    const centre = object && this.centreOn(object.id, plane, index);
    if (centre) session.display.followTo(plane, centre);
    return centre !== null;
  }

  /** A voxel of the object on a slice: the one in view where it belongs to the object, or one near the middle. */
  private centreOn(id: number, plane: PlaneName, index: number): Ijk | null {
    const { session } = this;
    const grid = session.geometry.grids[plane];
    const mask = session.labels.outlines(grid, index).find((each) => each.id === id);
    if (!mask) return null;
    const focus = grid.ijkToXy(session.display.focus);
    const centre = maskContains(mask.polygons, focus) ? focus : maskCentre(mask.polygons);
    return centre && grid.xyToIjk(index, centre[0], centre[1]);
  }

  /** Called after every change of the session: is there a new preview, or a new object? */
  private look(): void {
    const { draft, objects, busy } = this.session;
    const preview = draft?.masks[draft.alternative] ?? null;
    if (draft && preview && preview !== this.preview) this.previewed(draft, preview);
    this.preview = preview;
    if (busy) return;
    const added = objects.filter((each) => !this.known.has(each.id)).at(-1);
    this.known = new Set(objects.map((each) => each.id));
    if (added) this.awaited = added.name;
    // Its masks come after the state that has it.
    const awaited = this.session.object(this.awaited);
    if (awaited?.slices && this.hasMasks(awaited)) {
      this.awaited = null;
      this.selected(awaited.name);
    }
  }

  private hasMasks({ id, plane, slices }: SegmentedObject): boolean {
    const middle = Math.round((slices![0] + slices![1]) / 2);
    return this.centreOn(id, plane, middle) !== null;
  }

  private previewed(draft: PromptDraft, { runs, shape }: PromptDraft["masks"][number]): void {
    const { display, geometry } = this.session;
    const grid = geometry.grids[draft.plane];
    const polygons = outlinesOf(runs, shape, grid);
    if (maskContains(polygons, grid.ijkToXy(display.focus))) return;
    const centre = maskCentre(polygons);
    if (centre) display.followTo(draft.plane, grid.xyToIjk(draft.index, centre[0], centre[1]));
  }
}

function centreOf(shape: Prompt | HandShape, grid: SliceGrid, index: number): Ijk | null {
  if ("point" in shape) return shape.point;
  // Where the hand is now.
  if ("brush" in shape) return shape.brush.path.at(-1) ?? null;
  if ("scribble" in shape) return shape.scribble.at(-1) ?? null;
  if ("box" in shape) {
    const edges = grid.boxEdges(shape.box, index);
    return edges && grid.xyToIjk(index, (edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2);
  }
  const polygons =
    "polygon" in shape
      ? [shape.polygon.flatMap(([u, v]) => grid.uvToXy(u, v))]
      : outlinesOf(shape.runs, shape.shape, grid);
  const centre = maskCentre(polygons);
  return centre && grid.xyToIjk(index, centre[0], centre[1]);
}

/** The axis of the slice that a shape lies on; a brush names its plane instead. */
function axisOf(shape: HandShape): string | undefined {
  if ("lasso" in shape) return Object.keys(shape.lasso)[0];
  if ("mask" in shape) return Object.keys(shape.mask)[0];
  return "box" in shape ? Object.keys(shape.box).find((key) => key.length === 1) : undefined;
}

function outlinesOf(runs: ArrayLike<number>, shape: readonly [number, number], grid: SliceGrid) {
  const shown = grid.maskToDisplay(decodeRuns(runs, shape[0] * shape[1]));
  return outlines((x, y) => shown[y * grid.cols + x] === 1, grid.cols, grid.rows);
}
