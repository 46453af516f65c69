/**
 * Turns the pointers on a view into gestures, as a pure function of the pointers' events.
 *
 * - Mouse and pen: the left button (the tip) uses the tool, the right one is secondary, the middle one moves the
 *   picture; so does `Ctrl` with the left one. `Alt` with the left one moves the crosshair. A pen's eraser erases.
 * - One finger uses the tool. Held still, it is the secondary button. Once a pen was seen, one finger does what two do.
 * - Two fingers: apart or together zooms; up or down scrolls through slices; sideways moves the picture. The first
 *   movement decides. Fingers are ignored while a pen is near: they are the palm.
 */

export type Device = "mouse" | "touch" | "pen";

export interface PointerInput {
  /** "time" is a timer that ran out while a finger was held still. */
  type: "down" | "move" | "up" | "cancel" | "leave" | "time";
  id: number;
  device: Device;
  /** CSS pixels of the page. */
  x: number;
  y: number;
  button: number;
  buttons: number;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
  /** Milliseconds. */
  time: number;
}

export type PressRole = "tool" | "eraser" | "secondary" | "pan" | "crosshair";

export type PaneGesture =
  | { kind: "press"; role: PressRole; x: number; y: number; shift: boolean }
  | { kind: "drag"; x: number; y: number; dx: number; dy: number }
  /** `moved` is false for a click. */
  | { kind: "release"; moved: boolean }
  /** What was pressed is taken back: nothing was drawn. */
  | { kind: "abort" }
  | { kind: "hover"; x: number; y: number }
  | { kind: "leave" }
  | { kind: "pan"; dx: number; dy: number }
  | { kind: "zoom"; factor: number; x: number; y: number }
  /** Slices towards the top of the slice bar. */
  | { kind: "scroll"; slices: number };

export interface Surroundings {
  /** Whether a pen was used since the page was loaded. */
  penSeen: boolean;
  /** Whether a pen is on the screen or just above it. */
  penNear: boolean;
  /** So many CSS pixels of two fingers' way are a slice. */
  slicePx: number;
}

interface Finger {
  id: number;
  startX: number;
  startY: number;
  x: number;
  y: number;
}

type FingersDo = "zoom" | "scroll" | "pan";

export type Recogniser =
  | { kind: "idle" }
  /** One finger is down; it may become a tap, a drag, a long press, or the first of two fingers. */
  | { kind: "waiting"; finger: Finger; since: number; shift: boolean }
  | {
      kind: "pressed";
      id: number;
      device: Device;
      startX: number;
      startY: number;
      x: number;
      y: number;
      moved: boolean;
      since: number;
    }
  | { kind: "fingers"; fingers: Finger[]; does: FingersDo | null; rest: number }
  /** The gesture is over, but fingers are still down. */
  | { kind: "spent"; ids: number[] };

export const IDLE: Recogniser = { kind: "idle" };

/** A press that moves less than this is a click. Fingers and pens do not hold as still as a mouse. */
const CLICK_PX: Record<Device, number> = { mouse: 4, pen: 6, touch: 10 };
export const LONG_PRESS_MS = 500;
/** A second finger that comes so soon after the first means two fingers, even if the first has begun to draw. */
const SECOND_FINGER_MS = 250;
/** Two fingers' gesture is decided when both have moved so far, or one alone as far as the second number. */
const DECIDE_PX = 6;
const DECIDE_ALONE_PX = 32;

type Step = [next: Recogniser, gestures: PaneGesture[]];

export function recognise(state: Recogniser, input: PointerInput, around: Surroundings): Step {
  if (input.device === "touch") return touch(state, input, around);
  if (input.type === "down") return pressed(state, input);
  if (state.kind === "pressed" && state.id === input.id) return follow(state, input);
  if (state.kind !== "idle") return [state, []];
  if (input.type === "move") return [state, [{ kind: "hover", x: input.x, y: input.y }]];
  return [state, input.type === "leave" ? [{ kind: "leave" }] : []];
}

