/** The open session on a fake server: what the user does, and what the server's events do to it. */
import { describe, expect, it } from "vitest";
import type { Prompt, ServerEvents } from "../src/api/wire_types";
import { objectOf, openSession, settled, stateOf } from "./fake_client";

const BOX: Prompt = { box: { k: 2, i0: 1, j0: 1, i1: 3, j1: 3 } };
const POINT: Prompt = { point: [1, 1, 2], positive: true };
const drawn = (prompt: Prompt, index = 2, plane: "axial" | "coronal" = "axial") => ({ plane, index, prompt });
const end = (job: string, name: string, warnings: string[] = []): ServerEvents["ended"] => ({
  job,
  name,
  low_end: "user",
  high_end: "user",
  warnings,
  outcome: null,
});

describe("the target", () => {
  it("is kept when a job of another object ends", async () => {
    const { session, send } = openSession([objectOf("liver", 1), objectOf("spleen", 2)]);
    session.setTarget("liver");
    send("progress", { job: "j9", name: "spleen", done: 1, total: 3, seconds: 1 });
    send("ended", end("j9", "spleen"));
    send("state", stateOf([objectOf("liver", 1), objectOf("spleen", 2)]));
    expect(session.target).toMatchObject({ kind: "object", name: "liver" });
  });

  it("follows a rename in another window, and is a new object once its object is gone", () => {
    const { session, send } = openSession([objectOf("liver", 1)]);
    send("state", stateOf([objectOf("right liver", 1)]));
    expect(session.selected).toBe("right liver");
    send("state", stateOf([]));
    expect(session.target).toEqual({ kind: "new" });
  });

  it("stays the user's after a rename of another object", async () => {
    const { session } = openSession([objectOf("liver", 1), objectOf("spleen", 2)]);
    session.setTarget("liver");
    await session.changeObject("spleen", { new_name: "left spleen" });
    expect(session.selected).toBe("liver");
    await session.changeObject("liver", { new_name: "right liver" });
    expect(session.selected).toBe("right liver");
  });

  it("is the object that was just propagated, but not for the next box", async () => {
    const { session, server, send } = openSession();
    session.takePrompt(drawn(BOX));
    await settled();
    await session.propagate();
    expect(server.taken()).toEqual(["POST /preview", "POST /segment"]);
    send("ended", end("j1", "object 1"));
    send("state", stateOf([objectOf("object 1", 1)]));
    expect(session.targetOf("point")).toMatchObject({ name: "object 1" });
    expect(session.targetOf("box")).toEqual({ kind: "new" });
    session.takePrompt(drawn(BOX));
    expect(session.draft?.name).toBe("object 2");
  });

  it("is corrected by a box that was chosen for it", async () => {
    const { session, server } = openSession([objectOf("liver", 1)]);
    session.setTarget("liver");
    session.takePrompt(drawn(BOX, 3));
    await settled();
    expect(server.requests.at(-1)!.body).toEqual({ name: "liver", points: [BOX], reach: "next" });
    expect(server.taken()).toEqual(["POST /correct"]);
  });
});

