/** Turns wheels and touchpads into scrolling and zooming: one slice per notch, whatever the device sends for it. */
import type { PaneGesture } from "./gesture_recogniser";

export interface WheelInput {
  x: number;
  y: number;
  deltaX: number;
  deltaY: number;
  /** `WheelEvent.deltaMode`: 0 pixels, 1 lines, 2 pages. */
  deltaMode: number;
  /** `wheelDeltaY` of browsers that have it: 120 per notch of a mouse wheel, against the sign of `deltaY`. */
  wheelDelta?: number;
  /** Ctrl or Cmd; browsers set it also for two fingers that pinch on a touchpad. */
  ctrl: boolean;
  shift: boolean;
  /** Milliseconds. */
  time: number;
}

export interface Wheel {
  /** The part of a slice that was scrolled so far. */
  rest: number;
  last: number;
}

interface Turn {
  notches: number;
  /** From a touchpad, in many small steps. */
  smooth: boolean;
}

export const WHEEL_AT_REST: Wheel = { rest: 0, last: Number.NEGATIVE_INFINITY };

/** A notch in pixels where a browser does not count notches, and the way of a slice on a touchpad. */
const NOTCH_PX = 100;
const NOTCH_LINES = 3;
/** After such a pause the first notch counts whole: some mice begin with 4 pixels. */
const PAUSE_MS = 200;
const LEAST_PX = 4;
const ZOOM_PER_NOTCH = 1.25;
/** A pinch on a touchpad sends few pixels; the same step as in maps and browsers. */
const ZOOM_PER_PINCHED_PX = 0.01;
const PINCH_MOST_PX = 50;
/** Tenths of a notch do not add up exactly. */
const ROUNDING = 1e-6;

export function turn(state: Wheel, input: WheelInput): [next: Wheel, gestures: PaneGesture[]] {
  const { notches, smooth } = notchesOf(input);
  if (!notches) return [state, []];
  const { x, y, time } = input;
  if (input.ctrl) {
    const pinch = input.deltaMode === 0 && Math.abs(input.deltaY) < PINCH_MOST_PX;
    const factor = pinch ? Math.exp(-input.deltaY * ZOOM_PER_PINCHED_PX) : ZOOM_PER_NOTCH ** -notches;
    return [state, [{ kind: "zoom", factor, x, y }]];
  }
  const begins = time - state.last > PAUSE_MS || state.rest * notches < -ROUNDING;
  const pixels = Math.abs(input.deltaY || input.deltaX);
  const first = Math.abs(notches) < 1 && pixels >= LEAST_PX ? Math.sign(notches) : notches;
  const way = begins ? first : state.rest + notches;
  const whole = Math.trunc(way + Math.sign(way) * ROUNDING);
  // A quick swipe over a touchpad does not race through the volume.
  const slices = smooth ? Math.sign(whole) : whole;
  return [{ rest: way - whole, last: time }, slices ? [{ kind: "scroll", slices: -slices }] : []];
}

/** How far the wheel was turned, downwards positive. */
function notchesOf({ deltaX, deltaY, deltaMode, wheelDelta, shift }: WheelInput): Turn {
  // With Shift, browsers report the wheel as sideways.
  const delta = deltaY || (shift ? deltaX : 0);
  if (deltaMode === 1) return { notches: delta / NOTCH_LINES, smooth: false };
  if (deltaMode === 2) return { notches: delta, smooth: false };
  // Touchpads report three times the pixels as `wheelDelta`.
  const smooth = !wheelDelta || wheelDelta === -3 * delta;
  if (!smooth && wheelDelta % 120 === 0) return { notches: -wheelDelta / 120, smooth };
  return { notches: delta / NOTCH_PX, smooth };
}
