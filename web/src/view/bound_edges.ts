/** The ends of an object in the two planes that are not its own: edges that can be dragged. */
import type { PlaneName } from "../api/wire_types";
import { ENDS, type EndName, type ShownEnds } from "../state/ends";
import type { OpenSession } from "../state/open_session";
import type { SliceGrid } from "../volume/coordinates";
import type { Placement } from "../volume/slice_rendering";
import type { Gesture } from "./gesture";
import type { Pen, Xy } from "./overlay_pen";

/** The grip of an edge begins so far from the side of the slice, beyond the crosshair's handles, and is so long. */
const GRIP_PX = { from: 34, length: 30 };

/** What this file needs of a `SlicePane`. */
export interface EdgePane {
  readonly session: OpenSession;
  readonly plane: PlaneName;
  readonly grid: SliceGrid;
  readonly placement: Placement;
  readonly reachPx: number;
}

export interface Edge {
  end: EndName;
  /** Whether it is a column; else it is a row. */
  vertical: boolean;
  /** Where it is, in displayed pixels. */
  at: number;
}

/** Where an end lies in another plane: on the outer side of the end's slice. Null in the object's own plane. */
export function edgeOf(pane: SliceGrid, object: SliceGrid, end: EndName, slice: number): Edge | null {
  if (pane.axis === object.axis) return null;
  const outer = slice + (end === "low" ? -0.5 : 0.5);
  const [from, to] = [0, 1].map((along) => {
    const ijk: [number, number, number] = [along, along, along];
    ijk[object.axis] = outer;
    return pane.ijkToXy(ijk);
  });
  const vertical = from[0] === to[0];
  return { end, vertical, at: vertical ? from[0] : from[1] };
}

/** The slice whose outer side is nearest to a displayed position: the inverse of `edgeOf`. */
export function sliceAtEdge(pane: SliceGrid, object: SliceGrid, end: EndName, [x, y]: Xy): number {
  const at = pane.xyToIjk(0, x, y)[object.axis];
  return Math.round(end === "low" ? at + 0.5 : at - 0.5) + 0; // no −0
}

export function edgesOf(pane: EdgePane): (Edge & { shown: ShownEnds })[] {
  const { session, grid } = pane;
  const shown = session.ends.shown;
  if (!shown) return [];
  const object = session.geometry.grids[shown.plane];
  return ENDS.flatMap((end) => {
    const edge = edgeOf(grid, object, end, shown[end]);
    return edge ? [{ ...edge, shown }] : [];
  });
}

/**
 * The edge that the pointer would drag: with tools that only look, anywhere on its line; with tools that draw, on its
 * grip, so that drawing near an end goes on drawing.
 */
export function grabbedEdge(pane: EdgePane, xy: Xy): Edge | null {
  const { reachPx, placement } = pane;
  const anywhere = looksOnly(pane.session);
  let nearest: Edge | null = null;
  let nearestPx = reachPx;
  for (const edge of edgesOf(pane)) {
    const [across, along] = edge.vertical ? [xy[0], xy[1]] : [xy[1], xy[0]];
    const [scale, size, alongScale] = edge.vertical
      ? [placement.scaleX, pane.grid.rows, placement.scaleY]
      : [placement.scaleY, pane.grid.cols, placement.scaleX];
    const px = Math.abs(across - edge.at) * scale;
    const [first, last] = anywhere ? [-0.5, size - 0.5] : gripOf(pane, edge);
    const beyond = Math.max(first - along, along - last) * alongScale;
    if (px > nearestPx || beyond > (anywhere ? 0 : reachPx)) continue;
    nearest = edge;
    nearestPx = px;
  }
  return nearest;
}

/** Drag an end: the view shows it at once, and one request goes out at the release. A click stays a click. */
export function draggingEdge(pane: EdgePane, edge: Edge, click: () => void): Gesture {
  const { ends, geometry } = pane.session;
  const object = geometry.grids[ends.shown?.plane ?? pane.plane];
  const before = pane.session.display.focus;
  return {
    cursor: edgeCursor(edge),
    move: (xy) => ends.move(edge.end, sliceAtEdge(pane.grid, object, edge.end, xy)),
    end: (moved) => {
      if (moved) ends.release();
      else {
        ends.cancel();
        click();
      }
    },
    cancel: () => {
      ends.cancel();
      pane.session.display.focusOn(before);
    },
  };
}

/** Whether the tool in hand draws nothing, so that an edge may be dragged anywhere on its line. */
function looksOnly({ display }: OpenSession): boolean {
  return display.tool === "navigate" || display.tool === "window";
}

export const edgeCursor = (edge: Edge) => (edge.vertical ? "ew-resize" : "ns-resize");

/** Where a grip begins and ends along its edge, in displayed pixels: near the left or upper side of what is in view. */
function gripOf(pane: EdgePane, edge: Edge): [number, number] {
  const { left, top, scaleX, scaleY } = pane.placement;
  const [start, scale] = edge.vertical ? [top, scaleY] : [left, scaleX];
  const from = (Math.max(0, start) + GRIP_PX.from - start) / scale - 0.5;
  return [from, from + GRIP_PX.length / scale];
}

/** Which edge the pointer is on, so that it is drawn whole. */
export function pointedEnd(pane: EdgePane): EndName | null {
  const { pointer } = pane.session.display;
  return pointer?.plane === pane.plane ? (grabbedEdge(pane, [pointer.x, pointer.y])?.end ?? null) : null;
}

/**
 * Draw the grips, and the whole lines where they can be dragged: no line lies on the anatomy while one draws, or with
 * the masks hidden.
 */
export function drawEdges(pane: EdgePane, pen: Pen): void {
  const { session } = pane;
  const pointed = pointedEnd(pane);
  for (const edge of edgesOf(pane)) {
    const across = edge.vertical ? pane.grid.rows : pane.grid.cols;
    const point = (along: number): Xy => (edge.vertical ? [edge.at, along] : [along, edge.at]);
    const [from, to] = gripOf(pane, edge);
    const whole =
      (looksOnly(session) && session.display.masks) || pointed === edge.end || session.ends.moving;
    pen.edge(whole ? [point(-0.5), point(across - 0.5)] : null, [point(from), point(to)], edge.shown.colour);
  }
}
