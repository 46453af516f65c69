// @vitest-environment happy-dom
/** What pointers, fingers and wheels do on a view, tool by tool. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Context, SHORTCUTS } from "../src/ui/shortcuts";
import { zoomByKeys } from "../src/view/camera";
import { moveCursor, pressCursor } from "../src/view/key_cursor";
import { NEGATIVE, type Pen, PROMPT } from "../src/view/overlay_pen";
import { listen } from "../src/view/pane_input";
import { SlicePane } from "../src/view/slice_pane";
import { Geometry } from "../src/volume/coordinates";
import { decodeRuns } from "../src/volume/run_lengths";
import { openSession } from "./fake_client";
import grids from "./fixtures/grids.json";

const geometry = new Geometry(grids.usual as unknown as ConstructorParameters<typeof Geometry>[0]);
const [WIDTH, HEIGHT] = [400, 300];

let pane: SlicePane;
let host: HTMLElement;
let stop: () => void;
const takePrompt = vi.fn();

function open(plane: "axial" | "coronal" | "sagittal" = "axial"): void {
  host = document.createElement("div");
  Object.defineProperties(host, { clientWidth: { value: WIDTH }, clientHeight: { value: HEIGHT } });
  host.getBoundingClientRect = () => new DOMRect(0, 0, WIDTH, HEIGHT);
  document.body.append(host);
  const { session } = openSession();
  session.hand.set({ paintNew: "model", lasso: "model" });
  session.takePrompt = takePrompt;
  pane = new SlicePane(host, session, plane);
  stop = listen(pane, { seen: Number.NEGATIVE_INFINITY });
}

beforeEach(() => {
  const ignored = new Proxy({}, { get: () => () => undefined, set: () => true });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(ignored as never);
  HTMLElement.prototype.setPointerCapture = () => undefined;
  takePrompt.mockReset();
  open();
});

function close(): void {
  stop();
  pane.dispose();
  host.remove();
}

afterEach(() => {
  close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The position on the page of a displayed pixel. */
const at = (x: number, y: number) => pane.clientAt([x, y]);

function pointer(type: string, [x, y]: readonly number[], more: PointerEventInit = {}): void {
  host.dispatchEvent(
    new PointerEvent(`pointer${type}`, { clientX: x, clientY: y, pointerId: 1, bubbles: true, ...more }),
  );
}
function drag(from: readonly number[], to: readonly number[], more: PointerEventInit = {}): void {
  pointer("down", from, more);
  pointer("move", to, more);
  pointer("up", to, more);
}
const ERASER: PointerEventInit = { pointerType: "pen", button: 5, buttons: 32 };
const touch = (id: number): PointerEventInit => ({ pointerType: "touch", pointerId: id });
const display = () => pane.session.display;
const prompts = () => takePrompt.mock.calls.map(([drawn]) => drawn.prompt);

describe("the point tools", () => {
  it.each([
    ["point", {}, true],
    ["point", { shiftKey: true }, false],
    ["point", { button: 2 }, false],
    ["negative", {}, false],
    ["negative", { shiftKey: true }, true],
    ["negative", { button: 2 }, false],
    ["point", ERASER, false],
    ["negative", ERASER, false],
  ] as const)("set a point by a click: %s %j", (tool, more, positive) => {
    display().set({ tool });
    drag(at(2, 1), at(2, 1), more);
    expect(prompts()).toEqual([{ point: geometry.grids.axial.xyToIjk(pane.index, 2, 1), positive }]);
  });

  it.each(["point", "negative"] as const)("set none by a drag, which moves the picture: %s", (tool) => {
    display().set({ tool });
    const [from, to] = [at(1, 1), [at(1, 1)[0] + 40, at(1, 1)[1] - 25]];
    pointer("down", from);
    pointer("move", to);
    expect(host.style.cursor).toBe("grabbing");
    pointer("up", to);
    expect(host.style.cursor).toBe("crosshair");
    expect(takePrompt).not.toHaveBeenCalled();
    expect(at(1, 1)[0]).toBeCloseTo(to[0]);
    expect(at(1, 1)[1]).toBeCloseTo(to[1]);
  });

  it("set a negative point by a finger that is held still, and show it before", () => {
    vi.useFakeTimers();
    display().set({ tool: "point" });
    pointer("down", at(2, 1), touch(1));
    expect(pane.gesture).toBeNull();
    vi.advanceTimersByTime(600);
    const pen = { point: vi.fn() };
    pane.gesture!.draw!(pen as unknown as Pen);
    expect(pen.point.mock.calls[0][1]).toBe(false);
    pointer("up", at(2, 1), touch(1));
    expect(prompts()).toEqual([{ point: geometry.grids.axial.xyToIjk(pane.index, 2, 1), positive: false }]);
  });
});

