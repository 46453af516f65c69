/** What mouse and keys do on a slice. The left button uses the tool; the right one windows, the middle one moves. */
import type { MaskPrompt } from "../api/wire_types";
import type { Tool } from "../state/display";
import { draggedWindow } from "../volume/hu_window";
import { outlines } from "../volume/mask_outlines";
import { decodeRuns, encodeRuns } from "../volume/run_lengths";
import { fillPolygon, paintStroke } from "./mask_painting";
import { type Pen, PROMPT, type Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";

export interface Gesture {
  move(xy: Xy, dx: number, dy: number): void;
  end?(moved: boolean): void;
  draw?(pen: Pen): void;
  /** Whether the draft's own prompt would only be in the way. */
  hidesPrompt?: boolean;
}

/** A press that moves less than this is a click. */
const CLICK_PX = 4;
/** This near an edge of the box, dragging moves the edge. */
const EDGE_PX = 7;

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
        if (pane.work.display.active !== pane.plane) pane.work.display.set({ active: pane.plane });
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
        if (!pane.gesture) pane.work.display.point(null);
      },
    ],
    ["contextmenu", (event: Event) => event.preventDefault()],
    ["wheel", (event: WheelEvent) => wheel(pane, event), { passive: false }],
    [
      "dblclick",
      (event: MouseEvent) => {
        if (pane.work.display.tool === "look" && inside(event)) pane.work.display.enlarge(pane.plane);
      },
    ],
  ];
  function inside(event: Event): boolean {
    return event.target instanceof HTMLElement && !event.target.closest("button, .slice-bar, .pane-title");
  }
  function track(event: PointerEvent): void {
    pane.byKeys = false;
    const [x, y] = pane.xyAt(event.clientX, event.clientY);
    pane.work.display.point({ plane: pane.plane, x, y });
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
  const { tool } = pane.work.display;
  if (tool === "box" && grabbedEdges(pane, xy)) return "move";
  return tool === "look"
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
  // Mice send about 100 per notch, touchpads many small steps.
  wheeled += event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY;
  const steps = Math.trunc(wheeled / 60);
  if (!steps) return;
  wheeled = 0;
  pane.work.display.step(pane.plane, -Math.sign(steps) * Math.min(3, Math.abs(steps)));
}

/** Zoom so that what is under `client` stays under it. */
function zoomAt(pane: SlicePane, factor: number, client: Xy): void {
  const { display } = pane.work;
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
  const { display } = pane.work;
  const xy = pane.xyAt(event.clientX, event.clientY);
  if (event.button === 1 || (event.button === 0 && (event.ctrlKey || event.metaKey))) return panning(pane);
  if (event.button === 2) {
    const pointing = display.tool === "point" || display.tool === "negative";
    return { ...windowing(pane), end: (moved) => !moved && pointing && click(pane, xy, false) };
  }
  if (event.button !== 0) return null;
  return TOOLS[display.tool](pane, xy, event.shiftKey);
}

const TOOLS: Record<Tool, (pane: SlicePane, xy: Xy, shift: boolean) => Gesture | null> = {
  look: looking,
  window: windowing,
  measure: measuring,
  box: boxing,
  point: (pane, xy, shift) => ({ move: () => undefined, end: () => click(pane, xy, !shift) }),
  negative: (pane, xy, shift) => ({ move: () => undefined, end: () => click(pane, xy, shift) }),
  brush: brushing,
  lasso: lassoing,
};

function click(pane: SlicePane, xy: Xy, positive: boolean): void {
  if (!pane.holds(xy)) return;
  const point = pane.grid.xyToIjk(pane.index, Math.round(xy[0]), Math.round(xy[1]));
  pane.work.point(pane.plane, pane.index, { point, positive });
}

function looking(pane: SlicePane, xy: Xy): Gesture {
  const look = ([x, y]: Xy) => pane.work.display.look(pane.grid.xyToIjk(pane.index, x, y));
  look(xy);
  return { move: look };
}

function panning(pane: SlicePane): Gesture {
  return {
    move: (_, dx, dy) => {
      const { display } = pane.work;
      const camera = display.cameras[pane.plane];
      display.moveCamera(pane.plane, {
        ...camera,
        x: camera.x - dx / pane.pxPerMm,
        y: camera.y - dy / pane.pxPerMm,
      });
    },
  };
}

function windowing(pane: SlicePane): Gesture {
  const { display } = pane.work;
  return { move: (_, dx, dy) => display.set({ window: draggedWindow(display.window, dx, dy) }) };
}

