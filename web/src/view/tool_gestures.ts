/** What each tool does on a slice, from the press of the button to its release. */
import type { Prompt } from "../api/wire_types";
import type { Tool } from "../state/display";
import { draggedWindow } from "../volume/value_window";
import type { Gesture } from "./gesture";
import { measuring } from "./measuring";
import { PROMPT, type Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";
import { brushing, lassoing, scribbling } from "./stroke_gestures";

export const TOOLS: Record<Tool, (pane: SlicePane, xy: Xy, shift: boolean) => Gesture | null> = {
  navigate: navigating,
  window: windowing,
  measure: measuring,
  box: boxing,
  point: (pane, xy, shift) => pointing(pane, xy, !shift),
  negative: (pane, xy, shift) => pointing(pane, xy, shift),
  scribble: scribbling,
  brush: (pane, xy, shift) => brushing(pane, xy, "brush", shift),
  erase: (pane, xy, shift) => brushing(pane, xy, "erase", shift),
  lasso: lassoing,
};

/** Hand a drawn prompt to the session, which decides what it does (`prompt_action.ts`). */
function takePrompt(pane: SlicePane, prompt: Prompt): void {
  pane.session.takePrompt({ plane: pane.plane, index: pane.index, prompt });
}

export function click(pane: SlicePane, xy: Xy, positive: boolean): void {
  if (!pane.contains(xy)) return;
  const point = pane.grid.xyToIjk(pane.index, Math.round(xy[0]), Math.round(xy[1]));
  takePrompt(pane, { point, positive });
}

/** A click sets a point; a drag moves the picture, as the cursor shows. */
function pointing(pane: SlicePane, xy: Xy, positive: boolean): Gesture {
  return { ...panning(pane), end: (moved) => !moved && click(pane, xy, positive) };
}

export function navigating(pane: SlicePane, xy: Xy): Gesture {
  const focus = ([x, y]: Xy) => pane.session.display.focusOn(pane.grid.xyToIjk(pane.index, x, y));
  focus(xy);
  return { move: focus };
}

export function panning(pane: SlicePane): Gesture {
  return {
    cursor: "grabbing",
    move: (_, dx, dy) => {
      const { display } = pane.session;
      const camera = display.cameras[pane.plane];
      display.moveCamera(pane.plane, {
        ...camera,
        x: camera.x - dx / pane.pxPerMm,
        y: camera.y - dy / pane.pxPerMm,
      });
    },
  };
}

export function windowing(pane: SlicePane): Gesture {
  const { display } = pane.session;
  return {
    move: (_, dx, dy) => display.set({ window: draggedWindow(display.window, dx, dy, pane.session.isCt) }),
  };
}

function draftEdges(pane: SlicePane): [number, number, number, number] | null {
  const { draft } = pane.session;
  if (!draft || draft.plane !== pane.plane || !("box" in draft.prompt)) return null;
  return pane.grid.boxEdges(draft.prompt.box, pane.index);
}

/** Which edges of the draft's box are within the pointer's reach: 0 left, 1 top, 2 right, 3 bottom. */
export function grabbedEdges(pane: SlicePane, [x, y]: Xy): number[] | null {
  const edges = draftEdges(pane);
  if (!edges) return null;
  const { scaleX, scaleY } = pane.placement;
  const [nearX, nearY] = [pane.reachPx / scaleX, pane.reachPx / scaleY];
  const [x0, y0, x1, y1] = edges;
  if (x < x0 - nearX || x > x1 + nearX || y < y0 - nearY || y > y1 + nearY) return null;
  const grabbed: number[] = [];
  if (Math.abs(x - x0) < nearX) grabbed.push(0);
  else if (Math.abs(x - x1) < nearX) grabbed.push(2);
  if (Math.abs(y - y0) < nearY) grabbed.push(1);
  else if (Math.abs(y - y1) < nearY) grabbed.push(3);
  return grabbed.length ? grabbed : null;
}

function boxing(pane: SlicePane, start: Xy): Gesture {
  const grabbed = grabbedEdges(pane, start);
  // Edges lie half a pixel outside the centres of the box's outer voxels.
  const known = draftEdges(pane);
  const edges =
    grabbed && known
      ? [known[0] + 0.5, known[1] + 0.5, known[2] - 0.5, known[3] - 0.5]
      : [...start, ...start];
  return {
    hidesPrompt: true,
    move: ([x, y]) => {
      for (const edge of grabbed ?? [2, 3]) edges[edge] = edge % 2 ? y : x;
    },
    end: (moved) => {
      if (moved) finishBox(pane, [edges[0], edges[1]], [edges[2], edges[3]]);
    },
    draw: (pen) =>
      pen.box(
        [
          Math.min(edges[0], edges[2]) - 0.5,
          Math.min(edges[1], edges[3]) - 0.5,
          Math.max(edges[0], edges[2]) + 0.5,
          Math.max(edges[1], edges[3]) + 0.5,
        ],
        PROMPT,
        false,
      ),
  };
}

function finishBox(pane: SlicePane, a: Xy, b: Xy): void {
  takePrompt(pane, pane.grid.box(pane.index, [a[0], a[1]], [b[0], b[1]]));
}
