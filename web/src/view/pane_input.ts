/** Mouse and keys on a slice. The left button uses the tool; the right one windows, the middle one moves. */
import type { Gesture } from "./gesture";
import type { Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";
import { click, grabbedEdges, panning, TOOLS, windowing } from "./tool_gestures";

/** A press that moves less than this is a click. */
const CLICK_PX = 4;

export function listen(pane: SlicePane): () => void {
  const { host } = pane;
  let last: Xy = [0, 0];
  let start: Xy = [0, 0];
  let moved = false;
  const events: [string, (event: never) => void, AddEventListenerOptions?][] = [
    [
      "pointerdown",
      (event: PointerEvent) => {
        if (pane.gesture || !inside(event)) return;
        host.setPointerCapture(event.pointerId);
        last = start = [event.clientX, event.clientY];
        moved = false;
        if (pane.session.display.active !== pane.plane) pane.session.display.set({ active: pane.plane });
        pane.gesture = begin(pane, event);
        track(event);
      },
    ],
    [
      "pointermove",
      (event: PointerEvent) => {
        track(event);
        if (!pane.gesture) return;
        moved ||= Math.hypot(event.clientX - start[0], event.clientY - start[1]) > CLICK_PX;
        if (moved)
          pane.gesture.move(
            pane.xyAt(event.clientX, event.clientY),
            event.clientX - last[0],
            event.clientY - last[1],
          );
        last = [event.clientX, event.clientY];
        pane.redraw();
      },
    ],
    ["pointerup", () => finish()],
    [
      "pointercancel",
      () => {
        pane.gesture = null;
      },
    ],
    [
      "pointerleave",
      () => {
        if (!pane.gesture) pane.session.display.point(null);
      },
    ],
    ["contextmenu", (event: Event) => event.preventDefault()],
    ["wheel", (event: WheelEvent) => wheel(pane, event), { passive: false }],
    [
      "dblclick",
      (event: MouseEvent) => {
        if (pane.session.display.tool === "navigate" && inside(event))
          pane.session.display.enlarge(pane.plane);
      },
    ],
  ];
  function inside(event: Event): boolean {
    return event.target instanceof HTMLElement && !event.target.closest("button, .slice-bar, .pane-title");
  }
  function track(event: PointerEvent): void {
    pane.byKeys = false;
    const [x, y] = pane.xyAt(event.clientX, event.clientY);
    pane.session.display.point({ plane: pane.plane, x, y });
    host.style.cursor = cursorOf(pane, [x, y]);
  }
  function finish(): void {
    const { gesture } = pane;
    pane.gesture = null;
    gesture?.end?.(moved);
    pane.redraw();
  }
  for (const [name, handler, options] of events)
    host.addEventListener(name, handler as EventListener, options);
  return () => {
    for (const [name, handler] of events) host.removeEventListener(name, handler as EventListener);
  };
}

function cursorOf(pane: SlicePane, xy: Xy): string {
  const { tool } = pane.session.display;
  if (tool === "box" && grabbedEdges(pane, xy)) return "move";
  return tool === "navigate"
    ? "default"
    : tool === "window"
      ? "ns-resize"
      : tool === "brush"
        ? "none"
        : "crosshair";
}

let wheeled = 0;
function wheel(pane: SlicePane, event: WheelEvent): void {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) {
    zoomAt(pane, Math.exp(-event.deltaY / 400), [event.clientX, event.clientY]);
    return;
  }
  // A mouse sends about 100 per notch, a touchpad many small steps.
  wheeled += event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY;
  const steps = Math.trunc(wheeled / 60);
  if (!steps) return;
  wheeled = 0;
  pane.session.display.step(pane.plane, -Math.sign(steps) * Math.min(3, Math.abs(steps)));
}

/** Zoom around the position `client` on the page. */
function zoomAt(pane: SlicePane, factor: number, client: Xy): void {
  const { display } = pane.session;
  const before = pane.xyAt(client[0], client[1]);
  display.zoom(pane.plane, factor);
  const after = pane.xyAt(client[0], client[1]);
  const camera = display.cameras[pane.plane];
  display.moveCamera(pane.plane, {
    ...camera,
    x: camera.x + (before[0] - after[0]) * pane.grid.colMm,
    y: camera.y + (before[1] - after[1]) * pane.grid.rowMm,
  });
}

function begin(pane: SlicePane, event: PointerEvent): Gesture | null {
  const { display } = pane.session;
  const xy = pane.xyAt(event.clientX, event.clientY);
  if (event.button === 1 || (event.button === 0 && (event.ctrlKey || event.metaKey))) return panning(pane);
  if (event.button === 2) {
    const pointing = display.tool === "point" || display.tool === "negative";
    return { ...windowing(pane), end: (moved) => !moved && pointing && click(pane, xy, false) };
  }
  if (event.button !== 0) return null;
  return TOOLS[display.tool](pane, xy, event.shiftKey);
}

// With keys: Shift+arrows move the cursor, and Space presses or releases.

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
    pane.gesture = null;
    gesture.end?.(true);
  } else {
    const gesture = TOOLS[display.tool](pane, xy, shift);
    // A click ends at once; a box, a stroke or a distance ends with the next Space.
    if (display.tool === "point" || display.tool === "negative" || display.tool === "navigate")
      gesture?.end?.(false);
    else pane.gesture = gesture;
  }
  pane.byKeys = true;
  pane.redraw();
}
