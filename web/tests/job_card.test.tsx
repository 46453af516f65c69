// @vitest-environment happy-dom
/** Stop and keep, discard, continue; ends in words; the question about an end; the handles of the slice bar. */
import { type ComponentChild, render } from "preact";
import { act as flush } from "preact/test-utils";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { SegmentedObject } from "../src/api/wire_types";
import { endReason, endWord, timeLeft } from "../src/ui/end_words";
import { InterruptedCard, JobCard } from "../src/ui/job_card";
import { EndsToDo, ObjectEnds } from "../src/ui/object_ends";
import { SliceBar } from "../src/ui/slice_bar";
import { objectOf, openSession, settled } from "./fake_client";

beforeAll(() => {
  HTMLCanvasElement.prototype.getContext = (() => null) as never;
});
afterEach(() => render(null, document.body));

const act = (what: () => unknown) =>
  flush(() => {
    what();
  });
const show = (what: ComponentChild) => act(() => render(what, document.body));
const button = (text: string) =>
  [...document.querySelectorAll("button")].find((each) => each.textContent?.includes(text))!;
const text = () => document.body.textContent!.replace(/\s+/g, " ");

function running(done = 4, total: number | null = 20) {
  const opened = openSession();
  opened.send("progress", { job: "j1", name: "liver", done, total, seconds: 2 } as never);
  return opened;
}

describe("a running job", () => {
  it("is stopped with what is done, or discarded", async () => {
    const { session, server } = running();
    show(<JobCard session={session} />);
    expect(text()).toContain("4 of 20 slices");
    expect(text()).toContain("about 8 seconds left");
    button("Stop and keep").click();
    await settled();
    expect(server.taken()).toEqual(["POST /cancel?keep=true"]);
    button("Discard").click();
    await settled();
    expect(server.taken()).toEqual(["POST /cancel"]);
  });

  it("says once that what was done is kept", () => {
    const { send, toasts } = running();
    const end = { job: "j1", name: "liver", low_end: "stopped", high_end: "stopped", stopped: true };
    send("ended", { ...end, by_hand: false, warnings: [], outcome: null } as never);
    expect(toasts).toEqual(["info: Stopped. What is done of liver is kept."]);
  });

  it("is stopped once, and says that it stops", async () => {
    const { session } = running();
    void session.stop(true);
    show(<JobCard session={session} />);
    expect(button("Stop and keep").disabled).toBe(true);
    expect(text()).toContain("stopping after this slice");
  });
});

it.each([
  [2, 12, 4, "about 20 seconds left"],
  [1, 12, 4, null],
  [4, null, 4, null],
  [12, 12, 4, null],
  [10, 100, 30, "about 5 minutes left"],
  [11, 12, 4, "about a second left"],
])("tells the time that is left: %s of %s after %s s", (done, total, seconds, words) => {
  expect(timeLeft(done as number, total as number | null, seconds as number)).toBe(words);
});

it("offers to resume, keep or discard what a crash interrupted", async () => {
  const { session, server } = openSession();
  session.state = {
    ...session.state,
    interrupted: { name: "liver", finished: [3, 4], what: "segment" },
  } as never;
  show(<InterruptedCard session={session} />);
  expect(text()).toContain("Segmenting liver was interrupted after 2 slices.");
  for (const each of ["Resume", "Keep what is done", "Discard"]) button(each).click();
  await settled();
  expect(server.taken().sort()).toEqual(["POST /cancel", "POST /cancel?keep=true", "POST /resume"]);
});

const ended = (change: Partial<SegmentedObject>) =>
  objectOf("liver", 1, {
    bounds: null,
    slices: [1, 3],
    low_end: "bound",
    high_end: "low predicted IoU",
    ...change,
  });