/** Mouse or pen comes down. A pen takes over from fingers, which are the palm. */
function pressed(state: Recogniser, input: PointerInput): Step {
  if (state.kind === "pressed" && state.device !== "touch") return [state, []];
  if (input.device === "mouse" && state.kind !== "idle") return [state, []];
  const before: PaneGesture[] = state.kind === "pressed" ? [{ kind: "abort" }] : [];
  const eraser = input.device === "pen" && (input.buttons & 32) !== 0;
  const role = eraser ? "eraser" : roleOf(input);
  if (!role) return [state, []];
  const { x, y } = input;
  return [
    press(input, x, y),
    [...before, { kind: "hover", x, y }, { kind: "press", role, x, y, shift: input.shift }],
  ];
}

function roleOf({ button, ctrl, alt }: PointerInput): PressRole | null {
  if (button === 1 || (button === 0 && ctrl)) return "pan";
  if (button === 2) return "secondary";
  if (button !== 0) return null;
  return alt ? "crosshair" : "tool";
}

function press(input: PointerInput, startX: number, startY: number): Recogniser {
  const { id, device, time } = input;
  return {
    kind: "pressed",
    id,
    device,
    startX,
    startY,
    x: startX,
    y: startY,
    moved: false,
    since: time,
  };
}

/** The pointer that is pressed moves, is released or is taken away. */
function follow(state: Extract<Recogniser, { kind: "pressed" }>, input: PointerInput): Step {
  const { x, y } = input;
  if (input.type === "cancel") return [IDLE, [{ kind: "abort" }, { kind: "leave" }]];
  if (input.type === "up") {
    const released: PaneGesture[] = [{ kind: "release", moved: state.moved }];
    // A finger that is lifted points at nothing.
    return [IDLE, input.device === "touch" ? [...released, { kind: "leave" }] : released];
  }
  if (input.type !== "move") return [state, []];
  const moved = state.moved || Math.hypot(x - state.startX, y - state.startY) > CLICK_PX[state.device];
  const gestures: PaneGesture[] = [{ kind: "hover", x, y }];
  if (!moved) return [state, gestures];
  gestures.push({ kind: "drag", x, y, dx: x - state.x, dy: y - state.y });
  return [{ ...state, x, y, moved }, gestures];
}

function touch(state: Recogniser, input: PointerInput, around: Surroundings): Step {
  switch (input.type) {
    case "down":
      return fingerDown(state, input, around);
    case "move":
      return fingerMoves(state, input, around);
    case "time":
      return held(state, input);
    case "up":
    case "cancel":
      return fingerUp(state, input);
    default:
      return [state, []];
  }
}

function fingerDown(state: Recogniser, input: PointerInput, around: Surroundings): Step {
  const { id, x, y, time } = input;
  const finger: Finger = { id, startX: x, startY: y, x, y };
  if (around.penNear) return [state, []];
  if (state.kind === "idle")
    return around.penSeen
      ? [{ kind: "fingers", fingers: [finger], does: null, rest: 0 }, []]
      : [{ kind: "waiting", finger, since: time, shift: input.shift }, []];
  if (state.kind === "waiting") return [two(state.finger, finger), []];
  if (state.kind === "fingers" && state.fingers.length === 1) return [two(state.fingers[0], finger), []];
  if (state.kind === "pressed" && state.device === "touch" && time - state.since < SECOND_FINGER_MS) {
    const first: Finger = {
      ...finger,
      id: state.id,
      startX: state.x,
      startY: state.y,
      x: state.x,
      y: state.y,
    };
    return [two(first, finger), [{ kind: "abort" }, { kind: "leave" }]];
  }
  return [state, []];
}

/** Two fingers, whose gesture starts where they are now. */
function two(first: Finger, second: Finger): Recogniser {
  const here = { ...first, startX: first.x, startY: first.y };
  return { kind: "fingers", fingers: [here, second], does: null, rest: 0 };
}

function fingerMoves(state: Recogniser, input: PointerInput, around: Surroundings): Step {
  const { id, x, y } = input;
  if (state.kind === "pressed" && state.id === id) return follow(state, input);
  if (state.kind === "waiting" && state.finger.id === id) {
    const { startX, startY } = state.finger;
    if (Math.hypot(x - startX, y - startY) <= CLICK_PX.touch)
      return [{ ...state, finger: { ...state.finger, x, y } }, []];
    const [next, gestures] = usesTool(state, input, "tool");
    const [followed, more] = recognise(next, input, around);
    return [followed, [...gestures, ...more]];
  }
  if (state.kind === "fingers" && state.fingers.some((each) => each.id === id))
    return fingersMove(state, input, around);
  return [state, []];
}

