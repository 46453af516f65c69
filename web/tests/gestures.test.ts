/** Pointers and wheels become gestures. */
import { describe, expect, it } from "vitest";
import {
  IDLE,
  LONG_PRESS_MS,
  type PaneGesture,
  type PointerInput,
  type Recogniser,
  recognise,
  type Surroundings,
} from "../src/view/gesture_recogniser";
import { turn, WHEEL_AT_REST, type WheelInput } from "../src/view/wheel";

const AROUND: Surroundings = { penSeen: false, penNear: false, slicePx: 10 };

/** Feeds inputs to a recogniser, with the time going on by itself. */
class Hand {
  state: Recogniser = IDLE;
  time = 0;
  around = AROUND;

  private feed(input: Partial<PointerInput> & Pick<PointerInput, "type">): PaneGesture[] {
    this.time += 16;
    const whole: PointerInput = {
      ...{ id: 1, device: "mouse", x: 0, y: 0, button: 0, buttons: 1, shift: false, ctrl: false, alt: false },
      time: this.time,
      ...input,
    };
    const [next, gestures] = recognise(this.state, whole, this.around);
    this.state = next;
    return gestures;
  }

  mouse(type: PointerInput["type"], x: number, y: number, more: Partial<PointerInput> = {}) {
    return this.feed({ type, x, y, ...more });
  }
  pen(type: PointerInput["type"], x: number, y: number, more: Partial<PointerInput> = {}) {
    return this.feed({ type, device: "pen", id: 50, x, y, ...more });
  }
  finger(id: number, type: PointerInput["type"], x: number, y: number, more: Partial<PointerInput> = {}) {
    return this.feed({ type, device: "touch", id, x, y, ...more });
  }
}

const kinds = (gestures: PaneGesture[]) => gestures.map((each) => each.kind);
const only = <K extends PaneGesture["kind"]>(gestures: PaneGesture[], kind: K) =>
  gestures.filter((each): each is Extract<PaneGesture, { kind: K }> => each.kind === kind);

describe("a mouse", () => {
  it.each([
    ["left", { button: 0 }, "tool"],
    ["left with Shift", { button: 0, shift: true }, "tool"],
    ["middle", { button: 1 }, "pan"],
    ["left with Ctrl", { button: 0, ctrl: true }, "pan"],
    ["right", { button: 2 }, "secondary"],
    ["left with Alt", { button: 0, alt: true }, "crosshair"],
  ] as const)("has a meaning for each button: %s", (_, more, role) => {
    const [press] = only(new Hand().mouse("down", 5, 6, more), "press");
    expect(press).toMatchObject({ role, x: 5, y: 6, shift: "shift" in more });
  });

  it("tells a click from a drag", () => {
    const hand = new Hand();
    hand.mouse("down", 10, 10);
    expect(kinds(hand.mouse("move", 12, 11))).toEqual(["hover"]);
    expect(hand.mouse("up", 12, 11)).toEqual([{ kind: "release", moved: false }]);
    hand.mouse("down", 10, 10);
    expect(only(hand.mouse("move", 10, 17), "drag")).toEqual([{ kind: "drag", x: 10, y: 17, dx: 0, dy: 7 }]);
    hand.mouse("move", 10, 10);
    expect(hand.mouse("up", 10, 10)).toEqual([{ kind: "release", moved: true }]);
  });

  it("goes on outside the view, and hovers when it is not pressed", () => {
    const hand = new Hand();
    expect(kinds(hand.mouse("move", 1, 1, { buttons: 0 }))).toEqual(["hover"]);
    expect(kinds(hand.mouse("leave", -1, 1))).toEqual(["leave"]);
    hand.mouse("down", 10, 10);
    hand.mouse("move", 100, 10);
    expect(hand.mouse("leave", -50, 10)).toEqual([]);
    expect(kinds(hand.mouse("move", -80, 10))).toEqual(["hover", "drag"]);
    expect(kinds(hand.mouse("up", -80, 10))).toEqual(["release"]);
  });

  it("ignores a second pointer while it is pressed", () => {
    const hand = new Hand();
    hand.mouse("down", 10, 10);
    expect(hand.finger(2, "down", 50, 50)).toEqual([]);
    expect(hand.mouse("down", 10, 10, { id: 9 })).toEqual([]);
    expect(kinds(hand.mouse("up", 10, 10))).toEqual(["release"]);
  });

  it("leaves nothing half-drawn when the system takes the pointer away", () => {
    const hand = new Hand();
    hand.mouse("down", 10, 10);
    hand.mouse("move", 100, 10);
    expect(kinds(hand.mouse("cancel", 100, 10))).toEqual(["abort", "leave"]);
    expect(hand.state).toBe(IDLE);
  });
});

