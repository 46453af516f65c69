// @vitest-environment happy-dom
/** A view that is zoomed in shows the place that the planes have followed to. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Display } from "../src/state/display";
import { SlicePane } from "../src/view/slice_pane";
import { openSession } from "./fake_client";

const [WIDTH, HEIGHT] = [400, 300];
let pane: SlicePane;
let display: Display;

beforeEach(() => {
  const ignored = new Proxy({}, { get: () => () => undefined, set: () => true });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(ignored as never);
  const host = document.createElement("div");
  Object.defineProperties(host, { clientWidth: { value: WIDTH }, clientHeight: { value: HEIGHT } });
  const { session } = openSession();
  display = session.display;
  pane = new SlicePane(host, session, "coronal");
});
afterEach(() => {
  pane.dispose();
  vi.restoreAllMocks();
});

const focusInPane = () => pane.clientAt(pane.grid.ijkToXy(display.focus));

it("moves the picture where the place would be out of view", async () => {
  display.zoom("coronal", 24);
  display.followTo("axial", [0, 2, 1]);
  expect(Math.abs(focusInPane()[0] - WIDTH / 2)).toBeGreaterThan(WIDTH / 2);
  await Promise.resolve();
  expect(focusInPane()[0]).toBeCloseTo(WIDTH / 2);
  expect(focusInPane()[1]).toBeCloseTo(HEIGHT / 2);
});

it("leaves the picture where the place is in view", async () => {
  display.zoom("coronal", 1.2);
  const { cameras } = display;
  display.followTo("axial", [1, 2, 1]);
  await Promise.resolve();
  expect(display.cameras).toBe(cameras);
});

it("leaves the picture where the user scrolls", async () => {
  display.zoom("coronal", 24);
  const { cameras } = display;
  display.focusOn([0, 2, 1]);
  await Promise.resolve();
  expect(display.cameras).toBe(cameras);
});
