// @vitest-environment happy-dom
/** The target, the tool options, the edits of an object, its clean-up and the overlap of objects. */
import type { ComponentChild } from "preact";
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CleanUpStep } from "../src/api/wire_types";
import { aimOf } from "../src/state/aim";
import type { Tool } from "../src/state/display";
import { outcomeText } from "../src/state/outcome_text";
import { ReachPreview } from "../src/state/reach_preview";
import { setSlices, slicesOfText } from "../src/state/slice_edits";
import { ObjectList } from "../src/ui/object_list";
import { TargetChip } from "../src/ui/target_chip";
import { ToolOptions } from "../src/ui/tool_options";
import { paintMarks } from "../src/view/slice_bar_marks";
import { TargetTag } from "../src/view/target_tag";
import { objectOf, openSession, settled } from "./fake_client";

const LIVER = objectOf("liver", 1, { color: "#112233" });
const TUMOUR = objectOf("tumour", 2, { color: "#445566", plane: "coronal" });

beforeEach(() => localStorage.clear());
afterEach(() => {
  render(null, document.body);
  vi.useRealTimers();
});

function show(element: ComponentChild): void {
  void act(() => render(element, document.body)); // with its effects, which subscribe
}
const rendered = () => new Promise((done) => setTimeout(done));
const button = (text: string) =>
  [...document.querySelectorAll("button")].find(
    (each) => each.textContent?.trim().startsWith(text) || each.getAttribute("aria-label") === text,
  )!;
