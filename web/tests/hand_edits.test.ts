/** Edits by hand: every tool on every target in every plane, and what is shown of them meanwhile. */
import { describe, expect, it } from "vitest";
import {
  PLANES,
  type PlaneName,
  type ServerEvents,
  type SessionState,
  type VolumeInfo,
} from "../src/api/wire_types";
import type { Tool } from "../src/state/display";
import type { Xy } from "../src/view/overlay_pen";
import { outlinesOfStored, StrokeOverlay } from "../src/view/stroke_overlay";
import type { SliceGrid } from "../src/volume/coordinates";
import { encodeRuns } from "../src/volume/run_lengths";
import { giveVoxels, objectOf, openSession, settled, stateOf, VOLUME } from "./fake_client";
import { drag, paneOf } from "./fake_pane";
import strokes from "./fixtures/strokes.json";

const LIVER = objectOf("liver", 1);
/** The usual grid of the strokes: 23 × 17 × 11 voxels of 0.7 × 0.8 × 2.5 mm. */
const LARGE = { ...VOLUME, ...strokes.usual } as unknown as VolumeInfo;
const PATH: Xy[] = [
  [2, 1],
  [6, 4],
  [9, 5],
];
const end = (job: string): ServerEvents["ended"] => ({
  job,
  name: "liver",
  low_end: "user",
  high_end: "user",
  warnings: [],
  outcome: null,
});

function open(objects = [LIVER], volume: VolumeInfo = LARGE) {
  const opened = openSession(objects, volume);
  withDefaults(opened.session);
  return opened;
}

/** The choices of one test are not those of the next. */
function withDefaults({ hand }: ReturnType<typeof openSession>["session"]): void {
  hand.set({ paintNew: "model", paintObject: "hand", lasso: "model", ball: false, withinOn: false });
  hand.set({ alikeOn: false, reachByHand: "slice", reachOfModel: "next", reachOnProposal: 2 });
}

describe.each(PLANES)("in the %s plane", (plane) => {
  const planeOf = (kind: string): PlaneName => (kind === "another plane" ? "sagittal" : plane);
  /** What each tool sends on a target, decided by the model and by hand: the route, and whether it adds. */
  const table: [Tool, boolean, "new" | "object" | "another plane", "model" | "hand", string][] = [
    ["box", false, "new", "model", "/preview box"],
    ["box", false, "object", "model", "/correct liver box +"],
    ["box", false, "another plane", "model", "info"],
    ["point", false, "new", "model", "/preview point"],
    ["point", false, "object", "model", "/correct liver point +"],
    ["point", true, "another plane", "model", "/correct liver point -"],
    ["negative", false, "new", "model", "info"],
    ["negative", false, "another plane", "model", "/correct liver point -"],
    ["brush", false, "new", "model", "/preview mask"],
    ["brush", false, "new", "hand", "/paint object 1 +"],
    ["brush", true, "new", "hand", "info"],
    ["brush", false, "object", "hand", "/paint liver +"],
    ["brush", true, "object", "hand", "/paint liver -"],
    ["brush", false, "object", "model", "/correct liver mask +"],
    ["brush", true, "object", "model", "/correct liver mask -"],
    ["brush", false, "another plane", "hand", "/paint liver +"],
    ["erase", false, "new", "hand", "info"],
    ["erase", false, "object", "hand", "/paint liver -"],
    ["erase", true, "object", "hand", "/paint liver +"],
    ["erase", false, "another plane", "hand", "/paint liver -"],
    ["lasso", false, "new", "model", "/preview mask"],
    ["lasso", false, "new", "hand", "/paint object 1 +"],
    ["lasso", false, "object", "model", "/correct liver lasso +"],
    ["lasso", true, "object", "model", "/correct liver lasso -"],
    ["lasso", false, "object", "hand", "/paint liver +"],
    ["lasso", true, "object", "hand", "/paint liver -"],
    ["lasso", true, "another plane", "hand", "/paint liver -"],
    ["lasso", false, "another plane", "model", "info"],
    ["brush", false, "another plane", "model", "info"],
    ["scribble", false, "new", "model", "/preview scribble"],
    ["scribble", true, "new", "model", "info"],
    ["scribble", false, "object", "model", "/correct liver scribble +"],
    ["scribble", true, "another plane", "model", "/correct liver scribble -"],
  ];

  it.each(table)("%s (Shift: %s) on %s, decided by %s", async (tool, shift, kind, decides, expected) => {
    if (kind === "another plane" && plane === "sagittal") return;
    const { session, server, toasts } = open(kind === "new" ? [] : [{ ...LIVER, plane: planeOf(kind) }]);
    session.setTarget(kind === "new" ? null : "liver");
    session.hand.set({ paintNew: decides, paintObject: decides, lasso: decides });
    const click = tool === "point" || tool === "negative";
    const path: Xy[] = tool === "lasso" ? [...PATH, [3, 6]] : click ? [[4, 3]] : PATH;
    drag(paneOf(session, plane), tool, path, shift);
    await settled();
    if (expected === "info") {
      expect(toasts).toHaveLength(1);
      expect(server.requests).toEqual([]);
      return;
    }
    const [{ path: route, body }] = server.requests;
    expect(described(route, body as Body)).toBe(expected);
    if (!expected.startsWith("/paint")) return;
    const { shape } = body as Body;
    if ("brush" in shape!) expect(shape.brush).toMatchObject({ plane, radius_mm: 6 });
    else
      expect(shape).toMatchObject({
        lasso: session.geometry.grids[plane].maskSlice(paneOf(session, plane).index),
      });
  });
});

