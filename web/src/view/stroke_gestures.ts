/** Scribbles, brush strokes and lassos: prompts of the model, or voxels by hand (see `hand_action.ts`). */
import type { MaskPrompt, Prompt } from "../api/wire_types";
import { type HandAction, handAction, type StrokeTool } from "../state/hand_action";
import type { ShownStroke } from "../state/hand_edits";
import { freeName } from "../state/prompt_draft";
import { decodeRuns, encodeRuns } from "../volume/run_lengths";
import {
  addStroke,
  limitedPixels,
  polygonPixels,
  simplified,
  strokePixels,
  type Uv,
} from "../volume/stroke_pixels";
import type { Gesture } from "./gesture";
import { NEGATIVE, type Pen, PROMPT, type Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";
import { outlinesOfStored } from "./stroke_overlay";

/** A lasso keeps its shape to a quarter of a voxel, and is written with two digits. */
const LASSO_TOLERANCE = 0.25;
const twoDigits = (value: number) => Math.round(value * 100) / 100;

function actionOf(pane: SlicePane, tool: StrokeTool, cut: boolean): HandAction {
  const { session } = pane;
  const target = session.targetOf(tool);
  const object = target.kind === "object" ? session.object(target.name) : null;
  const { options } = session.hand;
  const at = { plane: pane.plane, index: pane.index };
  return handAction(tool, cut, { draft: session.draft, target, object, options, at });
}

function takePrompt(pane: SlicePane, index: number, prompt: Prompt): void {
  pane.session.takePrompt({ plane: pane.plane, index, prompt });
}

/** A path over the voxels of one slice, from where it first touches the slice. */
class VoxelPath {
  readonly points: Uv[] = [];

  constructor(private readonly pane: SlicePane) {}

  /** The piece that a movement adds; null if it stays in its voxel, or has not reached the slice. */
  add(xy: Xy): [Uv, Uv] | null {
    const { grid } = this.pane;
    if (!this.points.length && !this.pane.contains(xy)) return null;
    const clamp = (value: number, size: number) => Math.min(size - 1, Math.max(0, Math.round(value)));
    const next = grid.xyToUv(clamp(xy[0], grid.cols), clamp(xy[1], grid.rows));
    const last = this.points.at(-1) ?? next;
    if (this.points.length && next[0] === last[0] && next[1] === last[1]) return null;
    this.points.push(next);
    return [last, next];
  }
}

/** A line that the model takes as many points; Shift: not part of the object. */
export function scribbling(pane: SlicePane, start: Xy, shift: boolean): Gesture {
  const { grid, index } = pane;
  const path = new VoxelPath(pane);
  path.add(start);
  return {
    move: (xy) => void path.add(xy),
    end: () => {
      if (!path.points.length) return;
      const scribble = simplified(path.points).map(([u, v]) => grid.join(index, u, v));
      takePrompt(pane, index, { scribble, positive: !shift });
    },
    draw: (pen) =>
      pen.line(
        path.points.map(([u, v]) => grid.uvToXy(u, v)),
        shift ? NEGATIVE : PROMPT,
      ),
  };
}

export function brushing(
  pane: SlicePane,
  start: Xy,
  tool: "brush" | "erase",
  shift: boolean,
): Gesture | null {
  const action = actionOf(pane, tool, shift);
  if (action.kind === "refuse") {
    pane.session.tell(action.message);
    return null;
  }
  return action.kind === "prompt" ? paintingPrompt(pane, start, action) : strokeByHand(pane, start, action);
}

/** A rough mask for the model; strokes go on with the mask that the draft has on this slice. */
function paintingPrompt(
  pane: SlicePane,
  start: Xy,
  { positive, draft }: HandAction & { kind: "prompt" },
): Gesture {
  const { grid, index, session } = pane;
  const path = new VoxelPath(pane);
  const drawn = new Uint8Array(grid.shapeVu[0] * grid.shapeVu[1]);
  const before = session.draft?.prompt;
  const known = draft && before && "mask" in before ? decodeRuns(before.runs, drawn.length) : drawn;
  const extend = (xy: Xy) => {
    const piece = path.add(xy);
    if (piece) addStroke(drawn, grid, ...piece, session.display.brushMm / 2);
  };
  const mask = () => (draft ? known.map((value, n) => (drawn[n] ? Number(positive) : value)) : drawn);
  extend(start);
  return {
    hidesPrompt: true,
    move: extend,
    end: () => finishMask(pane, index, mask(), draft || positive),
    draw: (pen) => {
      drawMask(pane, mask(), pen, draft || positive ? PROMPT : NEGATIVE);
      if (draft && !positive) drawMask(pane, drawn, pen, NEGATIVE);
    },
  };
}

function finishMask(pane: SlicePane, index: number, mask: Uint8Array, positive: boolean): void {
  const { session, grid } = pane;
  if (!mask.includes(1)) {
    session.discardDraft();
    return;
  }
  const prompt: MaskPrompt = {
    mask: grid.maskSlice(index),
    shape: grid.shapeVu,
    runs: encodeRuns(mask),
    ...(positive ? {} : { positive }),
  };
  takePrompt(pane, index, prompt);
}

function drawMask(pane: SlicePane, mask: Uint8Array, pen: Pen, colour: string): void {
  pen.mask(outlinesOfStored(pane.grid, mask), colour, true, "drawn");
}

type ByHand = HandAction & { kind: "by hand" };

/** What is shown of a stroke: its pixels that its limits and the other objects allow. */
function shownStroke(pane: SlicePane, { name, positive }: ByHand): ShownStroke {
  const mask = new Uint8Array(pane.grid.shapeVu[0] * pane.grid.shapeVu[1]);
  return { plane: pane.plane, index: pane.index, id: pane.session.idOf(name), positive, mask };
}

function limited(pane: SlicePane, index: number, drawn: Uint8Array, at: Uv | null): Uint8Array {
  const { session, grid } = pane;
  const { loading, geometry } = session;
  const voxels = loading.voxelsOn(grid.plane, index);
  const { limits } = session.hand;
  if (!voxels || !Object.keys(limits).length) return drawn;
  const value = (u: number, v: number) => voxels[geometry.offset(grid.join(index, u, v))];
  return limitedPixels(drawn, grid, limits, at, value);
}

function strokeByHand(pane: SlicePane, start: Xy, action: ByHand): Gesture {
  const { grid, index, session } = pane;
  const path = new VoxelPath(pane);
  const radius = session.display.brushMm / 2;
  const drawn = new Uint8Array(grid.shapeVu[0] * grid.shapeVu[1]);
  const shown = shownStroke(pane, action);
  const extend = (xy: Xy) => {
    const piece = path.add(xy);
    if (!piece) return;
    addStroke(drawn, grid, ...piece, radius);
    shown.mask = limited(pane, index, drawn, path.points[0]);
  };
  extend(start);
  return {
    stroke: shown,
    move: extend,
    end: () => {
      if (!path.points.length) return;
      // From here on, the screen shows what is sent.
      const sent = simplified(path.points);
      const brush = {
        path: sent.map(([u, v]) => grid.join(index, u, v)),
        radius_mm: radius,
        ball: session.hand.options.ball,
        plane: pane.plane,
      };
      const mask = limited(pane, index, strokePixels(grid, sent, radius), sent[0]);
      paint(pane, action, { brush }, { ...shown, mask });
    },
  };
}

function paint(
  pane: SlicePane,
  { name, positive }: ByHand,
  shape: Parameters<SlicePane["session"]["paint"]>[0]["shape"],
  shown: ShownStroke,
): void {
  const { session } = pane;
  const { limits, options } = session.hand;
  const free = freeName(session.objects.map((each) => each.name));
  const reach = options[session.reachOption(name, true)];
  void session.paint({ name: name ?? free, shape, positive, reach, ...limits }, shown);
}

/** A closed line around what belongs to the object, or with Shift or the right button around what does not. */
export function lassoing(pane: SlicePane, start: Xy, cut: boolean): Gesture | null {
  const action = actionOf(pane, "lasso", cut);
  if (action.kind === "refuse") {
    pane.session.tell(action.message);
    return null;
  }
  const { index } = pane;
  const points: Xy[] = [start];
  const name = action.kind === "by hand" ? action.name : null;
  const colour =
    action.kind === "by hand" && action.positive
      ? pane.session.colourOf(name)
      : action.positive
        ? PROMPT
        : NEGATIVE;
  return {
    hidesPrompt: action.positive,
    move: (xy) => points.push(xy),
    end: (moved) => {
      if (moved) finishLasso(pane, index, points, action);
    },
    draw: (pen) => pen.line(points, colour, points.length > 2),
  };
}

function finishLasso(
  pane: SlicePane,
  index: number,
  points: readonly Xy[],
  action: Exclude<HandAction, { kind: "refuse" }>,
): void {
  const { grid, session } = pane;
  const drawn = points.map(([x, y]) => grid.xyToUv(x, y));
  const polygon = simplified(drawn, LASSO_TOLERANCE).map(([u, v]): [number, number] => [
    twoDigits(u),
    twoDigits(v),
  ]);
  const pixels = polygonPixels(grid, polygon);
  if (!pixels.includes(1)) return;
  const lasso = grid.maskSlice(index);
  if (action.kind === "by hand") {
    const shown = { ...shownStroke(pane, action), index, mask: limited(pane, index, pixels, null) };
    paint(pane, action, { lasso, polygon }, shown);
  } else if (action.positive && session.targetOf("lasso").kind === "new")
    finishMask(pane, index, pixels, true); // a new object starts from the mask inside
  else takePrompt(pane, index, { lasso, polygon, positive: action.positive });
}