function type(label: string, value: string): void {
  const field = document.querySelector<HTMLInputElement>(`input[aria-label="${label}"]`)!;
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

describe("the target", () => {
  const table: [Tool, boolean, string, boolean][] = [
    ["box", false, "+ liver", false],
    ["box", true, "+ liver", false],
    ["point", false, "+ liver", false],
    ["point", true, "− liver", false],
    ["negative", false, "− liver", false],
    ["scribble", true, "− liver", false],
    ["lasso", false, "+ liver", false],
    ["brush", false, "+ liver", true],
    ["brush", true, "− liver", true],
    ["erase", false, "− liver", true],
    ["erase", true, "+ liver", true],
  ];

  it.each(table)("is at the cursor, with its sign: %s, Shift %s", (tool, shift, text, byHand) => {
    const { session } = openSession([LIVER]);
    session.display.set({ tool });
    session.setTarget("liver");
    session.hand.setShift(shift);
    const host = document.createElement("div");
    const tag = new TargetTag(host, session);
    tag.show([10, 20]);
    const shown = host.firstChild as HTMLElement;
    expect([shown.hidden, shown.textContent, shown.style.color]).toEqual([false, text, "#112233"]);
    expect(aimOf(session)!.byHand).toBe(byHand);
    session.hand.set({ atCursor: false });
    tag.show([10, 20]);
    expect(shown.hidden).toBe(true);
  });

  it("is a new object for a box, until the user says otherwise", async () => {
    const { session } = openSession([LIVER]);
    session.display.set({ tool: "box" });
    show(<TargetChip session={session} />);
    expect(document.querySelector("select")!.value).toBe("");
    button("Correct liver").click();
    await rendered();
    expect(document.querySelector("select")!.value).toBe("liver");
    expect(document.body.textContent).toContain("Correcting:");
    expect(session.targetOf("box")).toMatchObject({ name: "liver" });
  });

  it("is chosen from all objects, and a locked one says so", async () => {
    const { session } = openSession([LIVER, { ...TUMOUR, locked: true }]);
    session.display.set({ tool: "point" });
    show(<TargetChip session={session} />);
    const select = document.querySelector("select")!;
    expect([...select.options].map((each) => each.text)).toEqual(["New object", "liver", "tumour"]);
    select.value = "tumour";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await rendered();
    expect(session.selected).toBe("tumour");
    expect(document.body.textContent).toContain("tumour is locked");
  });

  it("says what the last edit did, and from whom it took", () => {
    const outcome = {
      name: "tumour",
      slices: [4, 5],
      added_ml: 2.5,
      taken_ml: 0,
      taken_from: { liver: 1000 },
      refused_by: {},
      refused_why: {},
      unfollowed: [],
    };
    const { session } = openSession([LIVER]);
    expect(outcomeText(outcome, session)).toBe("tumour: 2 slices, 2.50 ml added, 1.40 ml of it from liver.");
    expect(outcomeText({ ...outcome, slices: [] }, session)).toBe("tumour: nothing changed.");
  });
});

describe("the tool options", () => {
  it("switch who decides, for new and for existing objects apart", async () => {
    const { session } = openSession([LIVER]);
    session.display.set({ tool: "brush" });
    session.setTarget("liver");
    show(<ToolOptions session={session} />);
    const chosen = () => document.querySelector(".segmented [aria-checked=true]")!.textContent;
    expect(chosen()).toBe("By hand");
    session.setTarget(null);
    await rendered();
    expect(chosen()).toBe("By model");
    button("By hand").click();
    await rendered();
    expect(session.hand.options).toMatchObject({ paintNew: "hand", paintObject: "hand", lasso: "model" });
  });

  it("limit values and set the reach; a wrong number gives back the old one", async () => {
    const { session } = openSession([LIVER]);
    session.display.set({ tool: "erase" });
    session.setTarget("liver");
    show(<ToolOptions session={session} />);
    const [within] = document.querySelectorAll<HTMLInputElement>("input[type=checkbox]");
    within.click();
    await rendered();
    type("from", "10");
    await rendered();
    expect(session.hand.limits).toEqual({ within: [10, 180] });
    type("to", "");
    expect(session.hand.limits).toEqual({ within: [10, 180] });
    const reach = document.querySelector<HTMLSelectElement>(".reach select")!;
    reach.value = "several";
    reach.dispatchEvent(new Event("change", { bubbles: true }));
    await rendered();
    type("slices to each side", "5");
    expect(session.hand.options).toMatchObject({ reachByHand: 5, reachOfModel: "next" });
  });
});

describe("the open object", () => {
  const open = (change: Partial<typeof LIVER> = {}) => {
    const opened = openSession([{ ...LIVER, ...change }]);
    opened.session.setTarget("liver");
    opened.session.display.goTo("axial", 2);
    show(<ObjectList session={opened.session} />);
    return opened;
  };
  const steps: [string, CleanUpStep][] = [
    ["Keep the largest part", { step: "keep_largest" }],
    ["Keep the part at the prompt", { step: "keep_at", voxel_ijk: [1, 1, 1] }],
    ["Keep the part at the crosshair", { step: "keep_at", voxel_ijk: [1, 2, 2] }],
    ["Remove islands under", { step: "remove_islands", smallest_ml: 0.5 }],
    ["Fill holes", { step: "fill_holes" }],
    ["Smooth", { step: "smooth", mm: 2, axis: "k" }],
    ["Grow", { step: "grow", mm: 2 }],
    ["Shrink", { step: "grow", mm: -2 }],
    ["Copy up", { step: "copy_slice", index: 2, to: [3], axis: "k" }],
    ["Copy down", { step: "copy_slice", index: 2, to: [1], axis: "k" }],
  ];

  it.each(steps)("is cleaned up: %s", async (text, step) => {
    const { server } = open();
    button(text).click();
    await settled();
    expect(server.requests[0]).toMatchObject({
      path: "/sessions/s1/clean-up",
      body: { name: "liver", step },
    });
  });

  it("keeps the values of its clean-up", async () => {
    open();
    type("Smallest part that stays, in ml", "1.5");
    type("Smoothing in mm", "-3");
    render(null, document.body);
    const { server } = open();
    button("Remove islands under").click();
    button("Smooth").click();
    await settled();
    expect(server.requests.map((each) => (each.body as { step: object }).step)).toEqual([
      { step: "remove_islands", smallest_ml: 1.5 },
      { step: "smooth", mm: 2, axis: "k" },
    ]);
  });

  it("is marked right on the slice in view, and opened again", async () => {
    const { server } = open();
    button("Mark as right").click();
    await settled();
    expect(server.requests[0].body).toEqual({ name: "liver", slices: [2], confirmed: true });
    const again = open({ confirmed: [2] });
    button("Open it again").click();
    await settled();
    expect(again.server.requests[0].body).toEqual({ name: "liver", slices: [2], confirmed: false });
  });

  it("is taken off a slice, and interpolated between slices", async () => {
    const { server } = open({ confirmed: [3] });
    button("It is not on this slice").click();
    button("Interpolate").click();
    await settled();
    expect(server.requests.map((each) => each.body)).toEqual([
      { name: "liver", slices: [2] },
      { name: "liver", step: { step: "interpolate", slices: [1, 3], axis: "k" } },
    ]);
    expect(slicesOfText("30, 35–37;2")).toEqual([2, 30, 35, 36, 37]);
    expect(slicesOfText("30, x")).toBeNull();
  });

  it("lists every edit, and deletes one", async () => {
    const { server } = open({
      edits: [
        { number: 0, kind: "segment", slices: [1] },
        { number: 4, kind: "paint", slices: [2, 3] },
        { number: 5, kind: "clean_up", slices: [] },
      ],
    });
    const rows = [...document.querySelectorAll(".edit-list li")].map((each) => each.textContent);
    expect(rows).toEqual(["box slice 1", "by hand slices 2 – 3", "clean-up "].map((each) => ` ${each}`));
    button("Delete this by hand of liver").click();
    await settled();
    expect(server.taken()).toEqual(["DELETE /edits/4"]);
  });

  it("changes nothing while it is locked", () => {
    open({ locked: true });
    expect(document.querySelectorAll(".clean-up-menu button:not(:disabled)")).toHaveLength(0);
  });
});

describe("voxels that objects share", () => {
  it("follow a policy, or an order", async () => {
    const { session, server } = openSession([LIVER, TUMOUR]);
    show(<ObjectList session={session} />);
    const policy = document.querySelector<HTMLSelectElement>(".overlap-card select")!;
    policy.value = "keep both";
    policy.dispatchEvent(new Event("change", { bubbles: true }));
    button("tumour before liver").click();
    await settled();
    expect(server.requests.map((each) => each.body)).toEqual([
      { overlap: "keep both" },
      { order: ["tumour", "liver"] },
    ]);
  });
});

describe("the reach of an edit", () => {
  it("is what the server answers, and is drawn on the slice bar", async () => {
    vi.useFakeTimers();
    const { session, server } = openSession([{ ...LIVER, confirmed: [3] }]);
    server.preview = { ...server.preview, reach: [1, 2] };
    const reach = new ReachPreview(session);
    session.display.set({ tool: "point" });
    session.setTarget("liver");
    await vi.advanceTimersByTimeAsync(300);
    expect(server.requests.at(-1)!.body).toMatchObject({ paint: { name: "liver", reach: "next" } });
    expect(session.hand.reached).toEqual([1, 2]);
    const fills: [number, string][] = [];
    paintMarks((index, _left, _right, colour) => fills.push([index, colour]), session, "axial");
    const white = fills.filter(([, colour]) => colour === "#ffffff").map(([index]) => index);
    expect(new Set(white)).toEqual(new Set([1, 2]));
    expect(setSlices(session.objects[0])).toEqual([1, 3]);
    expect(new Set(fills.map(([index]) => index))).toEqual(new Set([1, 2, 3]));
    session.display.set({ tool: "erase" }); // reaches its own slice only
    await vi.advanceTimersByTimeAsync(300);
    expect(session.hand.reached).toBeNull();
    reach.close();
  });
});