describe("one finger", () => {
  it("taps with the tool where it came down", () => {
    const hand = new Hand();
    expect(hand.finger(1, "down", 20, 30)).toEqual([]);
    expect(hand.finger(1, "move", 25, 33)).toEqual([]);
    const tap = hand.finger(1, "up", 25, 33);
    expect(kinds(tap)).toEqual(["hover", "press", "release", "leave"]);
    expect(only(tap, "press")[0]).toMatchObject({ role: "tool", x: 20, y: 30, shift: false });
    expect(only(tap, "release")[0].moved).toBe(false);
    expect(hand.state).toBe(IDLE);
  });

  it("draws with the tool, from where it came down", () => {
    const hand = new Hand();
    hand.finger(1, "down", 20, 30);
    const begun = hand.finger(1, "move", 20, 45);
    expect(kinds(begun)).toEqual(["hover", "press", "hover", "drag"]);
    expect(only(begun, "press")[0]).toMatchObject({ role: "tool", x: 20, y: 30 });
    expect(only(begun, "drag")[0]).toMatchObject({ x: 20, y: 45, dx: 0, dy: 15 });
    expect(kinds(hand.finger(1, "up", 20, 45))).toEqual(["release", "leave"]);
  });

  it("held still, is the right button", () => {
    const hand = new Hand();
    hand.finger(1, "down", 20, 30);
    expect(hand.finger(1, "time", 20, 30, { time: hand.time + LONG_PRESS_MS - 1 })).toEqual([]);
    const long = hand.finger(1, "time", 20, 30, { time: hand.time + LONG_PRESS_MS });
    expect(only(long, "press")[0]).toMatchObject({ role: "secondary", x: 20, y: 30 });
    expect(only(hand.finger(1, "up", 20, 30), "release")[0].moved).toBe(false);
  });

  it("does nothing when the system takes it away", () => {
    const hand = new Hand();
    hand.finger(1, "down", 20, 30);
    expect(hand.finger(1, "cancel", 20, 30)).toEqual([]);
    hand.finger(1, "down", 20, 30);
    hand.finger(1, "move", 60, 30);
    expect(kinds(hand.finger(1, "cancel", 60, 30))).toEqual(["abort", "leave"]);
    expect(hand.state).toBe(IDLE);
  });
});