describe("the brush", () => {
  const painted = (runs: number[]) => [...decodeRuns(runs, 12)].filter(Boolean).length;

  it("goes on outside the view, and leaves nothing when it is taken away", () => {
    display().set({ tool: "brush", crosshair: false });
    display().setBrush(1);
    pointer("down", at(0, 1));
    pointer("move", at(-50, 1));
    pointer("cancel", at(-50, 1));
    expect([pane.gesture, takePrompt.mock.calls.length]).toEqual([null, 0]);
    pointer("down", at(0, 1));
    pointer("leave", at(-50, 1));
    pointer("move", at(2, 1));
    pointer("up", at(2, 1));
    expect(painted(prompts()[0].runs)).toBe(3);
  });

  it("follows the positions between two frames", () => {
    display().set({ tool: "brush", crosshair: false });
    display().setBrush(1);
    pointer("down", at(0, 0));
    const [corner, end] = [at(2, 0), at(2, 3)].map(
      ([clientX, clientY]) => new PointerEvent("pointermove", { clientX, clientY, pointerId: 1 }),
    );
    end.getCoalescedEvents = () => [corner, end];
    host.dispatchEvent(end);
    pointer("up", at(2, 3));
    expect(painted(prompts()[0].runs)).toBe(6);
  });

  it.each([
    ["Shift", "brush", { shiftKey: true }],
    ["the pen's eraser", "brush", ERASER],
    ["the pen's eraser", "erase", ERASER],
  ] as const)("shows what it erases with %s and the tool %s", (_, tool, more) => {
    display().set({ tool, crosshair: false });
    display().setBrush(1);
    const runs = [0, 12];
    const prompt = { mask: { k: pane.index }, shape: [4, 3], runs };
    Object.assign(pane.session, { draft: { plane: "axial", index: pane.index, prompt } });
    pointer("down", at(0, 1), more);
    pointer("move", at(2, 1), more);
    const shown = new Map<string, number>();
    const pen = {
      mask: (polygons: Float32Array[], colour: string) => shown.set(colour, polygons.length),
    };
    pane.gesture!.draw!(pen as unknown as Pen);
    // Above and below the stroke, the mask is left; the stroke itself is drawn in the colour of what is taken.
    expect(shown).toEqual(
      new Map([
        [PROMPT, 2],
        [NEGATIVE, 1],
      ]),
    );
    pointer("up", at(2, 1), more);
    expect(painted(prompts()[0].runs)).toBe(9);
  });
});

describe("fingers", () => {
  it("zoom around themselves", () => {
    const [a, b] = [at(0, 1), at(2, 1)];
    const middle = [(a[0] + b[0]) / 2, a[1]];
    const before = pane.xyAt(middle[0], middle[1]);
    pointer("down", a, touch(1));
    pointer("down", b, touch(2));
    pointer("move", [a[0] - 30, a[1]], touch(1));
    pointer("move", [b[0] + 30, b[1]], touch(2));
    pointer("up", [a[0] - 30, a[1]], touch(1));
    pointer("up", [b[0] + 30, b[1]], touch(2));
    expect(display().cameras.axial.zoom).toBeCloseTo((b[0] - a[0] + 60) / (b[0] - a[0]));
    expect(pane.xyAt(middle[0], middle[1])[0]).toBeCloseTo(before[0]);
    expect(pane.xyAt(middle[0], middle[1])[1]).toBeCloseTo(before[1]);
    expect(takePrompt).not.toHaveBeenCalled();
  });

  it("scroll towards the head when two of them go up", () => {
    close();
    open("coronal");
    display().goTo("coronal", 0);
    const before = pane.index;
    const { topIsLast } = pane.grid;
    for (const dy of [0, topIsLast ? -20 : 20, topIsLast ? -40 : 40])
      for (const id of [1, 2]) pointer(dy ? "move" : "down", [100 * id, 150 + dy], touch(id));
    expect(pane.index).toBeGreaterThan(before);
    expect(display().active).toBe("coronal");
  });

  it("leave the drawing to the pen once there was one", () => {
    display().set({ tool: "lasso", crosshair: false });
    pointer("move", at(0, 0), { pointerType: "pen", pointerId: 9 });
    vi.spyOn(Event.prototype, "timeStamp", "get").mockReturnValue(1e9);
    const [from, to] = [at(0, 0), [at(0, 0)[0] + 60, at(0, 0)[1] + 10]];
    drag(from, to, touch(1));
    expect(at(0, 0)[0]).toBeCloseTo(to[0]);
    pointer("down", at(0, 0), { pointerType: "pen", pointerId: 9 });
    for (const corner of [at(2.4, 0), at(2.4, 3.4)])
      pointer("move", corner, { pointerType: "pen", pointerId: 9 });
    pointer("up", at(2.4, 3.4), { pointerType: "pen", pointerId: 9 });
    expect(prompts()).toHaveLength(1);
  });

  it("reach a handle from further away than a mouse", () => {
    display().set({ tool: "box" });
    const box = geometry.grids.axial.box(pane.index, [1, 1], [2, 2]);
    Object.assign(pane.session, {
      draft: { plane: "axial", index: pane.index, prompt: box, corrections: [] },
    });
    const [x, y] = at(0.5, 1.5);
    drag([x - 15, y], at(-0.2, 1.5));
    const drawnAnew = prompts()[0];
    drag([x - 15, y], at(0, 1.5), touch(1));
    expect(prompts()[1]).toEqual(geometry.grids.axial.box(pane.index, [0, 1], [2, 2]));
    expect(drawnAnew).not.toEqual(prompts()[1]);
  });
});

