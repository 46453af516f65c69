/** Mouse, pen, fingers and wheel on a slice: what the recognised gestures do to the view. */

import type { Tool } from "../state/display";
import { draggingEdge, edgeCursor, grabbedEdge } from "./bound_edges";
import { zoomAt } from "./camera";
import { crosshairLine, draggingLine } from "./crosshair_handles";
import type { Gesture } from "./gesture";
import {
  IDLE,
  LONG_PRESS_MS,
  type PaneGesture,
  type PointerInput,
  type PressRole,
  type Recogniser,
  recognise,
  type Surroundings,
} from "./gesture_recogniser";
import type { Xy } from "./overlay_pen";
import { REACH_PX, type SlicePane } from "./slice_pane";
import { click, grabbedEdges, navigating, panning, TOOLS, windowing } from "./tool_gestures";
import { turn, WHEEL_AT_REST, type Wheel } from "./wheel";

/** A palm that touches the screen so soon after a pen was near is ignored. */
const PEN_NEAR_MS = 500;
/** Two fingers move through a volume in about the height of the view, but neither too quickly nor too slowly. */
const SLICE_PX = { least: 4, most: 16 };

/** When a pen was last on or just above a view: once there was one, fingers leave the drawing to it. */
export interface Pens {
  seen: number;
}
const PENS: Pens = { seen: Number.NEGATIVE_INFINITY };

type Handler<E extends Event> = (event: E) => void;

export function listen(pane: SlicePane, pens = PENS): () => void {
  const { host } = pane;
  let state: Recogniser = IDLE;
  let wheel: Wheel = WHEEL_AT_REST;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pinched = 1;

  function feed(input: PointerInput): void {
    const around = surroundings(pane, pens, input.time);
    if (input.device === "pen") pens.seen = input.time;
    let gestures: PaneGesture[];
    [state, gestures] = recognise(state, input, around);
    for (const each of gestures) apply(pane, each);
    clearTimeout(timer);
    if (state.kind !== "waiting") return;
    const { since } = state;
    timer = setTimeout(
      () => feed({ ...input, type: "time", time: since + LONG_PRESS_MS }),
      since + LONG_PRESS_MS - input.time,
    );
  }

  const pointer = (type: PointerInput["type"]) => (event: PointerEvent) => {
    if (type === "down") {
      if (!inside(event)) return;
      host.setPointerCapture(event.pointerId);
      pane.reachPx = REACH_PX[deviceOf(event)];
      if (pane.session.display.active !== pane.plane) pane.session.display.set({ active: pane.plane });
    }
    // The positions between two frames: without them, quick strokes have corners.
    const between = type === "move" ? (event.getCoalescedEvents?.() ?? []) : [];
    for (const each of between.length ? between : [event]) feed(inputOf(type, each));
  };
  const zoomedByTouchpad = (event: Event & { scale?: number; clientX?: number; clientY?: number }) => {
    event.preventDefault();
    if (state.kind !== "idle" || !event.scale) return;
    const factor = event.type === "gesturestart" ? 1 : event.scale / pinched;
    pinched = event.scale;
    zoomAt(pane, factor, [event.clientX ?? 0, event.clientY ?? 0]);
  };
  return listenTo(host, {
    pointerdown: pointer("down"),
    pointermove: pointer("move"),
    pointerup: pointer("up"),
    pointercancel: pointer("cancel"),
    pointerleave: pointer("leave"),
    contextmenu: (event: Event) => event.preventDefault(),
    wheel: (event: WheelEvent) => {
      event.preventDefault();
      let gestures: PaneGesture[];
      [wheel, gestures] = turn(wheel, wheelInputOf(event));
      for (const each of gestures) apply(pane, each);
    },
    // Safari's pinch on a touchpad; elsewhere it is a wheel with Ctrl.
    gesturestart: zoomedByTouchpad,
    gesturechange: zoomedByTouchpad,
    dblclick: (event: MouseEvent) => {
      if (pane.session.display.tool === "navigate" && inside(event)) pane.session.display.enlarge(pane.plane);
    },
  });
}

function listenTo(host: HTMLElement, handlers: Record<string, Handler<never>>): () => void {
  for (const [name, handler] of Object.entries(handlers))
    host.addEventListener(name, handler as EventListener, { passive: false });
  return () => {
    for (const [name, handler] of Object.entries(handlers))
      host.removeEventListener(name, handler as EventListener);
  };
}

function inside(event: Event): boolean {
  return event.target instanceof HTMLElement && !event.target.closest("button, .slice-bar, .pane-title");
}

const deviceOf = (event: PointerEvent) =>
  event.pointerType === "touch" || event.pointerType === "pen" ? event.pointerType : "mouse";

function inputOf(type: PointerInput["type"], event: PointerEvent): PointerInput {
  return {
    type,
    id: event.pointerId,
    device: deviceOf(event),
    x: event.clientX,
    y: event.clientY,
    button: event.button,
    buttons: event.buttons,
    shift: event.shiftKey,
    ctrl: event.ctrlKey || event.metaKey,
    alt: event.altKey,
    time: event.timeStamp,
  };
}