describe("two fingers", () => {
  function two(): Hand {
    const hand = new Hand();
    hand.finger(1, "down", 100, 100);
    hand.finger(2, "down", 200, 100);
    return hand;
  }

  it("zoom around the fingers", () => {
    const hand = two();
    const gestures = [hand.finger(1, "move", 80, 100), hand.finger(2, "move", 220, 100)].flat();
    const zooms = only(gestures, "zoom");
    expect(zooms.reduce((all, each) => all * each.factor, 1)).toBeCloseTo(1.4);
    expect(zooms.at(-1)).toMatchObject({ x: 150, y: 100 });
    expect(only(hand.finger(2, "move", 150, 100), "zoom")[0].factor).toBeCloseTo(0.5);
  });

  it("zoom when one of them rests, and carry the picture along", () => {
    const hand = two();
    expect(hand.finger(2, "move", 220, 100)).toEqual([]);
    const gestures = hand.finger(2, "move", 240, 100);
    expect(gestures).toEqual([
      { kind: "pan", dx: 20, dy: 0 },
      { kind: "zoom", factor: 1.4, x: 170, y: 100 },
    ]);
  });

  it("scroll up and down, a slice for each bit of the way", () => {
    const hand = two();
    const way = [7, 14, 21, 28, 35].flatMap((up) => [
      ...hand.finger(1, "move", 100, 100 - up),
      ...hand.finger(2, "move", 201, 100 - up),
    ]);
    expect(new Set(kinds(way))).toEqual(new Set(["scroll"]));
    expect(only(way, "scroll").reduce((sum, each) => sum + each.slices, 0)).toBe(3);
    const back = [...hand.finger(1, "move", 100, 100), ...hand.finger(2, "move", 200, 100)];
    expect(only(back, "scroll").reduce((sum, each) => sum + each.slices, 0)).toBe(-3);
  });

  it("move the picture sideways, and then anywhere", () => {
    const hand = two();
    const way = [
      ...hand.finger(1, "move", 112, 101),
      ...hand.finger(2, "move", 212, 101),
      ...hand.finger(1, "move", 112, 141),
      ...hand.finger(2, "move", 212, 141),
    ];
    expect(new Set(kinds(way))).toEqual(new Set(["pan"]));
    const sum = (axis: "dx" | "dy") => only(way, "pan").reduce((all, each) => all + each[axis], 0);
    expect([sum("dx"), sum("dy")]).toEqual([12, 41]);
  });

  it("take back what the first has begun to draw", () => {
    const hand = new Hand();
    hand.finger(1, "down", 100, 100);
    hand.finger(1, "move", 120, 100);
    expect(kinds(hand.finger(2, "down", 200, 100))).toEqual(["abort", "leave"]);
    hand.finger(1, "move", 100, 100);
    expect(kinds(hand.finger(2, "move", 230, 100))).toContain("zoom");
  });

  it("leave a stroke alone that is under way", () => {
    const hand = new Hand();
    hand.finger(1, "down", 100, 100);
    for (let x = 100; x < 400; x += 10) hand.finger(1, "move", x, 100);
    expect(hand.finger(2, "down", 200, 100)).toEqual([]);
    expect(hand.finger(2, "move", 250, 100)).toEqual([]);
    expect(kinds(hand.finger(1, "up", 400, 100))).toEqual(["release", "leave"]);
  });

  it("draw nothing when one of them is lifted first", () => {
    const hand = two();
    hand.finger(1, "move", 50, 100);
    hand.finger(2, "move", 250, 100);
    expect(hand.finger(2, "up", 250, 100)).toEqual([]);
    expect(hand.finger(1, "move", 80, 180)).toEqual([]);
    expect(hand.finger(1, "up", 80, 180)).toEqual([]);
    expect(hand.state).toBe(IDLE);
    expect(kinds([...hand.finger(1, "down", 5, 5), ...hand.finger(1, "up", 5, 5)])).toContain("press");
  });

  it("are no long press", () => {
    const hand = two();
    expect(hand.finger(1, "time", 100, 100, { time: 10_000 })).toEqual([]);
  });
});

describe("a pen", () => {
  it("uses the tool, and its eraser erases", () => {
    const hand = new Hand();
    expect(only(hand.pen("down", 5, 5), "press")[0]).toMatchObject({ role: "tool" });
    hand.pen("up", 5, 5);
    const [eraser] = only(hand.pen("down", 5, 5, { button: 5, buttons: 32 }), "press");
    expect(eraser).toMatchObject({ role: "eraser" });
    hand.pen("up", 5, 5);
    expect(only(hand.pen("down", 5, 5, { button: 2, buttons: 2 }), "press")[0].role).toBe("secondary");
  });

  it("leaves scrolling and moving to the fingers once it was seen", () => {
    const hand = new Hand();
    hand.around = { ...AROUND, penSeen: true };
    expect(hand.finger(1, "down", 100, 100)).toEqual([]);
    const gestures = [120, 140, 160].flatMap((y) => hand.finger(1, "move", 100, y));
    expect(only(gestures, "scroll").reduce((sum, each) => sum + each.slices, 0)).toBe(-6);
    hand.finger(1, "up", 100, 160);
    hand.finger(1, "down", 100, 100);
    expect(hand.finger(1, "move", 130, 105)).toEqual([{ kind: "pan", dx: 30, dy: 5 }]);
    hand.finger(1, "up", 130, 105);
    hand.finger(1, "down", 100, 100);
    expect(hand.finger(1, "up", 100, 100)).toEqual([]);
    hand.finger(1, "down", 100, 100);
    hand.finger(2, "down", 200, 100);
    hand.finger(1, "move", 80, 100);
    expect(kinds(hand.finger(2, "move", 220, 100))).toContain("zoom");
  });

  it("makes the palm of the hand that holds it draw nothing", () => {
    const hand = new Hand();
    hand.finger(1, "down", 300, 300);
    hand.finger(1, "move", 320, 300);
    const down = hand.pen("down", 100, 100);
    expect(kinds(down)).toEqual(["abort", "hover", "press"]);
    hand.around = { ...AROUND, penSeen: true, penNear: true };
    expect(hand.finger(1, "move", 340, 300)).toEqual([]);
    expect(hand.finger(2, "down", 350, 350)).toEqual([]);
    expect(hand.finger(1, "up", 340, 300)).toEqual([]);
    expect(kinds(hand.pen("move", 150, 100))).toEqual(["hover", "drag"]);
    expect(kinds(hand.pen("up", 150, 100))).toEqual(["release"]);
    expect(hand.finger(3, "down", 350, 350)).toEqual([]);
    expect(hand.state).toBe(IDLE);
  });
});