/** One finger turns out to use the tool, or to be held still, where it came down. */
function usesTool(
  state: Extract<Recogniser, { kind: "waiting" }>,
  input: PointerInput,
  role: PressRole,
): Step {
  const { startX, startY } = state.finger;
  const next = press({ ...input, time: state.since }, startX, startY);
  return [
    next,
    [
      { kind: "hover", x: startX, y: startY },
      { kind: "press", role, x: startX, y: startY, shift: state.shift },
    ],
  ];
}

function held(state: Recogniser, input: PointerInput): Step {
  if (state.kind !== "waiting" || state.finger.id !== input.id) return [state, []];
  if (input.time - state.since < LONG_PRESS_MS) return [state, []];
  return usesTool(state, input, "secondary");
}

function fingerUp(state: Recogniser, input: PointerInput): Step {
  const { id } = input;
  if (state.kind === "pressed" && state.id === id) return follow(state, input);
  if (state.kind === "waiting" && state.finger.id === id) {
    if (input.type === "cancel") return [IDLE, []];
    const [next, gestures] = usesTool(state, input, "tool");
    const [, released] = fingerUp(next, input);
    return [IDLE, [...gestures, ...released]];
  }
  const left =
    state.kind === "fingers"
      ? state.fingers.map((each) => each.id).filter((each) => each !== id)
      : state.kind === "spent"
        ? state.ids.filter((each) => each !== id)
        : null;
  if (!left) return [state, []];
  return [left.length ? { kind: "spent", ids: left } : IDLE, []];
}

function fingersMove(
  state: Extract<Recogniser, { kind: "fingers" }>,
  input: PointerInput,
  around: Surroundings,
): Step {
  const before = state.fingers;
  const fingers = before.map((each) => (each.id === input.id ? { ...each, x: input.x, y: input.y } : each));
  const does = state.does ?? decide(fingers);
  if (!does) return [{ ...state, fingers }, []];
  // The way until the decision counts too.
  const [from, to] = [state.does ? middle(before) : startMiddle(fingers), middle(fingers)];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  if (does === "pan") return [{ ...state, fingers, does }, [{ kind: "pan", dx, dy }]];
  if (does === "zoom") {
    const factor = spread(fingers) / Math.max(1, state.does ? spread(before) : startSpread(fingers));
    return [
      { ...state, fingers, does },
      [
        { kind: "pan", dx, dy },
        { kind: "zoom", factor, ...to },
      ],
    ];
  }
  const way = state.rest - dy / around.slicePx;
  const slices = Math.trunc(way);
  return [{ ...state, fingers, does, rest: way - slices }, slices ? [{ kind: "scroll", slices }] : []];
}

/** What fingers do, by their first movement; null until it is clear. */
function decide(fingers: readonly Finger[]): FingersDo | null {
  const ways = fingers.map((each) => [each.x - each.startX, each.y - each.startY] as const);
  const lengths = ways.map(([dx, dy]) => Math.hypot(dx, dy));
  const [a, b] = ways;
  if (b) {
    const both = Math.min(...lengths) > DECIDE_PX;
    if (!both && Math.max(...lengths) < DECIDE_ALONE_PX) return null;
    if (!both || a[0] * b[0] + a[1] * b[1] < 0) return "zoom";
  } else if (lengths[0] <= CLICK_PX.touch) return null;
  const [dx, dy] = b ? [a[0] + b[0], a[1] + b[1]] : a;
  return Math.abs(dy) > Math.abs(dx) ? "scroll" : "pan";
}

const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
const middle = (fingers: readonly Finger[]) => ({
  x: mean(fingers.map((each) => each.x)),
  y: mean(fingers.map((each) => each.y)),
});
const startMiddle = (fingers: readonly Finger[]) => ({
  x: mean(fingers.map((each) => each.startX)),
  y: mean(fingers.map((each) => each.startY)),
});
const spread = ([a, b]: readonly Finger[]) => Math.hypot(a.x - b.x, a.y - b.y);
const startSpread = ([a, b]: readonly Finger[]) => Math.hypot(a.startX - b.startX, a.startY - b.startY);
