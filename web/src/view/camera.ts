/** Zooming and moving a view around positions on the page. */
import type { Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";

/** Zoom around a position on the page: what lies there stays there. */
export function zoomAt(pane: SlicePane, factor: number, client: Xy): void {
  const before = pane.xyAt(client[0], client[1]);
  pane.session.display.zoom(pane.plane, factor);
  const after = pane.xyAt(client[0], client[1]);
  moveBy(pane, before[0] - after[0], before[1] - after[1]);
}

/** Zoom around the mouse or the cursor where it is on the view, otherwise around its middle. */
export function zoomByKeys(pane: SlicePane, factor: number): void {
  const { pointer } = pane.session.display;
  const { left, top, width, height } = pane.host.getBoundingClientRect();
  const at = pointer?.plane === pane.plane ? pane.clientAt([pointer.x, pointer.y]) : null;
  zoomAt(pane, factor, at ?? [left + width / 2, top + height / 2]);
}

/** Move the picture so far that a displayed pixel is in view. */
export function bringIntoView(pane: SlicePane, xy: Xy): void {
  const { left, top, right, bottom } = pane.host.getBoundingClientRect();
  const [x, y] = pane.clientAt(xy);
  const { scaleX, scaleY } = pane.placement;
  moveBy(pane, outside(x, left, right) / scaleX, outside(y, top, bottom) / scaleY);
}

/** How far a position is outside a range. */
const outside = (value: number, low: number, high: number) =>
  Math.min(0, value - low) + Math.max(0, value - high);

/** Move the camera by displayed pixels of the slice. */
function moveBy(pane: SlicePane, x: number, y: number): void {
  if (!x && !y) return;
  const { display } = pane.session;
  const camera = display.cameras[pane.plane];
  const { colMm, rowMm } = pane.grid;
  display.moveCamera(pane.plane, { ...camera, x: camera.x + x * colMm, y: camera.y + y * rowMm });
}