describe("an object's ends", () => {
  it("are plain sentences", () => {
    const { session } = openSession([ended({})]);
    show(<ObjectEnds session={session} object={session.objects[0]} />);
    expect(text()).toContain("Bottom 1: set by you");
    expect(text()).toContain("Top 3: found automatically");
  });

  it.each([
    ["bound", {}, "set by you"],
    ["bound", { start: "start_from_mask" }, "as it was given"],
    ["bound", { start: "start_from_mask", edits: [{ number: 1, kind: "bounds", slices: [] }] }, "set by you"],
    ["volume end", {}, "end of the volume"],
    ["stopped", {}, "stopped here"],
    ["empty mask", {}, "found automatically"],
    ["mask moved away", {}, "found automatically"],
  ])("say why: %s", (reason, change, words) => {
    expect(endReason(ended({ low_end: reason, ...(change as object) }), "low")).toBe(words);
  });

  it("are named as they lie in the patient", () => {
    expect(endWord({ plane: "axial", topIsLast: true }, "high")).toBe("top");
    expect(endWord({ plane: "axial", topIsLast: false }, "high")).toBe("bottom");
    expect(endWord({ plane: "coronal", topIsLast: false }, "low")).toBe("front");
    expect(endWord({ plane: "sagittal", topIsLast: true }, "low")).toBe("left");
  });

  it("that were stopped can be continued", async () => {
    const { session, server } = openSession([ended({ unfinished: { low: 0, high: null } })]);
    show(<EndsToDo session={session} object={session.objects[0]} />);
    expect(text()).toContain("Stopped at the bottom and the top.");
    button("Continue").click();
    await settled();
    expect(server.requests.at(-1)).toMatchObject({ path: "/sessions/s1/continue", body: { name: "liver" } });
  });

  it("that are unsure are asked about, with both shown", async () => {
    const { session, server } = openSession([ended({ other_ends: { high: [4] } })]);
    show(<EndsToDo session={session} object={session.objects[0]} />);
    expect(text()).toContain("The top end was found at slice 3; it may also be at slice 4.");
    const [four, three] = [...document.querySelectorAll("button")];
    expect([four.textContent, three.textContent]).toEqual(["4", "3"]);
    four.dispatchEvent(new Event("pointerenter"));
    expect(session.display.index("axial")).toBe(4);
    three.click();
    await settled();
    expect(server.requests.at(-1)?.body).toEqual({ name: "liver", low: null, high: 3 });
  });

  it("of a finished object say and request nothing", () => {
    const { session } = openSession([ended({})]);
    show(<EndsToDo session={session} object={session.objects[0]} />);
    expect(text()).toBe("");
  });
});

describe("the handles of the slice bar", () => {
  const handle = (label: string) => document.querySelector<HTMLElement>(`[aria-label="${label}"]`)!;

  it("are those of the target, and keys trim and extend with one request", async () => {
    const { session, server } = openSession([
      ended({ prompts: [{ number: 0, index: 2, kind: "point", point: [1, 1, 2] }] }),
    ]);
    show(<SliceBar session={session} plane="axial" />);
    const top = handle("Top end of liver");
    expect(top.getAttribute("aria-valuenow")).toBe("3");
    expect(top.title).toContain("slice 3, found automatically");
    const up = session.geometry.grids.axial.topIsLast ? "ArrowUp" : "ArrowDown";
    await act(() => top.dispatchEvent(new KeyboardEvent("keydown", { key: up, bubbles: true })));
    await vi.waitFor(() => expect(handle("Top end of liver").getAttribute("aria-valuenow")).toBe("4"));
    expect(server.taken()).toEqual([]);
    await act(() =>
      handle("Top end of liver").dispatchEvent(new KeyboardEvent("keyup", { key: up, bubbles: true })),
    );
    await settled();
    expect(server.requests.map(({ body }) => body)).toEqual([{ name: "liver", low: null, high: 4 }]);
  });

  it("are in the bar of the object's own plane only", () => {
    const { session } = openSession([ended({})]);
    show(<SliceBar session={session} plane="coronal" />);
    expect(document.querySelectorAll(".bound")).toHaveLength(0);
  });

  it("trim with the pointer, at the release", async () => {
    const { session, server } = openSession([ended({})]);
    show(<SliceBar session={session} plane="axial" />);
    const bar = document.querySelector<HTMLElement>(".slice-bar")!;
    vi.spyOn(bar, "getBoundingClientRect").mockReturnValue({ top: 0, height: 50 } as DOMRect);
    const bottom = handle("Bottom end of liver");
    bottom.setPointerCapture = () => undefined;
    const { count, topIsLast } = session.geometry.grids.axial;
    const y = (slice: number) => (50 * ((topIsLast ? count - 1 - slice : slice) + 0.5)) / count;
    const point = (type: string, slice: number) =>
      act(() => bottom.dispatchEvent(new PointerEvent(type, { clientY: y(slice), bubbles: true })));
    await point("pointerdown", 1);
    await point("pointermove", 0);
    expect(session.ends.shown?.low).toBe(0);
    expect(server.taken()).toEqual([]);
    await point("pointerup", 0);
    await settled();
    expect(server.requests.map(({ body }) => body)).toEqual([{ name: "liver", low: 0, high: null }]);
  });
});