function measuring(pane: SlicePane, a: Xy): Gesture {
  let b = a;
  return {
    move: (xy) => {
      b = xy;
    },
    end: (moved) => {
      if (moved) addMeasure(pane, a, b);
    },
    draw: (pen) => pen.measure(a, b, pane.distance(a, b)),
  };
}

function addMeasure(pane: SlicePane, a: Xy, b: Xy): void {
  const { display } = pane.work;
  display.measures = [...display.measures, { plane: pane.plane, index: pane.index, a: [...a], b: [...b] }];
  display.notify();
}

function draftEdges(pane: SlicePane): [number, number, number, number] | null {
  const { draft } = pane.work;
  if (!draft || draft.plane !== pane.plane || !("box" in draft.prompt)) return null;
  return pane.grid.boxEdges(draft.prompt.box, pane.index);
}

/** Which edges of the draft's box are under the pointer: 0 left, 1 top, 2 right, 3 bottom. */
function grabbedEdges(pane: SlicePane, [x, y]: Xy): number[] | null {
  const edges = draftEdges(pane);
  if (!edges) return null;
  const { scaleX, scaleY } = pane.placement;
  const [nearX, nearY] = [EDGE_PX / scaleX, EDGE_PX / scaleY];
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
  // Edges lie half a pixel outside the box's own voxels.
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
      if (moved) sendBox(pane, [edges[0], edges[1]], [edges[2], edges[3]]);
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

function sendBox(pane: SlicePane, a: Xy, b: Xy): void {
  pane.work.prompt(pane.plane, pane.index, pane.grid.box(pane.index, [a[0], a[1]], [b[0], b[1]]));
}

/** The mask that was painted on this slice so far, as displayed. */
function paintedMask(pane: SlicePane): Uint8Array {
  const { draft } = pane.work;
  const { grid } = pane;
  if (draft && "mask" in draft.prompt && draft.plane === pane.plane && draft.index === pane.index)
    return grid.maskToDisplay(decodeRuns(draft.prompt.runs, grid.cols * grid.rows));
  return new Uint8Array(grid.cols * grid.rows);
}

function sendMask(pane: SlicePane, mask: Uint8Array): void {
  if (!mask.includes(1)) {
    pane.work.dropDraft();
    return;
  }
  const prompt: MaskPrompt = {
    mask: pane.grid.maskSlice(pane.index),
    shape: pane.grid.shapeVu,
    runs: encodeRuns(pane.grid.maskToStored(mask)),
  };
  pane.work.prompt(pane.plane, pane.index, prompt);
}

function drawMask(pane: SlicePane, mask: Uint8Array, pen: Pen): void {
  const { cols, rows } = pane.grid;
  pen.mask(
    outlines((x, y) => mask[y * cols + x] === 1, cols, rows),
    PROMPT,
    true,
    true,
  );
}

function brushing(pane: SlicePane, start: Xy, erase: boolean): Gesture {
  const mask = paintedMask(pane);
  const value = erase ? 0 : 1;
  let last = start;
  const stroke = (to: Xy) => paintStroke(mask, pane.grid, last, to, pane.work.display.brushMm, value);
  stroke(start);
  return {
    hidesPrompt: true,
    move: (xy) => {
      stroke(xy);
      last = xy;
    },
    end: () => sendMask(pane, mask),
    draw: (pen) => drawMask(pane, mask, pen),
  };
}

function lassoing(pane: SlicePane, start: Xy): Gesture {
  const points: Xy[] = [start];
  return {
    hidesPrompt: true,
    move: (xy) => points.push(xy),
    end: (moved) => {
      if (moved) sendLasso(pane, points);
    },
    draw: (pen) => pen.line(points, PROMPT, points.length > 2),
  };
}

function sendLasso(pane: SlicePane, points: readonly Xy[]): void {
  const mask = new Uint8Array(pane.grid.cols * pane.grid.rows);
  fillPolygon(mask, pane.grid, points);
  if (mask.includes(1)) sendMask(pane, mask);
}

// The same with keys: the cursor is moved by Shift+arrows, and Space presses or releases.

export function moveCursor(pane: SlicePane, dx: number, dy: number): void {
  const { display } = pane.work;
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
  const { display } = pane.work;
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
    // A click is over at once; a box, a stroke or a distance goes on to the next Space.
    if (display.tool === "point" || display.tool === "negative" || display.tool === "look")
      gesture?.end?.(false);
    else pane.gesture = gesture;
  }
  pane.byKeys = true;
  pane.redraw();
}