describe("the crosshair", () => {
  it.each(["box", "point", "brush", "lasso", "measure", "window"] as const)("follows Alt with %s", (tool) => {
    display().set({ tool });
    drag(at(0, 0), at(2, 3), { altKey: true });
    expect(display().focus).toEqual(geometry.grids.axial.xyToIjk(pane.index, 2, 3));
    expect(takePrompt).not.toHaveBeenCalled();
  });

  it("is dragged by the handles at the ends of its lines", () => {
    display().set({ tool: "box" });
    display().focusOn(geometry.grids.axial.xyToIjk(pane.index, 1, 2));
    const [x, y] = at(1, 2);
    drag([x, HEIGHT - 5], [at(2, 0)[0], 40]);
    expect(geometry.grids.axial.ijkToXy(display().focus)).toEqual([2, 2]);
    drag([5, y], [60, at(0, 0)[1]], touch(1));
    expect(geometry.grids.axial.ijkToXy(display().focus)).toEqual([2, 0]);
    expect(takePrompt).not.toHaveBeenCalled();
    display().set({ crosshair: false });
    drag([at(2, 0)[0], 5], [at(0, 0)[0], 100]);
    expect(geometry.grids.axial.ijkToXy(display().focus)).toEqual([2, 0]);
  });
});

describe("the wheel", () => {
  it("changes one slice per notch, and zooms around the pointer with Ctrl", () => {
    const wheel = ({ deltaY, ...more }: WheelEventInit) => {
      const event = Object.assign(new WheelEvent("wheel", { cancelable: true, deltaY }), more);
      host.dispatchEvent(event);
      return event.defaultPrevented;
    };
    display().step("axial", -10);
    const bottom = pane.index;
    expect(wheel({ deltaY: -100 })).toBe(true);
    expect(Math.abs(pane.index - bottom)).toBe(1);
    const [x, y] = at(2, 3);
    expect(wheel({ deltaY: -100, ctrlKey: true, clientX: x, clientY: y })).toBe(true);
    expect(display().cameras.axial.zoom).toBeCloseTo(1.25);
    expect(pane.xyAt(x, y)[0]).toBeCloseTo(2);
    expect(pane.xyAt(x, y)[1]).toBeCloseTo(3);
  });
});

it("draws with keys: a click, and the two corners of a box", () => {
  display().set({ tool: "point" });
  display().point({ plane: "axial", x: 0, y: 1 });
  pressCursor(pane, false);
  expect(prompts()[0].point).toEqual(geometry.grids.axial.xyToIjk(pane.index, 0, 1));
  display().set({ tool: "box" });
  pressCursor(pane, false);
  moveCursor(pane, 2, 1);
  pressCursor(pane, false);
  expect(prompts()[1]).toEqual(geometry.grids.axial.box(pane.index, [0, 1], [2, 2]));
});

it("keeps the cursor of the keys in view, and zooms around it", () => {
  display().point({ plane: "axial", x: 1, y: 1 });
  const at = pane.clientAt([1, 1]);
  zoomByKeys(pane, 8);
  expect(pane.clientAt([1, 1]).map(Math.round)).toEqual(at.map(Math.round));
  const inside = ([x, y]: readonly number[]) => x >= 0 && y >= 0 && x <= WIDTH && y <= HEIGHT;
  expect(inside(pane.clientAt([2, 3]))).toBe(false);
  for (let n = 0; n < 3; n++) moveCursor(pane, 1, 1);
  expect(inside(pane.clientAt([2, 3]).map((value) => Math.round(value)))).toBe(true);
});

it("draws nothing with keys where the cursor stays, or where another tool is chosen", () => {
  display().set({ tool: "box" });
  display().point({ plane: "axial", x: 0, y: 1 });
  pressCursor(pane, false);
  pressCursor(pane, false);
  expect([pane.gesture, prompts()]).toEqual([null, []]);
  pressCursor(pane, false);
  SHORTCUTS.find(({ label }) => label === "P")!.run({ session: pane.session, pane } as Context, "p");
  expect([pane.gesture, display().tool]).toEqual([null, "point"]);
});