function wheelInputOf(event: WheelEvent): Parameters<typeof turn>[1] {
  // `deltaMode` is read first: Firefox then reports lines for mice.
  const { deltaMode } = event;
  const counted = event as WheelEvent & { wheelDeltaX?: number; wheelDeltaY?: number };
  return {
    x: event.clientX,
    y: event.clientY,
    deltaMode,
    deltaX: event.deltaX,
    deltaY: event.deltaY,
    wheelDelta: counted.wheelDeltaY || counted.wheelDeltaX,
    ctrl: event.ctrlKey || event.metaKey,
    shift: event.shiftKey,
    time: event.timeStamp,
  };
}

function surroundings(pane: SlicePane, pens: Pens, time: number): Surroundings {
  const { least, most } = SLICE_PX;
  return {
    penSeen: Number.isFinite(pens.seen),
    penNear: time - pens.seen < PEN_NEAR_MS,
    slicePx: Math.min(most, Math.max(least, pane.host.clientHeight / pane.grid.count)),
  };
}

function apply(pane: SlicePane, gesture: PaneGesture): void {
  const { display } = pane.session;
  switch (gesture.kind) {
    case "hover":
      point(pane, gesture.x, gesture.y);
      return;
    case "leave":
      display.point(null);
      return;
    case "press":
      // By keys, a gesture may have begun before.
      pane.gesture = begin(pane, gesture.role, pane.xyAt(gesture.x, gesture.y), gesture.shift);
      break;
    case "drag":
      pane.gesture?.move(pane.xyAt(gesture.x, gesture.y), gesture.dx, gesture.dy);
      if (pane.gesture?.cursor) pane.host.style.cursor = pane.gesture.cursor;
      break;
    case "release":
      finish(pane, gesture.moved);
      break;
    case "abort":
      pane.gesture?.cancel?.();
      pane.gesture = null;
      break;
    case "pan":
      panning(pane).move([0, 0], gesture.dx, gesture.dy);
      return;
    case "zoom":
      zoomAt(pane, gesture.factor, [gesture.x, gesture.y]);
      return;
    case "scroll":
      display.step(pane.plane, gesture.slices);
      return;
  }
  pane.redraw();
}

function point(pane: SlicePane, clientX: number, clientY: number): void {
  pane.byKeys = false;
  const [x, y] = pane.xyAt(clientX, clientY);
  pane.session.display.point({ plane: pane.plane, x, y });
  if (!pane.gesture?.cursor) pane.host.style.cursor = cursorOf(pane, [x, y]);
}

function finish(pane: SlicePane, moved: boolean): void {
  const { gesture } = pane;
  pane.gesture = null;
  gesture?.end?.(moved);
  const { pointer } = pane.session.display;
  if (pointer) pane.host.style.cursor = cursorOf(pane, [pointer.x, pointer.y]);
}

const CURSORS: Partial<Record<string, string>> = {
  navigate: "default",
  window: "ns-resize",
  brush: "none",
  erase: "none",
};
const LINE_CURSORS = { vertical: "ew-resize", horizontal: "ns-resize" };

function cursorOf(pane: SlicePane, xy: Xy): string {
  const { tool } = pane.session.display;
  const line = crosshairLine(pane, xy);
  if (line) return LINE_CURSORS[line];
  const edge = grabbedEdge(pane, xy);
  if (edge) return edgeCursor(edge);
  if (tool === "box" && grabbedEdges(pane, xy)) return "move";
  return CURSORS[tool] ?? "crosshair";
}

/** Tools that take away by themselves, and those that draw the same: a pen's eraser takes away with all. */
const DRAWS: Partial<Record<Tool, Tool>> = { negative: "point", erase: "brush" };

function begin(pane: SlicePane, role: PressRole, xy: Xy, shift: boolean): Gesture | null {
  const { tool } = pane.session.display;
  if (role === "pan") return panning(pane);
  if (role === "crosshair") return navigating(pane, xy);
  if (role === "secondary") return secondary(pane, xy);
  if (role === "eraser") return TOOLS[DRAWS[tool] ?? tool](pane, xy, true);
  const line = crosshairLine(pane, xy);
  if (line) return draggingLine(pane, line);
  const edge = grabbedEdge(pane, xy);
  if (edge) return draggingEdge(pane, edge, () => tool === "navigate" && navigating(pane, xy));
  return TOOLS[tool](pane, xy, shift);
}

/**
 * The right button, or a finger held still: lasso and scribble take away; with other tools a drag sets the window, and
 * a click with a point tool is a negative point.
 */
function secondary(pane: SlicePane, xy: Xy): Gesture | null {
  const { tool } = pane.session.display;
  if (tool === "lasso" || tool === "scribble") return TOOLS[tool](pane, xy, true);
  const window = windowing(pane);
  if (tool !== "point" && tool !== "negative") return window;
  let moved = false;
  return {
    move: (...way) => {
      moved = true;
      window.move(...way);
    },
    end: () => !moved && click(pane, xy, false),
    // A finger held still sees what its release will do.
    draw: (pen) => !moved && pen.point(xy, false),
  };
}