describe("a wheel", () => {
  /** Slices towards the bottom of each event, all `every` milliseconds. */
  function scroll(events: Partial<WheelInput>[], every = 20): number[] {
    let state = WHEEL_AT_REST;
    return events.map((event, n) => {
      const still = { x: 0, y: 0, deltaX: 0, deltaY: 0, deltaMode: 0, ctrl: false, shift: false };
      const [next, gestures] = turn(state, { ...still, time: 1000 + n * every, ...event });
      state = next;
      return -only(gestures, "scroll").reduce((sum, each) => sum + each.slices, 0) || 0;
    });
  }
  const times = (count: number, event: Partial<WheelInput>) => Array.from({ length: count }, () => event);

  it.each<[string, Partial<WheelInput>]>([
    ["Chrome", { deltaY: 100, wheelDelta: -120 }],
    ["Chrome at 125 %", { deltaY: 125, wheelDelta: -120 }],
    ["Chrome with one line per notch", { deltaY: 33.3, wheelDelta: -120 }],
    ["macOS", { deltaY: 4.000244140625, wheelDelta: -120 }],
    ["Firefox", { deltaY: 3, deltaMode: 1 }],
    ["pages", { deltaY: 1, deltaMode: 2 }],
    ["with Shift", { deltaX: 100, shift: true, wheelDelta: -120 }],
  ])("scrolls one slice per notch: %s", (_, down) => {
    expect(scroll(times(5, down))).toEqual([1, 1, 1, 1, 1]);
    const up = { ...down };
    for (const key of ["deltaX", "deltaY", "wheelDelta"] as const)
      if (down[key] !== undefined) up[key] = -down[key];
    expect(scroll(times(3, up))).toEqual([-1, -1, -1]);
  });

  it("keeps every notch of a quick turn", () => {
    expect(
      scroll([
        { deltaY: 300, wheelDelta: -360 },
        { deltaY: -200, wheelDelta: 240 },
      ]),
    ).toEqual([3, -2]);
  });

  it("adds up the small steps of a touchpad", () => {
    const swipe = scroll(times(40, { deltaY: 10, wheelDelta: -30 }));
    expect(swipe[0]).toBe(1);
    expect(swipe.reduce((sum, each) => sum + each, 0)).toBe(4);
    const fine = scroll(times(10, { deltaY: 1, wheelDelta: -3 }));
    expect(fine).toEqual(times(10, {}).map(() => 0));
  });

  it("does not race when a touchpad is swiped quickly", () => {
    expect(scroll(times(4, { deltaY: 400, wheelDelta: -1200 }))).toEqual([1, 1, 1, 1]);
  });

  it("turns round at once", () => {
    const there = { deltaY: 60, wheelDelta: -180 };
    const back = { deltaY: -60, wheelDelta: 180 };
    expect(scroll([there, there, back])).toEqual([1, 0, -1]);
  });

  it("begins anew after a pause", () => {
    expect(scroll(times(3, { deltaY: 4.5, wheelDelta: -13.5 }), 500)).toEqual([1, 1, 1]);
  });

  it("zooms with Ctrl, and when two fingers pinch on a touchpad", () => {
    const zoom = (deltaY: number, wheelDelta?: number) =>
      turn(WHEEL_AT_REST, {
        ...{ x: 30, y: 40, deltaX: 0, deltaY, deltaMode: 0, wheelDelta, ctrl: true, shift: false, time: 0 },
      })[1];
    expect(zoom(-100, 120)).toEqual([{ kind: "zoom", factor: 1.25, x: 30, y: 40 }]);
    expect(zoom(100, -120)).toEqual([{ kind: "zoom", factor: 0.8, x: 30, y: 40 }]);
    expect(zoom(-10)).toEqual([{ kind: "zoom", factor: Math.exp(0.1), x: 30, y: 40 }]);
  });
});
