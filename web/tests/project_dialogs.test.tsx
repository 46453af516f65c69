// @vitest-environment happy-dom
/** What a project has besides its worklist: the curve, rounds, people, the log, notes of a case. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it } from "vitest";
import type { CurvePoint } from "../src/api/project";
import type { App } from "../src/state/app";
import { CaseDialog } from "../src/ui/case_dialog";
import { CurveView, meanOf } from "../src/ui/curve_view";
import { CurveDialog, LogDialog, RolesDialog, RoundsDialog } from "../src/ui/project_dialogs";
import { settled } from "./fake_client";
import { caseOf, FakeProject, infoOf, openProject } from "./fake_project";

afterEach(() => render(null, document.body));

const app = { show: () => undefined } as unknown as App;

async function shown(Dialog: typeof CurveDialog | typeof CaseDialog, fake: FakeProject) {
  const opened = await openProject(fake);
  opened.project.shownCase = "c1";
  await act(async () => {
    render(<Dialog app={app} project={opened.project} />, document.body);
    await settled();
  });
  return opened;
}

const rows = (name: string) =>
  [...document.querySelectorAll(`[aria-label="${name}"] tbody tr`)].map((row) =>
    [...row.children].map((each) => each.textContent),
  );
const button = (text: string) =>
  [...document.querySelectorAll("button")].find((each) => each.textContent?.startsWith(text));
const typed = (label: string, text: string) => {
  const field = [...document.querySelectorAll<HTMLLabelElement>("label")].find((each) =>
    each.textContent?.startsWith(label),
  )!;
  const input = field.querySelector("input")!;
  input.value = text;
  input.form!.requestSubmit();
  return settled();
};

const POINTS: CurvePoint[] = [
  { case: "c1", order: 1, labels: 3, actions: 12, seconds: 300, round: null },
  { case: "c2", order: 2, labels: 3, actions: 8, seconds: 240, round: null },
  { case: "c3", order: 3, labels: 3, actions: 4, seconds: 90, round: 1 },
];

describe("the curve", () => {
  it("has a dot per case, lower where there were fewer actions, and a mark where the weights changed", () => {
    render(
      <CurveView title="Actions per case" points={POINTS} value={(each) => each.actions} />,
      document.body,
    );
    const dots = [...document.querySelectorAll("circle")].map((each) => [
      Number(each.getAttribute("cx")),
      Number(each.getAttribute("cy")),
    ]);
    expect(dots).toHaveLength(3);
    expect(dots[0][0]).toBeLessThan(dots[1][0]);
    expect(dots[0][1]).toBeLessThan(dots[2][1]); // more actions are higher up
    const change = document.querySelector(".change line")!;
    const at = Number(change.getAttribute("x1"));
    expect(dots[1][0] < at && at < dots[2][0]).toBe(true);
    expect(document.querySelector(".change text")?.textContent).toBe("round 1");
    expect([...document.querySelectorAll(".tick text")].map((each) => each.textContent)).toEqual([
      "0",
      "5",
      "10",
      "15",
    ]);
  });

  it("stays drawn for one case without actions, and means few values", () => {
    const point = { ...POINTS[0], actions: 0 };
    render(<CurveView title="Actions" points={[point]} value={(each) => each.actions} />, document.body);
    expect(document.querySelector("circle")?.getAttribute("cy")).not.toContain("NaN");
    expect(meanOf([10, 0, 5, 5, 5, 5, 5])).toEqual([10, 5, 5, 5, 5, 4, 5]);
  });

  it("has its numbers in a table, too", async () => {
    const fake = new FakeProject();
    fake.answers.set("/project/curve", POINTS);
    await shown(CurveDialog, fake);
    expect(rows("Actions and minutes of each case")).toEqual([
      ["1", "c1", "3", "12", "5.0", "first weights"],
      ["2", "c2", "3", "8", "4.0", "first weights"],
      ["3", "c3", "3", "4", "1.5", "round 1 (new)"],
    ]);
  });
});

it("says of each round what it gave, and which is in use", async () => {
  const fake = new FakeProject(infoOf({ weights: { round: 2 } }));
  const round = {
    started: "",
    ended: "",
    trained_on: ["a", "b"],
    compared_on: ["c"],
    progress: 1,
    message: "",
  };
  const scores = { actions_before: 4.6, actions_after: 3.1, difference: -1.5, low: -2.2, high: -0.7 };
  fake.answers.set("/project/rounds", [
    { ...round, number: 1, state: "dropped", scores: {}, message: "Two patients are too few to compare." },
    { ...round, number: 2, state: "accepted", scores },
  ]);
  await shown(RoundsDialog, fake);
  expect(rows("Rounds").map((each) => [each[0], each[1], each[4]])).toEqual([
    [
      "2",
      "Accepted, in use",
      "3.1 instead of 4.6 actions per object, on 1 case that they did not learn from (−1.5 [−2.2, −0.7])",
    ],
    ["1", "Dropped", "Two patients are too few to compare."],
  ]);
});

it("shows the log", async () => {
  const fake = new FakeProject();
  const line = { time: "", by: "ada", what: "done", case: "c1", label: "liver", detail: "" };
  fake.answers.set("/project/log?limit=500", [line]);
  await shown(LogDialog, fake);
  expect(rows("Log, the latest line first")).toEqual([["", "ada", "done", "c1", "liver", ""]]);
});

it("gives roles to people", async () => {
  const fake = new FakeProject();
  fake.answers.set("/project/roles", { ada: "owner", bob: "annotator" });
  fake.answers.set("/project/agreement", [{ label: "liver", cases: 2, dice: 0.9312 }]);
  await shown(RolesDialog, fake);
  expect(rows("Agreement")).toEqual([["liver", "2", "0.931"]]);
  const select = document.querySelector<HTMLSelectElement>('[aria-label="Role of bob"]')!;
  select.value = "reviewer";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await settled();
  await typed("User", " cleo ");
  expect(fake.requests.filter((each) => each.method === "PUT").map((each) => each.body)).toEqual([
    { user: "bob", role: "reviewer" },
    { user: "cleo", role: "annotator" },
  ]);
});

describe("a case", () => {
  const patches = (fake: FakeProject) =>
    fake.requests.filter((each) => each.method === "PATCH").map((each) => each.body);

  it("has a note of everybody, and is assigned and excluded by the owner", async () => {
    const fake = new FakeProject();
    fake.answers.set("/project/roles", { ada: "owner", bob: "annotator" });
    fake.answers.set("/project/log?case=c1&limit=200", []);
    await shown(CaseDialog, fake);
    await typed("Note", "arm up");
    const select = document.querySelector("select")!;
    select.value = "bob";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    await typed("Exclude", " ");
    await typed("Exclude", "no contrast");
    expect(patches(fake)).toEqual([{ note: "arm up" }, { assigned: "bob" }, { excluded: "no contrast" }]);
  });

  it("that is excluded is included again", async () => {
    const fake = new FakeProject(undefined, [caseOf("c1", { state: "excluded", excluded: "no contrast" })]);
    fake.answers.set("/project/roles", {});
    fake.answers.set("/project/log?case=c1&limit=200", []);
    await shown(CaseDialog, fake);
    button("Include")!.click();
    await settled();
    expect(patches(fake)).toEqual([{ excluded: "" }]);
  });

  it("shows an annotator the note, and nothing that an owner decides", async () => {
    await shown(CaseDialog, new FakeProject(infoOf({ role: "annotator" })));
    expect(document.querySelector("select")).toBeNull();
    expect(button("Exclude")).toBeUndefined();
    expect(button("Save the note")).toBeDefined();
  });
});