describe("how far edits propagate", () => {
  const drawn = async (start: "segment" | "start_from_mask", inProject: boolean) => {
    const reaches = [];
    for (const tool of ["brush", "lasso"] as const) {
      const { session, server } = open([{ ...LIVER, start }]);
      if (inProject) session.rules = { names: ["liver"], proposed: new Set(), closed: new Set() };
      session.setTarget("liver");
      drag(paneOf(session, "axial"), tool, PATH);
      await settled();
      reaches.push((server.requests[0].body as Body).reach);
    }
    return reaches;
  };

  it("is two slices on a proposal, where most is right already", async () => {
    expect(await drawn("start_from_mask", true)).toEqual([2, 2]);
  });

  it("is the slice or the next prompt on every other object", async () => {
    expect(await drawn("segment", true)).toEqual(["slice", "next"]);
    expect(await drawn("start_from_mask", false)).toEqual(["slice", "next"]);
  });
});

interface Body {
  name?: string;
  reach?: unknown;
  positive?: boolean;
  shape?: object & { brush?: object };
  prompt?: object;
  points?: (object & { positive?: boolean })[];
}

function described(route: string, { name, positive, prompt, points }: Body): string {
  const kindOf = (each: object) => ["mask", "lasso", "scribble", "box", "point"].find((kind) => kind in each);
  const sign = (adds?: boolean) => ((adds ?? true) ? "+" : "-");
  const action = route.slice(route.lastIndexOf("/"));
  if (action === "/paint") return `${action} ${name} ${sign(positive)}`;
  if (action === "/preview") return `${action} ${kindOf(prompt!)}`;
  return `${action} ${name} ${kindOf(points![0])} ${sign(points![0].positive)}`;
}

/** Which pixels, as displayed, lie inside the outlines on the screen. */
function onScreen(grid: SliceGrid, polygons: readonly Float32Array[]): boolean[] {
  const inside = (x: number, y: number, polygon: Float32Array) => {
    let odd = false;
    for (let n = 0, m = polygon.length - 2; n < polygon.length; m = n, n += 2) {
      const [ax, ay, bx, by] = [polygon[n], polygon[n + 1], polygon[m], polygon[m + 1]];
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) odd = !odd;
    }
    return odd;
  };
  return Array.from({ length: grid.rows * grid.cols }, (_, n) => {
    const [x, y] = [n % grid.cols, Math.floor(n / grid.cols)];
    return polygons.filter((polygon) => inside(x, y, polygon)).length % 2 === 1;
  });
}

