/** The handles at the ends of the crosshair's lines: with any tool, dragging one moves its line. */
import type { Gesture } from "./gesture";
import type { Xy } from "./overlay_pen";
import { HANDLE_PX, type SlicePane } from "./slice_pane";

export type CrosshairLine = "vertical" | "horizontal";

/** The line whose handle is within the pointer's reach. */
export function crosshairLine(pane: SlicePane, xy: Xy): CrosshairLine | null {
  if (!pane.showsCrosshair) return null;
  const { host, reachPx } = pane;
  const [x, y] = inPane(pane, xy);
  const [lineX, lineY] = inPane(pane, pane.grid.ijkToXy(pane.session.display.focus));
  const length = Math.max(HANDLE_PX, reachPx);
  const atEdge = (place: number, size: number) => place <= length || place >= size - length;
  if (Math.abs(x - lineX) <= reachPx && atEdge(y, host.clientHeight)) return "vertical";
  if (Math.abs(y - lineY) <= reachPx && atEdge(x, host.clientWidth)) return "horizontal";
  return null;
}

/** Move one line of the crosshair: the planes that it shows follow. */
export function draggingLine(pane: SlicePane, line: CrosshairLine): Gesture {
  const { display } = pane.session;
  return {
    move: ([x, y]) => {
      const at = pane.grid.ijkToXy(display.focus);
      const next: Xy = line === "vertical" ? [x, at[1]] : [at[0], y];
      display.focusOn(pane.grid.xyToIjk(pane.index, ...next));
    },
  };
}

/** CSS pixels from the top left corner of the view. */
function inPane(pane: SlicePane, [x, y]: Xy): Xy {
  const { left, top, scaleX, scaleY } = pane.placement;
  return [left + (x + 0.5) * scaleX, top + (y + 0.5) * scaleY];
}
