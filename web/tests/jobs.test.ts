/** The state of edits on the server: every order in which answers and events can come. */
import { describe, expect, it } from "vitest";
import type { RunningJob } from "../src/api/wire_types";
import { Jobs, type JobsEvent, NO_JOBS, nextJobs, phaseOf } from "../src/state/jobs";

const stateAfter = (...events: JobsEvent[]) => events.reduce(nextJobs, NO_JOBS);
const phase = (...events: JobsEvent[]) => phaseOf(stateAfter(...events));
const running = (job: string, name = "liver"): RunningJob => ({ job, name, done: 1, total: 9 });

const sent: JobsEvent = { type: "sent", name: "liver" };
const accepted: JobsEvent = { type: "accepted", name: "liver", jobs: ["j1"] };
const ended: JobsEvent = { type: "ended", job: "j1" };
const idle: JobsEvent = { type: "state", busy: null };
const progress: JobsEvent = { type: "progress", job: running("j1") };

describe("an edit", () => {
  it("is sent, runs and ends", () => {
    expect(phase()).toBe("idle");
    expect(phase(sent)).toBe("sending");
    expect(phase(sent, accepted)).toBe("running");
    expect(phase(sent, accepted, progress)).toBe("running");
    expect(phase(sent, accepted, progress, ended)).toBe("idle");
  });

  it("may be refused", () => {
    expect(phase(sent, { type: "refused", name: "liver" })).toBe("idle");
  });

  it("may end before its own answer arrives", () => {
    expect(phase(sent, progress, ended, accepted)).toBe("idle");
    expect(phase(sent, ended, accepted, progress, idle)).toBe("idle");
  });

  it("is not ended by a state that is older than it", () => {
    expect(phase(sent, accepted, idle)).toBe("running");
    expect(phase(sent, accepted, { type: "state", busy: running("j1") }, idle)).toBe("idle");
  });

  it("is not started again by a state that is older than its end", () => {
    expect(phase(sent, accepted, ended, { type: "state", busy: running("j1") })).toBe("idle");
  });

  it("may have been asked for in another window", () => {
    const state = stateAfter({ type: "state", busy: running("j7", "spleen") });
    expect(phaseOf(state)).toBe("running");
    expect(state.jobs[0]).toMatchObject({ name: "spleen", done: 1, total: 9 });
  });
});

describe("several edits", () => {
  const two: JobsEvent[] = [sent, { type: "accepted", name: "liver", jobs: ["j1", "j2"] }];

  it("run one after the other", () => {
    expect(phase(...two, ended)).toBe("running");
    expect(phase(...two, ended, { type: "ended", job: "j2" })).toBe("idle");
  });

  it("of which one waits behind that of another window", () => {
    const state = stateAfter(...two, { type: "state", busy: running("j9", "spleen") });
    expect(state.jobs.map((each) => each.id)).toEqual(["j9", "j1", "j2"]);
  });

  it("lose those that the server has finished unheard", () => {
    const state = stateAfter(...two, progress, { type: "state", busy: running("j2") });
    expect(state.jobs.map((each) => each.id)).toEqual(["j2"]);
  });
});

describe("a stop", () => {
  it("counts until the job ends", () => {
    expect(phase(sent, accepted, { type: "stop" })).toBe("stopping");
    expect(phase(sent, accepted, { type: "stop" }, { type: "stop refused" })).toBe("running");
    expect(phase(sent, accepted, { type: "stop" }, ended)).toBe("idle");
    expect(phase({ type: "stop" })).toBe("idle");
  });
});

describe("a lost connection", () => {
  const lost: JobsEvent = { type: "connection", online: false };
  const back: JobsEvent = { type: "connection", online: true };

  it("leaves open what happens, and is settled by the server's own state", () => {
    expect(phase(sent, accepted, progress, lost)).toBe("unknown");
    expect(phase(sent, accepted, progress, lost, back)).toBe("running");
    expect(phase(sent, accepted, lost, back, { ...idle, fresh: true })).toBe("idle");
  });

  it("is nothing to a page that waits for nothing", () => {
    expect(phase(lost)).toBe("idle");
  });
});

describe("what the page shows", () => {
  it("is the running job, its scores by slice, and how many wait", () => {
    const jobs = new Jobs();
    for (const event of [sent, { type: "accepted", name: "liver", jobs: ["j1", "j2"] } as JobsEvent])
      jobs.take(event);
    jobs.take({ type: "slice", job: "j1", name: "liver", plane: "axial", index: 4, score: 0.5 });
    expect(jobs.running).toMatchObject({ id: "j1", plane: "axial" });
    expect([...jobs.running!.scores]).toEqual([[4, 0.5]]);
    expect(jobs.waiting).toBe(1);
    expect(jobs.name).toBe("liver");
  });

  it("keeps the scores of slices apart from those of the next job", () => {
    const state = stateAfter(
      sent,
      accepted,
      { type: "slice", job: "j1", name: "liver", plane: "axial", index: 4, score: 0.5 },
      ended,
      { type: "progress", job: running("j2") },
    );
    expect(state.jobs[0].scores.size).toBe(0);
  });
});