describe.each(Object.entries(strokes))("on the %s grid", (_, given) => {
  const volume = { ...VOLUME, ...given } as unknown as VolumeInfo;

  it.each(PLANES)("what is shown on %s slices is what is sent", async (plane) => {
    const { session, server } = open([LIVER], volume);
    session.setTarget("liver");
    session.display.setBrush(5);
    const pane = paneOf(session, plane);
    const { grid, index } = pane;
    const gesture = drag(pane, "brush", PATH);
    const overlay = new StrokeOverlay(session, grid);
    const drawn = overlay.outlines(index, [gesture!.stroke!]).get(1)!;
    const waiting = overlay.outlines(index, session.hand.on(plane, index)).get(1)!;
    await settled();
    const { shape } = server.requests[0].body as { shape: { brush: { path: [number, number, number][] } } };
    // Distances in the patient, not on the screen: the path may be mirrored, turned or oblique.
    const near = (x: number, y: number) => {
      const at = session.geometry.toLps(grid.xyToIjk(index, x, y));
      const path = shape.brush.path.map((voxel) => session.geometry.toLps(voxel));
      return path.slice(1).some((b, n) => distanceTo(at, path[n], b) <= 2.5 + 1e-6);
    };
    const expected = onScreen(grid, []).map((_each, n) => near(n % grid.cols, Math.floor(n / grid.cols)));
    expect(onScreen(grid, waiting)).toEqual(expected);
    expect(onScreen(grid, drawn)).toEqual(expected);
    expect(expected.filter(Boolean).length).toBeGreaterThan(20);
  });

  it.each(PLANES)("erasing on %s slices shows what is left", (plane) => {
    const { session } = open([LIVER], volume);
    const pane = paneOf(session, plane);
    const { grid, index } = pane;
    const size = grid.shapeVu[0] * grid.shapeVu[1];
    session.labels.putSlice(1, plane, index, encodeRuns(new Uint8Array(size).fill(1)));
    session.setTarget("liver");
    session.display.setBrush(5);
    const { stroke } = drag(pane, "erase", PATH)!;
    const left = new StrokeOverlay(session, grid).outlines(index, [stroke!]).get(1)!;
    const erased = onScreen(grid, outlinesOfStored(grid, stroke!.mask));
    expect(onScreen(grid, left)).toEqual(erased.map((each) => !each));
  });
});

function distanceTo(p: readonly number[], a: readonly number[], b: readonly number[]): number {
  const way = b.map((each, n) => each - a[n]);
  const square = way.reduce((sum, each) => sum + each * each, 0);
  const along = way.reduce((sum, each, n) => sum + each * (p[n] - a[n]), 0);
  const share = square ? Math.min(1, Math.max(0, along / square)) : 0;
  return Math.hypot(...p.map((each, n) => each - a[n] - share * way[n]));
}

describe("a stroke under way", () => {
  it("is shown until the server's slices have arrived, and the next one does not wait", async () => {
    const { session, server, send } = open();
    session.setTarget("liver");
    const pane = paneOf(session, "axial");
    drag(pane, "brush", PATH);
    drag(pane, "brush", [[12, 3]]);
    expect(session.hand.strokes).toHaveLength(2);
    await settled();
    expect(server.taken()).toEqual(["POST /paint", "POST /paint"]);
    send("ended", end("j1"));
    expect(session.hand.strokes.map((each) => each.job)).toEqual(["j2"]);
    send("ended", end("j2"));
    expect(session.hand.strokes).toEqual([]);
    expect(session.busy).toBe(false);
  });

  it("is sent after the one before, even if that one takes its time", async () => {
    const { session, server } = open();
    session.setTarget("liver");
    const pane = paneOf(session, "axial");
    const bodies: unknown[] = [];
    const { post } = session.client;
    let first = true;
    let answer = () => {};
    Object.assign(session.client, {
      post: async (action: string, id: string, body: unknown) => {
        bodies.push(body);
        if (first) {
          first = false;
          await new Promise<void>((done) => {
            answer = done;
          });
        }
        return post.call(session.client, action, id, body);
      },
    });
    drag(pane, "brush", PATH);
    drag(pane, "erase", PATH);
    await settled();
    expect(bodies).toHaveLength(1);
    answer();
    await settled();
    expect(bodies).toMatchObject([{ positive: true }, { positive: false }]);
    expect(server.requests).toHaveLength(2);
  });

  it("goes with its request when that is refused, and with its job when that fails", async () => {
    const { session, server, send, toasts } = open();
    session.setTarget("liver");
    const pane = paneOf(session, "axial");
    server.failing = "liver is locked.";
    drag(pane, "brush", PATH);
    await settled();
    expect(session.hand.strokes).toEqual([]);
    server.failing = null;
    drag(pane, "brush", PATH);
    await settled();
    send("failed", {
      job: "j1",
      name: "liver",
      kind: "prompt",
      message: "No voxel of the stroke lies between.",
    });
    expect(session.hand.strokes).toEqual([]);
    expect(toasts).toHaveLength(2);
  });

  it("is no work that the page waits for, unless it propagates", async () => {
    const { session, send } = open();
    session.setTarget("liver");
    const pane = paneOf(session, "axial");
    drag(pane, "brush", PATH);
    await settled();
    expect([session.busy, session.working]).toEqual([true, false]);
    send("ended", end("j1"));
    session.hand.set({ reachByHand: "next" });
    drag(pane, "brush", PATH);
    expect(session.working).toBe(true);
  });

  it("makes a new object the target, and the next stroke adds to it", async () => {
    const { session, server, send } = open([]);
    session.hand.set({ paintNew: "hand" });
    const pane = paneOf(session, "coronal");
    drag(pane, "brush", PATH);
    drag(pane, "brush", [[9, 2]]);
    await settled();
    expect(server.requests.map((each) => (each.body as Body).name)).toEqual(["object 1", "object 1"]);
    send("ended", { ...end("j1"), name: "object 1" });
    send("state", stateOf([objectOf("object 1", 1)]));
    expect(session.selected).toBe("object 1");
  });

  it("is undone once the server is done with it", async () => {
    const { session, server, send } = open();
    session.setTarget("liver");
    drag(paneOf(session, "axial"), "brush", PATH);
    await settled();
    void session.undo();
    await settled();
    expect(server.taken()).toEqual(["POST /paint"]);
    send("ended", end("j1"));
    await settled();
    expect(server.taken()).toEqual(["POST /undo"]);
  });
});