describe("the draft", () => {
  it("is corrected by points on its slice, and undo takes the last one back", async () => {
    const { session, server } = openSession();
    session.takePrompt(drawn(BOX));
    session.takePrompt(drawn({ ...POINT, positive: false } as Prompt));
    await settled();
    expect(session.draft?.corrections).toHaveLength(1);
    await session.undo();
    expect(session.draft?.corrections).toHaveLength(0);
    await session.undo();
    expect(session.draft).toBeNull();
    expect(server.taken().every((each) => each === "POST /preview")).toBe(true);
  });

  it("loses its error when the connection is back", async () => {
    const { session, server, setOnline, toasts } = openSession();
    server.failing = "The server does not answer.";
    session.takePrompt(drawn(BOX));
    await settled();
    expect(session.draft?.error).toBe("The server does not answer.");
    setOnline(false);
    server.failing = null;
    setOnline(true);
    await settled();
    expect(session.draft).toMatchObject({ error: null, predicting: false });
    expect(session.draft?.masks).toHaveLength(4);
    expect(toasts).toEqual(["error: The server does not answer."]);
  });

  it.each([["failed"], ["cancelled"]] as const)("comes back when its propagation has %s", async (how) => {
    const { session, send } = openSession();
    session.takePrompt(drawn(BOX));
    await settled();
    session.changeDraft({ name: "liver" });
    await session.propagate();
    expect(session.draft).toBeNull();
    if (how === "failed")
      send("failed", { job: "j1", name: "liver", kind: "disk", message: "The disk is full." });
    else send("cancelled", { job: "j1" });
    expect(session.draft).toMatchObject({ name: "liver", prompt: BOX });
    expect(session.draft?.error).toBe(how === "failed" ? "The disk is full." : null);
    expect(session.busy).toBe(false);
  });

  it("is kept when the request for its propagation is refused", async () => {
    const { session, server, toasts } = openSession();
    session.takePrompt(drawn(BOX));
    await settled();
    server.failing = "Too many edits wait.";
    await session.propagate();
    expect(session.draft).not.toBeNull();
    expect(session.busy).toBe(false);
    expect(toasts).toEqual(["error: Too many edits wait."]);
  });

  it("stays when it is drawn while another propagation is on its way", async () => {
    const { session, send } = openSession();
    session.takePrompt(drawn(BOX));
    await settled();
    await session.propagate();
    session.takePrompt(drawn(BOX, 3));
    send("ended", end("j1", "object 1"));
    send("state", stateOf([objectOf("object 1", 1)]));
    expect(session.draft).toMatchObject({ index: 3 });
  });
});

describe("a restart", () => {
  it.each<[string, Prompt]>([
    ["box", BOX],
    ["point", POINT],
    ["mask", { mask: { k: 2 }, shape: [2, 2], runs: [0, 4] }],
  ])("shows the %s that started the object, with its bounds", async (_, prompt) => {
    const { session, server } = openSession([objectOf("liver", 1)]);
    server.start = { plane: "axial", index: 2, prompt, bounds: [1, 3] };
    await session.restart("liver");
    expect(session.draft).toMatchObject({ name: "liver", prompt, index: 2, bounds: [1, 3] });
    expect(session.display.index("axial")).toBe(2);
  });
});

describe("events", () => {
  it("tell warnings, and what an edit did", () => {
    const { session, send, toasts } = openSession([objectOf("liver", 1)]);
    const outcome = { name: "liver", slices: [2], added_ml: 1, taken_ml: 0, taken_from: {} };
    send("ended", { ...end("j1", "liver", ["The click was not followed."]), outcome: outcome as never });
    expect(toasts).toEqual(["info: The click was not followed."]);
    expect(session.outcome?.added_ml).toBe(1);
  });

  it("do not leave the page busy after the server went away and came back", async () => {
    const { session, server, send, setOnline } = openSession([objectOf("liver", 1)]);
    void session.correct("liver", [POINT]);
    await settled();
    send("progress", { job: "j1", name: "liver", done: 1, total: 4, seconds: 1 });
    setOnline(false);
    expect(session.jobs.phase).toBe("unknown");
    server.state = stateOf([objectOf("liver", 1)]);
    setOnline(true);
    await settled();
    expect(session.jobs.phase).toBe("idle");
  });
});

describe("edits", () => {
  it("are the requests of the server", async () => {
    const { session, server } = openSession([objectOf("liver", 1)]);
    const shape = { brush: { path: [[1, 2, 3] as [number, number, number]], radius_mm: 4 } };
    await session.paint({ name: "liver", shape, positive: false, reach: "slice", within: [0, 90] });
    await session.setEnds("liver", 1, null);
    await session.deleteSlices("liver", [2]);
    await session.confirm("liver", [1, 2]);
    await session.cleanUp("liver", { step: "keep_largest" });
    await session.setOverlap({ overlap: "keep both" });
    await session.deletePrompt(3);
    expect(server.requests.map((each) => each.body)).toEqual([
      { name: "liver", shape, positive: false, reach: "slice", within: [0, 90] },
      { name: "liver", low: 1, high: null },
      { name: "liver", slices: [2] },
      { name: "liver", slices: [1, 2], confirmed: true },
      { name: "liver", step: { step: "keep_largest" } },
      { overlap: "keep both" },
      undefined,
    ]);
    expect(server.taken()).toEqual([
      "POST /paint",
      "POST /bounds",
      "POST /delete-slices",
      "POST /confirm",
      "POST /clean-up",
      "PATCH ",
      "DELETE /edits/3",
    ]);
  });
});
