// @vitest-environment happy-dom
/** The labels of a case: choosing, filling, done, absent, reopened, checked. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SegmentedObject } from "../src/api/wire_types";
import { objectOf, settled, stateOf } from "./fake_client";
import { caseOf, FakeProject, labelOf, openWork } from "./fake_project";

afterEach(() => vi.unstubAllGlobals());

const PROPOSAL: Partial<SegmentedObject> = {
  start: "start_from_mask",
  edits: [{ number: 0, kind: "start_from_mask", slices: [0, 1, 2, 3] }],
};
const TOUCHED = [...PROPOSAL.edits!, { number: 1, kind: "correct", slices: [2] }];
const BOX = { box: { k: 2, i0: 1, j0: 1, i1: 5, j1: 5 } };

function proposed(change: Partial<SegmentedObject> = {}) {
  const labels = [
    labelOf("liver", { state: "proposed", certainty: 0.82 }),
    labelOf("spleen"),
    labelOf("aorta"),
  ];
  const fake = new FakeProject(undefined, [caseOf("c1", { state: "proposed", labels })]);
  return openWork(fake, [objectOf("liver", 1, { ...PROPOSAL, ...change })]);
}

describe("a label", () => {
  it("is begun under its name by a box", async () => {
    const { session, server, work } = await openWork();
    work.choose("spleen");
    session.display.set({ tool: "box" });
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await settled();
    expect(session.draft?.name).toBe("spleen");
    await session.propagate();
    expect(server.requests.find((each) => each.path.endsWith("/segment"))?.body).toMatchObject({
      name: "spleen",
    });
  });

  it("stays the target when its propagation is stopped, its draft discarded, or its object deleted", async () => {
    const { session, work, send } = await openWork();
    work.choose("spleen");
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await settled();
    session.discardDraft();
    expect(work.chosen?.name).toBe("spleen");
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await session.propagate();
    send("state", stateOf([objectOf("spleen", 1)]));
    expect(session.target).toEqual({ kind: "object", name: "spleen", id: 1 });
    send("ended", { ...END, job: "j1" });
    send("state", stateOf([]));
    expect(session.target).toEqual({ kind: "new", name: "spleen" });
  });

  it("that has an object is corrected by a box, whatever tool it was chosen with", async () => {
    const { session, server, work } = await proposed();
    session.display.set({ tool: "point" });
    work.choose("liver");
    session.display.set({ tool: "box" });
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await settled();
    expect(server.requests.at(-1)).toMatchObject({ path: "/sessions/s1/correct", body: { name: "liver" } });
  });

  it("is chosen for a draft that was begun under another name", async () => {
    const { session, work } = await openWork();
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await settled();
    work.choose("aorta");
    expect(session.draft?.name).toBe("aorta");
    expect(work.chosen?.name).toBe("aorta");
  });

  it("is reached from the one before and after, going round", async () => {
    const { work } = await openWork();
    work.step(-1);
    expect(work.chosen?.name).toBe("aorta");
    work.step(1);
    expect(work.chosen?.name).toBe("liver");
  });
});

describe("a proposal", () => {
  it("is one until it is touched", async () => {
    const { session, work, send } = await proposed();
    expect(work.row("liver")).toMatchObject({ state: "proposed", certainty: 0.82 });
    expect([...session.rules.proposed]).toEqual(["liver"]);
    send("state", stateOf([objectOf("liver", 1, { ...PROPOSAL, edits: TOUCHED })]));
    await settled();
    expect(work.row("liver")?.state).toBe("in progress");
    expect([...session.rules.proposed]).toEqual([]);
  });

  it("stays one while it is only looked at, and is none once it was sent back", async () => {
    const looked = labelOf("liver", { state: "in progress", certainty: 0.82, seconds: 9 });
    const back = labelOf("spleen", { state: "in progress", certainty: 0.7, review: "sent back" });
    const fake = new FakeProject(undefined, [caseOf("c1", { labels: [looked, back] })]);
    const { work } = await openWork(fake, [objectOf("liver", 1, PROPOSAL), objectOf("spleen", 2, PROPOSAL)]);
    expect(work.rows.map((each) => each.state)).toEqual(["proposed", "in progress", "new"]);
  });

  it("that was deleted is a new label", async () => {
    const { work, send } = await proposed();
    send("state", stateOf([]));
    expect(work.row("liver")?.state).toBe("new");
  });
});

const END = { name: "liver", low_end: null, high_end: null, warnings: [], outcome: null };

describe("done", () => {
  it("is sent, locks the object, and goes on to the next label", async () => {
    const { work, fake, server } = await proposed();
    server.taken();
    await work.finish("liver");
    expect(fake.taken()).toEqual(["POST /cases/c1/labels/liver/done"]);
    expect(server.taken()).toEqual(["PATCH /objects/liver"]);
    expect(server.requests).toEqual([]);
    expect(work.row("liver")?.state).toBe("done");
    expect(work.chosen?.name).toBe("spleen");
  });

  it("waits for the edits of its object", async () => {
    const { work, session, fake, send } = await proposed();
    void session.correct("liver", []);
    await settled();
    const finished = work.finish("liver");
    await settled();
    expect([work.row("liver")?.waiting, fake.taken()]).toEqual([true, []]);
    send("ended", { ...END, job: "j1" });
    await finished;
    expect([work.row("liver")?.waiting, fake.taken()]).toEqual([false, ["POST /cases/c1/labels/liver/done"]]);
  });

  it("needs an object, and a preview that was propagated", async () => {
    const { work, session, fake, toasts } = await openWork();
    await work.finish("liver");
    session.takePrompt({ plane: "axial", index: 2, prompt: BOX });
    await settled();
    await work.finish("liver");
    expect(fake.taken()).toEqual([]);
    expect(toasts).toEqual([
      "info: There is nothing of liver yet. Draw it, or press Shift+X if it is not in this case.",
      "info: Press Enter to propagate the preview of liver first, or Esc to discard it.",
    ]);
  });

  it("that the server refuses changes nothing", async () => {
    const { work, fake, server, toasts } = await proposed();
    fake.refuse("/cases/c1/labels/liver/done", 409, "bob has c1.");
    await work.finish("liver");
    expect(work.row("liver")?.state).toBe("proposed");
    expect(work.chosen?.name).toBe("liver");
    expect(toasts).toEqual(["error: bob has c1."]);
    expect(server.requests.filter((each) => each.method === "PATCH")).toEqual([]);
  });

  it("says what comes when it was the last one", async () => {
    const { work, toasts } = await proposed();
    await work.setAbsent("spleen");
    await work.setAbsent("aorta");
    expect(work.chosen?.name).toBe("liver");
    await work.finish("liver");
    expect(work.allDone).toBe(true);
    expect(toasts).toEqual(["info: All labels are done. Shift+N opens the next case."]);
  });

  it("cannot be undone by accident", async () => {
    const labels = [labelOf("liver", { state: "done" }), labelOf("spleen"), labelOf("aorta")];
    const fake = new FakeProject(undefined, [caseOf("c1", { labels })]);
    const { session, server, toasts } = await openWork(fake, [objectOf("liver", 1, { edits: TOUCHED })]);
    expect([...session.rules.closed]).toEqual(["liver"]);
    await session.undo();
    expect(server.taken()).toEqual([]);
    expect(toasts).toEqual(["info: The last edit is of liver, which is done. Reopen it (K) to undo that."]);
  });

  it("is reopened by one click, which unlocks it", async () => {
    const labels = [labelOf("liver", { state: "done" }), labelOf("spleen"), labelOf("aorta")];
    const fake = new FakeProject(undefined, [caseOf("c1", { labels })]);
    const { session, server, work } = await openWork(fake, [objectOf("liver", 1, { locked: true })]);
    await work.reopen("liver");
    expect(fake.taken()).toEqual(["POST /cases/c1/labels/liver/reopen"]);
    const change = server.requests.find((each) => each.method === "PATCH");
    expect(change?.body).toEqual({ locked: false });
    expect(session.selected).toBe("liver");
    expect(work.row("liver")?.state).toBe("in progress");
  });
});

describe("not in this case", () => {
  it("needs no object, and leaves a proposal out", async () => {
    const { work, fake } = await proposed();
    await work.setAbsent("liver");
    expect(fake.requests.find((each) => each.path.endsWith("/done"))?.body).toEqual({
      session: "s1",
      absent: true,
    });
    expect(work.row("liver")).toMatchObject({ state: "done", absent: true });
  });

  it("asks where the user has worked on the object", async () => {
    const { work, fake } = await proposed({ edits: TOUCHED });
    vi.stubGlobal("confirm", () => false);
    await work.setAbsent("liver");
    expect(fake.taken()).toEqual([]);
    vi.stubGlobal("confirm", () => true);
    await work.setAbsent("liver");
    expect(fake.taken()).toEqual(["POST /cases/c1/labels/liver/done"]);
  });
});

describe("a check", () => {
  const reviewed = async () => {
    const labels = ["liver", "spleen", "aorta"].map((name) =>
      labelOf(name, { state: "done", annotator: "bob" }),
    );
    const fake = new FakeProject(undefined, [caseOf("c1", { state: "done", labels })]);
    return openWork(
      fake,
      ["liver", "spleen", "aorta"].map((name, n) => objectOf(name, n + 1, { locked: true })),
      true,
    );
  };
  const bodyOf = (fake: FakeProject) => fake.requests.find((each) => each.path.endsWith("/check"))?.body;

  it("agrees, and goes on", async () => {
    const { work, fake } = await reviewed();
    await work.review("liver", "agreed");
    expect(bodyOf(fake)).toEqual({ outcome: "agreed", note: "" });
    expect(work.row("liver")?.state).toBe("checked");
    expect(work.chosen?.name).toBe("spleen");
  });

  it("sends back with a note, and knows no more labels to check", async () => {
    const { work, fake } = await reviewed();
    await work.review("spleen", "sent back", "stops too early");
    expect(bodyOf(fake)).toEqual({ outcome: "sent back", note: "stops too early" });
    expect(work.row("spleen")).toMatchObject({ state: "in progress", note: "stops too early" });
    expect(work.left.map((each) => each.name)).toEqual(["liver", "aorta"]);
  });

  it("begins with the first label that is not checked, though another one was sent back", async () => {
    const labels = [
      labelOf("liver", { state: "in progress", review: "sent back" }),
      labelOf("spleen", { state: "done" }),
    ];
    const fake = new FakeProject(undefined, [caseOf("c1", { labels })]);
    const { work } = await openWork(fake, [objectOf("spleen", 1)], true);
    expect(work.chosen?.name).toBe("spleen");
  });

  it("says of a label whose object the reviewer deleted that it is not in the case", async () => {
    const { work, fake, send } = await reviewed();
    send("state", stateOf([]));
    expect(work.changed(work.row("liver")!)).toBe(true);
    await work.review("liver", "corrected");
    expect(bodyOf(fake)).toMatchObject({ outcome: "corrected", absent: true });
    expect(work.row("liver")).toMatchObject({ state: "checked", absent: true });
  });

  it("sends a label back that was checked", async () => {
    const { work, fake } = await reviewed();
    await work.review("liver", "agreed");
    fake.taken();
    await work.review("liver", "sent back", "look again");
    expect(fake.taken()).toEqual(["POST /cases/c1/labels/liver/reopen"]);
  });

  it("knows what the reviewer has corrected, and sends it", async () => {
    const { work, fake, send } = await reviewed();
    await work.unlock("aorta");
    expect(work.changed(work.row("aorta")!)).toBe(false);
    const corrected = [...objectOf("aorta", 3).edits, { number: 7, kind: "correct", slices: [1] }];
    send("state", stateOf([objectOf("aorta", 3, { edits: corrected })]));
    expect(work.changed(work.row("aorta")!)).toBe(true);
    await work.review("aorta", "corrected");
    expect(bodyOf(fake)).toEqual({
      outcome: "corrected",
      note: "",
      session: "s1",
      absent: false,
    });
  });
});