describe("voxels of another object", () => {
  const cases: [string, Partial<SessionState>, boolean, boolean][] = [
    ["are taken where the last one wins", {}, false, true],
    ["stay where it is locked", {}, true, false],
    ["stay where the first one keeps them", { overlap: "keep first" }, false, false],
    ["stay where it comes first in the order", { order: ["liver"] }, false, false],
    ["are taken where it comes later", { overlap: "keep first", order: ["tumour"] }, false, true],
  ];

  it.each(cases)("%s", (_, change, locked, taken) => {
    const { session } = open([{ ...LIVER, locked }, objectOf("tumour", 2)]);
    Object.assign(session.state, change);
    const pane = paneOf(session, "axial");
    const { grid, index } = pane;
    const size = grid.shapeVu[0] * grid.shapeVu[1];
    session.labels.putSlice(1, "axial", index, encodeRuns(new Uint8Array(size).fill(1)));
    session.setTarget("tumour");
    const { stroke } = drag(pane, "brush", PATH)!;
    const shown = new StrokeOverlay(session, grid).outlines(index, [stroke!]).get(2)!;
    expect(onScreen(grid, shown).includes(true)).toBe(taken);
  });
});

describe("limits of a stroke", () => {
  it("are sent, and shown while drawing", async () => {
    const { session, server } = open();
    const voxels = new Float32Array(session.geometry.voxels);
    giveVoxels(session, voxels);
    const pane = paneOf(session, "sagittal");
    for (let j = 0; j < 5; j++)
      for (let k = 0; k < 11; k++) voxels[session.geometry.offset([pane.index, j, k])] = 100;
    session.setTarget("liver");
    session.hand.set({ withinOn: true, within: [200, 50], alikeOn: true, alike: 30 });
    const { stroke } = drag(pane, "brush", [
      [2, 5],
      [9, 5],
    ])!;
    await settled();
    expect(server.requests[0].body).toMatchObject({ within: [50, 200], alike: 30 });
    const cols = pane.grid.shapeVu[1];
    stroke!.mask.forEach((set, n) => {
      if (set) expect(n % cols).toBeLessThan(5); // u is j: only where the values are
    });
    expect(stroke!.mask).toContain(1);
  });
});

describe("a draft that was painted", () => {
  it("is changed by further strokes and by erasing, on its slice", async () => {
    const { session, server, toasts } = open([]);
    const pane = paneOf(session, "axial");
    drag(pane, "brush", [[5, 5]]);
    await settled();
    const area = () => {
      const { runs } = session.draft!.prompt as { runs: number[] };
      return runs.filter((_, n) => n % 2).reduce((sum, each) => sum + each, 0);
    };
    const before = area();
    session.display.setBrush(4);
    drag(pane, "brush", [[16, 9]]);
    expect(area()).toBeGreaterThan(before);
    drag(pane, "erase", [[16, 9]]);
    expect(area()).toBeLessThanOrEqual(before);
    await settled();
    expect(server.taken().every((each) => each === "POST /preview")).toBe(true);
    session.display.goTo("axial", 1);
    drag(pane, "erase", [[5, 5]]);
    expect(toasts).toHaveLength(1);
  });
});
