// @vitest-environment happy-dom
/** A project's cases: opening, leaving, heartbeats. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProjectRequests } from "../src/api/project";
import { Presence } from "../src/state/presence";
import { caseOf, FakeProject, labelOf, openProject, openWork } from "./fake_project";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const answering = (answer: boolean) => {
  const questions: string[] = [];
  vi.stubGlobal("confirm", (text: string) => {
    questions.push(text);
    return answer;
  });
  return questions;
};

const DONE = ["liver", "spleen", "aorta"].map((name) => labelOf(name, { state: "done" }));

it("is none where the server has none", async () => {
  const fake = new FakeProject();
  fake.refuse("", 404, "Start the server with --project.");
  expect(await new ProjectRequests(fake.client).info()).toBeNull();
});

it("writes names of cases and labels into paths, and says no more than is meant", async () => {
  const fake = new FakeProject();
  const requests = new ProjectRequests(fake.client);
  await requests.done("a/b", "left kidney", "s1", false);
  await requests.open("c1", false);
  await requests.check("c1", "liver", { outcome: "sent back", note: "too wide" });
  expect(fake.requests).toEqual([
    { method: "POST", path: "/project/cases/a%2Fb/labels/left%20kidney/done", body: { session: "s1" } },
    { method: "POST", path: "/project/cases/c1/open", body: {} },
    {
      method: "POST",
      path: "/project/cases/c1/labels/liver/check",
      body: { outcome: "sent back", note: "too wide" },
    },
  ]);
});

describe("the next case", () => {
  it("opens with the first label chosen", async () => {
    const { project, fake } = await openProject();
    await project.next();
    expect(fake.taken()).toEqual(["POST /next"]);
    expect(project.work?.caseId).toBe("c1");
    expect(project.work?.chosen?.name).toBe("liver");
    expect(project.opening).toBeNull();
  });

  it("says why there is none", async () => {
    const { project, fake, messages } = await openProject();
    fake.next = null;
    await project.next();
    expect(project.noneLeft).toBe("Every case is done.");
    expect([project.work, messages]).toEqual([null, []]);
  });

  it("waits for a label that the server is still taking, and does not ask about it", async () => {
    const { project, work, fake } = await openWork();
    fake.next = { case: "c2", volume: "v2", session: "s2" };
    const questions = answering(false);
    void work.setAbsent("liver");
    await project.next();
    expect(questions).toEqual(["Not done yet: spleen and aorta. Leave this case, and open the next one?"]);
  });

  it("asks before it leaves labels that are not done, and releases the case", async () => {
    const { project, fake } = await openWork();
    fake.next = { case: "c2", volume: "v2", session: "s2" };
    const questions = answering(false);
    await project.next();
    expect(questions).toEqual([
      "Not done yet: liver, spleen and aorta. Leave this case, and open the next one?",
    ]);
    expect(fake.taken()).toEqual([]);
    answering(true);
    await project.next();
    expect(fake.requests.find((each) => each.path === "/project/next")?.body).toEqual({ after: "c1" });
    expect(fake.taken()).toEqual(["POST /next", "POST /cases/c1/release"]);
    expect(project.work?.caseId).toBe("c2");
  });

  it("asks nothing once all labels are done, and stays where there is none", async () => {
    const fake = new FakeProject(undefined, [caseOf("c1", { labels: DONE, state: "done" })]);
    const { project, messages } = await openWork(fake);
    const questions = answering(true);
    fake.next = null;
    await project.next();
    expect([questions, messages]).toEqual([[], ["info: Every case is done."]]);
    expect(project.work?.caseId).toBe("c1");
  });
});

it("shows who has a case that cannot be opened", async () => {
  const { project, fake, messages } = await openProject();
  const until = new Date();
  until.setHours(14, 5);
  fake.refuse("/cases/c2/open", 409, `bob has it until ${until.toISOString()}.`);
  await project.openCase("c2");
  expect(messages).toEqual(["error: bob has it until 14:05."]);
  expect(project.work).toBeNull();
});

it("releases a case that is left", async () => {
  const { project, fake } = await openWork();
  await project.leave();
  expect(fake.taken()).toEqual(["POST /cases/c1/release"]);
  expect(project.work).toBeNull();
});

describe("heartbeats", () => {
  const beats = (fake: FakeProject) => fake.requests.filter((each) => each.path.endsWith("/heartbeat"));

  it("carry the seconds of each label, while the page is used", async () => {
    const { project, fake, work } = await openWork();
    const stop = project.watch();
    await vi.advanceTimersByTimeAsync(10_000);
    dispatchEvent(new Event("pointermove"));
    work.choose("spleen");
    await vi.advanceTimersByTimeAsync(5000);
    expect(beats(fake).map((each) => each.body)).toEqual([
      { session: "s1", label: "liver", seconds: 10 },
      { session: "s1", label: "spleen", seconds: 5 },
    ]);
    await vi.advanceTimersByTimeAsync(600_000);
    const seconds = beats(fake).map((each) => (each.body as { seconds: number }).seconds);
    expect(seconds.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(10 + 60); // a minute after the last use
    const count = beats(fake).length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(beats(fake)).toHaveLength(count);
    stop();
  });

  it("end when the lock is lost, and say who has the case", async () => {
    const { project, fake, work } = await openWork();
    fake.refuse("/cases/c1/heartbeat", 409, "bob has c1 until 14:05.");
    await project.beat();
    expect(work.lost).toBe("bob has c1 until 14:05.");
    fake.taken();
    await project.beat();
    expect(fake.taken()).toEqual([]);
    fake.cases = [caseOf("c1", { locked_by: "bob", locked_until: new Date().toISOString() })];
    work.lost = null;
    await project.beat();
    expect(work.lost).toMatch(/^bob has it until \d\d:\d\d\.$/);
    fake.taken();
    await project.takeAgain();
    expect(work.lost).toBeNull();
    await project.leave();
    expect(fake.taken()).toEqual(["POST /cases/c1/open", "POST /cases/c1/release"]);
  });

  it("end with the last label: a heartbeat would take the case again", async () => {
    const fake = new FakeProject(undefined, [caseOf("c1", { labels: DONE, state: "done" })]);
    const { project } = await openWork(fake);
    await project.beat();
    expect(beats(fake)).toEqual([]);
  });

  it("may miss the server", async () => {
    const { project, fake, work, messages } = await openWork();
    fake.refuse("/cases/c1/heartbeat", 0, "The server does not answer.");
    await project.beat();
    expect([work.lost, messages]).toEqual([null, []]);
  });
});

describe("presence", () => {
  it("counts until a minute after the last use, and only while the page is seen", () => {
    let label: string | null = "liver";
    const presence = new Presence(() => label, 0);
    presence.used(30_000);
    expect(presence.present(89_000)).toBe(true);
    expect(presence.present(91_000)).toBe(false);
    expect(presence.take(200_000)).toEqual([{ label: "liver", seconds: 90 }]);
    presence.used(300_000);
    presence.show(false, 301_000);
    expect(presence.present(302_000)).toBe(false);
    presence.show(true, 400_000);
    presence.count(402_000);
    label = null;
    expect(presence.take(403_000)).toEqual([
      { label: "liver", seconds: 3 },
      { label: null, seconds: 1 },
    ]);
    expect(presence.take(403_000)).toEqual([]);
  });
});
