/** A view by keys: Shift+arrows move the cursor, and Space presses or releases. */
import { bringIntoView } from "./camera";
import type { Gesture } from "./gesture";
import type { Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";
import { TOOLS } from "./tool_gestures";

/** Where gestures that wait for the next Space began. */
const begun = new WeakMap<Gesture, Xy>();

export function moveCursor(pane: SlicePane, dx: number, dy: number): void {
  const { display } = pane.session;
  const { grid } = pane;
  const at = display.pointer?.plane === pane.plane ? display.pointer : null;
  const [x, y] = at ? [Math.round(at.x), Math.round(at.y)] : grid.ijkToXy(display.focus);
  const next: Xy = [
    Math.min(grid.cols - 1, Math.max(0, x + dx)),
    Math.min(grid.rows - 1, Math.max(0, y + dy)),
  ];
  pane.byKeys = true;
  display.point({ plane: pane.plane, x: next[0], y: next[1] });
  bringIntoView(pane, next);
  pane.gesture?.move(next, 0, 0);
  pane.redraw();
}

export function pressCursor(pane: SlicePane, shift: boolean): void {
  const { display } = pane.session;
  if (display.pointer?.plane !== pane.plane) {
    moveCursor(pane, 0, 0);
    return;
  }
  const xy: Xy = [display.pointer.x, display.pointer.y];
  if (pane.gesture) {
    const { gesture } = pane;
    const [x, y] = begun.get(gesture) ?? [];
    pane.gesture = null;
    gesture.end?.(x !== xy[0] || y !== xy[1]);
  } else {
    const gesture = TOOLS[display.tool](pane, xy, shift);
    // A click ends at once; a box, a stroke or a distance ends with the next Space.
    if (display.tool === "point" || display.tool === "negative" || display.tool === "navigate")
      gesture?.end?.(false);
    else pane.gesture = gesture;
    if (pane.gesture) begun.set(pane.gesture, xy);
  }
  pane.byKeys = true;
  pane.redraw();
}

/** Take back what is half-drawn. */
export function dropGesture(pane: SlicePane): void {
  pane.gesture?.cancel?.();
  pane.gesture = null;
  pane.redraw();
}
