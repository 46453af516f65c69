// @vitest-environment happy-dom
/** The start page of a project: progress, the worklist, the next case, learning. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ProjectCase } from "../src/api/project";
import type { App } from "../src/state/app";
import { learningText, offerText } from "../src/ui/learning_card";
import { ProjectPage } from "../src/ui/project_page";
import { settled } from "./fake_client";
import { caseOf, FakeProject, infoOf, labelOf, openProject } from "./fake_project";

class FakeObserver {
  observe() {}
  disconnect() {}
}

beforeEach(() => vi.stubGlobal("ResizeObserver", FakeObserver));
afterEach(() => {
  render(null, document.body);
  vi.unstubAllGlobals();
});

async function shown(fake = new FakeProject()) {
  const opened = await openProject(fake);
  const show = vi.fn();
  const app = { dialog: null, subscribe: () => () => undefined, show } as unknown as App;
  render(<ProjectPage app={app} project={opened.project} />, document.body);
  await new Promise((resolve) => setTimeout(resolve));
  return { ...opened, show };
}

const rows = () => [...document.querySelectorAll<HTMLElement>("[data-row]")];
const names = () => rows().map((each) => each.querySelector(".case-open")?.textContent);
const button = (text: string) => {
  const found = [...document.querySelectorAll("button")].find((each) =>
    (each.getAttribute("aria-label") ?? each.textContent ?? "").startsWith(text),
  );
  if (!found) throw new Error(`no button ${text}`);
  return found;
};
const press = async (key: string, target: Element = document.body) => {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, code: `Key${key.toUpperCase()}`, bubbles: true }));
  await settled();
};

const CASES: ProjectCase[] = [
  caseOf("c3", { position: 3, state: "in progress", locked_by: "bob", locked_until: "2026-11-28T09:00:00Z" }),
  caseOf("c1", { position: 1, note: "arm up", assigned: "ada" }),
  caseOf("c2", {
    position: 2,
    state: "done",
    labels: [
      labelOf("liver", { state: "done", annotator: "bob", actions: 3, seconds: 90 }),
      labelOf("spleen", { state: "done", absent: true, annotator: "bob" }),
      labelOf("aorta", { state: "done", annotator: "bob", actions: 1, seconds: 30 }),
    ],
  }),
  caseOf("c4", { position: 4, state: "excluded", excluded: "no contrast" }),
];

describe("the worklist", () => {
  it("shows cases that are not done, in the order in which they are offered", async () => {
    await shown(new FakeProject(undefined, CASES));
    expect(names()).toEqual(["c1", "c3"]);
    expect(rows()[1].textContent).toMatch(/In progress.*bob, until/);
    expect(document.querySelector(".progress")?.textContent).toContain(
      "1 of 3 cases done · 1 in progress · 1 excluded",
    );
  });

  it("names the state of each label beside its mark", async () => {
    await shown(new FakeProject(undefined, CASES));
    button("Done").click();
    await new Promise((resolve) => setTimeout(resolve));
    expect(names()).toEqual(["c2"]);
    const marks = [...rows()[0].querySelectorAll(".state-mark")];
    expect(marks.map((each) => each.getAttribute("aria-label"))).toEqual([
      "liver: Done",
      "spleen: Done, not in this case",
      "aorta: Done",
    ]);
    expect(new Set(marks.map((each) => each.querySelector("path")?.getAttribute("d"))).size).toBe(2);
    expect(rows()[0].textContent).toContain("42.0"); // actions, minutes
  });

  it("is narrowed by a search", async () => {
    await shown(new FakeProject(undefined, CASES));
    const field = document.querySelector<HTMLInputElement>("input[type=search]")!;
    field.value = "arm";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve));
    expect(names()).toEqual(["c1"]);
  });

  it("opens a case, and for a reviewer a check", async () => {
    const { fake } = await shown(new FakeProject(undefined, CASES));
    button("c3").click();
    await settled();
    button("All").click();
    await new Promise((resolve) => setTimeout(resolve));
    button("Check c2").click();
    await settled();
    button("c2").click(); // it is done: nothing but a check is left
    await settled();
    expect(fake.requests.filter((each) => each.path.endsWith("/open"))).toMatchObject([
      { path: "/project/cases/c3/open", body: {} },
      { path: "/project/cases/c2/open", body: { check: true } },
      { path: "/project/cases/c2/open", body: { check: true } },
    ]);
  });

  it("offers no check to annotators", async () => {
    await shown(new FakeProject(infoOf({ role: "annotator" }), CASES));
    button("All").click();
    await new Promise((resolve) => setTimeout(resolve));
    expect(() => button("Check c2")).toThrow();
    expect(() => button("Log")).toThrow();
  });

  it("draws few rows of thousands, and goes through them by arrow keys", async () => {
    const many = Array.from({ length: 5000 }, (_, n) => caseOf(`c${n}`, { position: n }));
    await shown(new FakeProject(undefined, many));
    expect(rows().length).toBeLessThan(60);
    expect(document.querySelector("table")?.getAttribute("aria-rowcount")).toBe("5001");
    const open = (n: number) => document.querySelector<HTMLElement>(`[data-row="${n}"] .case-open`)!;
    open(0).focus();
    const down = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true });
    open(0).dispatchEvent(down);
    await new Promise((resolve) => setTimeout(resolve));
    expect(document.activeElement).toBe(open(1));
    expect(down.defaultPrevented).toBe(true);
  });
});

describe("the next case", () => {
  it.each(["n", "Enter"])("opens with %s", async (key) => {
    const { fake } = await shown();
    await press(key);
    expect(fake.taken()).toEqual(["POST /next"]);
  });

  it("does not open while one types, or from a button that Enter presses", async () => {
    const { fake } = await shown();
    await press("n", document.querySelector("input[type=search]")!);
    await press("Enter", button("c1"));
    expect(fake.taken()).toEqual([]);
  });

  it("says why there is none", async () => {
    const fake = new FakeProject();
    fake.next = null;
    await shown(fake);
    await press("n");
    await new Promise((resolve) => setTimeout(resolve));
    expect(document.querySelector("[role=alert]")?.textContent).toBe("Every case is done.");
  });
});

const OFFER = {
  round: 2,
  trained_on: 10,
  compared_on: 4,
  actions_before: 4.6,
  actions_after: 3.1,
  difference: -1.5,
  low: -2.2,
  high: -0.7,
};

describe("learning", () => {
  it("is a quiet line", () => {
    const learning = { progress: 0.4, message: "Learns from 10 finished cases", next_after: 0 };
    expect(learningText({ ...learning, state: "running" })).toBe("Learns from 10 finished cases … 40 %");
    expect(learningText({ ...learning, state: "paused" })).toContain("40 %, paused while you click");
    expect(learningText({ ...learning, state: "waiting", next_after: 1 })).toBe(
      "Learns after one more finished case.",
    );
  });

  it("offers new weights to the owner, with what they save", async () => {
    expect(offerText(OFFER)).toBe(
      "New weights: 3.1 instead of 4.6 actions per object, on 4 cases that they did not learn from " +
        "(−1.5 [−2.2, −0.7]).",
    );
    expect(offerText({ ...OFFER, low: null, high: null })).toMatch(/learn from \(−1\.5\)\.$/);
    const { fake } = await shown(new FakeProject(infoOf({ offer: OFFER })));
    button("Accept").click();
    await settled();
    button("Keep the present ones").click();
    await settled();
    expect(fake.taken()).toEqual(["POST /rounds/2/accept", "POST /rounds/2/decline"]);
  });

  it("asks nobody but the owner", async () => {
    await shown(new FakeProject(infoOf({ offer: OFFER, role: "reviewer" })));
    expect(() => button("Accept")).toThrow();
    expect(() => button("Weights")).toThrow();
  });

  it("goes back to the weights before", async () => {
    const { fake, messages } = await shown(new FakeProject(infoOf({ weights: { round: 2 } })));
    button("Weights: round 2").click();
    await new Promise((resolve) => setTimeout(resolve));
    button("Go back").click();
    await settled();
    expect(fake.taken()).toEqual(["POST /weights/back"]);
    expect(messages).toEqual(["done: The weights before are in use again."]);
  });
});
