// @vitest-environment happy-dom
/** The labels of a case in the panel, and the keys that fill them. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CaseLabel } from "../src/api/project";
import type { SegmentedObject } from "../src/api/wire_types";
import type { App } from "../src/state/app";
import { ChosenLabel } from "../src/ui/chosen_label";
import { LabelList } from "../src/ui/label_list";
import { LostCase } from "../src/ui/lost_case";
import { PROJECT_SHORTCUTS } from "../src/ui/project_shortcuts";
import { handleKey, SHORTCUTS } from "../src/ui/shortcuts";
import { objectOf, settled, stateOf } from "./fake_client";
import { caseOf, FakeProject, labelOf, openWork } from "./fake_project";

let stop: () => void = () => undefined;
afterEach(() => {
  stop();
  render(null, document.body);
  vi.unstubAllGlobals();
});

const PROPOSAL: Partial<SegmentedObject> = {
  start: "start_from_mask",
  edits: [{ number: 0, kind: "start_from_mask", slices: [0, 1] }],
};
/** Let the page draw what has changed. */
const drawn = () => act(settled);

async function shown(labels: CaseLabel[], objects: SegmentedObject[] = [], check = false) {
  const fake = new FakeProject(undefined, [caseOf("c1", { state: "in progress", labels })]);
  const opened = await openWork(fake, objects, check);
  const { project, work, session } = opened;
  const show = vi.fn();
  const app = { show, dialog: null, showToast: vi.fn() } as unknown as App;
  const press = (event: KeyboardEvent) =>
    handleKey(event, { app, session, pane: null, panes: new Map(), ofCase: { project, work } });
  addEventListener("keydown", press);
  stop = () => removeEventListener("keydown", press);
  act(() =>
    render(
      <>
        <ChosenLabel work={work} />
        <LabelList app={app} project={project} work={work} />
      </>,
      document.body,
    ),
  );
  await drawn();
  return { ...opened, show };
}

const three = (...states: CaseLabel["state"][]) =>
  ["liver", "spleen", "aorta"].map((name, n) => labelOf(name, { state: states[n] ?? "new" }));
const lines = () => [...document.querySelectorAll(".label-line")].map((each) => each.textContent);
const chosen = () => document.querySelector('.label-name[aria-pressed="true"]')?.textContent;
const button = (text: string) => {
  const found = [...document.querySelectorAll("button")].find((each) =>
    (each.getAttribute("aria-label") ?? each.textContent ?? "").startsWith(text),
  );
  if (!found) throw new Error(`no button ${text}`);
  return found;
};

/** Press a key, named as on a US keyboard: "3", "shift+D". */
async function press(name: string) {
  const shiftKey = name.startsWith("shift+");
  const key = name.replace("shift+", "");
  const code = /\d/.test(key)
    ? `Digit${key}`
    : /[,.]/.test(key)
      ? { ",": "Comma", ".": "Period" }[key]
      : `Key${key}`;
  const target = document.activeElement ?? document.body;
  target.dispatchEvent(
    new KeyboardEvent("keydown", { key, code, shiftKey, bubbles: true, cancelable: true }),
  );
  await settled();
  await drawn();
}

describe("the rows", () => {
  it("say what each label needs", async () => {
    const labels = [
      labelOf("liver", { state: "proposed", certainty: 0.82 }),
      labelOf("spleen", { state: "done", absent: true }),
      labelOf("aorta", { state: "in progress", review: "sent back", note: "too short" }),
    ];
    await shown(labels, [objectOf("liver", 1, PROPOSAL), objectOf("aorta", 2)]);
    expect(lines()).toEqual(["1liver82 %", "2spleenabsent", "3aortasent back"]);
    const dashed = [...document.querySelectorAll(".swatch.dashed")];
    expect(dashed.map((each) => each.closest(".label-line")?.textContent)).toEqual(["1liver82 %"]);
    expect(document.querySelector(".chosen-label")?.textContent).toContain("proposed, 82 % sure");
    await press("3");
    expect(document.querySelector(".chosen-label")?.textContent).toContain("Sent back: too short");
  });

  it("list objects that are no label apart", async () => {
    const { send } = await shown(three());
    send("state", stateOf([objectOf("helper", 1)]));
    await drawn();
    expect(lines()).toHaveLength(3);
    expect(document.querySelector(".objects")?.textContent).toContain("Other objects");
    expect(document.querySelector(".objects")?.textContent).toContain("helper");
  });
});

it("says what to do while a label is drawn and computed, and what done waits for", async () => {
  const { session, work } = await shown(three());
  const advice = () => document.querySelector(".chosen-label > p")?.textContent;
  expect(advice()).toBe("liver: draw a box around it, or say that it is not here.");
  expect(button("Done").disabled).toBe(true);
  session.takePrompt({ plane: "axial", index: 2, prompt: { box: { k: 2, i0: 1, j0: 1, i1: 5, j1: 5 } } });
  await drawn();
  expect(advice()).toBe("liver: press Enter to propagate the preview.");
  void session.propagate();
  void work.finish("liver"); // before the server has answered
  await drawn();
  expect(advice()).toBe("liver: done as soon as its edits have ended.");
  expect(lines()[0]).toContain("waits for its edits");
  expect(session.colourOfId(session.idOf("liver"))).toBe(session.colourOf("liver"));
});

describe("the keys", () => {
  it("choose labels by number, and by going on and back", async () => {
    const { session } = await shown(three());
    expect(chosen()).toContain("liver");
    await press("3");
    expect(chosen()).toContain("aorta");
    await press(".");
    expect(chosen()).toContain("liver");
    await press(",");
    expect(chosen()).toContain("aorta");
    await press("7");
    expect(chosen()).toContain("aorta");
    expect(session.target).toEqual({ kind: "new", name: "aorta" });
  });

  it("fill a case from the first label to the next case", async () => {
    const { fake, send } = await shown(three("proposed"), [objectOf("liver", 1, PROPOSAL)]);
    await press("shift+D");
    expect(chosen()).toContain("spleen");
    await press("shift+X");
    expect(chosen()).toContain("aorta");
    send("state", stateOf([objectOf("aorta", 2)]));
    await settled();
    await press("shift+D");
    expect(document.querySelector(".label-list > [role=status]")?.textContent).toBe("aorta: Done.");
    fake.next = { case: "c2", volume: "v2", session: "s2" };
    await press("shift+N");
    expect(fake.taken()).toEqual([
      "POST /cases/c1/labels/liver/done",
      "POST /cases/c1/labels/spleen/done",
      "POST /cases/c1/labels/aorta/done",
      "POST /next",
      "POST /cases/c1/release",
    ]);
  });

  it("reopen a label that is done, and lock and unlock others", async () => {
    const { fake, server } = await shown(three("done", "in progress"), [
      objectOf("liver", 1, { locked: true }),
      objectOf("spleen", 2),
    ]);
    await press("1");
    await press("k");
    expect(fake.taken()).toEqual(["POST /cases/c1/labels/liver/reopen"]);
    server.requests.splice(0);
    await press("2");
    await press("k");
    expect(server.requests.map((each) => each.body)).toEqual([{ locked: true }]);
  });

  it("go back to the worklist", async () => {
    const { fake } = await shown(three());
    await press("shift+W");
    expect(fake.taken()).toEqual(["POST /cases/c1/release"]);
  });

  it("leave the tools and the windows alone", async () => {
    const { session, fake } = await shown(three());
    await press("d");
    expect(session.display.tool).toBe("brush");
    await press("n");
    expect(session.display.tool).toBe("negative");
    const before = session.display.window;
    await press("1");
    expect(session.display.window).toEqual(before);
    await press("shift+2");
    expect(session.display.window).not.toEqual(before);
    expect(fake.taken()).toEqual([]);
  });

  it("have one meaning each, and none of another shortcut that is not replaced on purpose", () => {
    const own = PROJECT_SHORTCUTS.flatMap((each) => each.bindings);
    expect(new Set(own).size).toBe(own.length);
    const others = new Set(SHORTCUTS.flatMap((each) => each.bindings));
    expect(own.filter((each) => others.has(each))).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
      "6",
      "7",
      ",",
      ".",
      "k",
    ]);
  });
});

describe("a check", () => {
  const done = () =>
    ["liver", "spleen", "aorta"].map((name) => labelOf(name, { state: "done", annotator: "bob" }));
  const objects = () =>
    ["liver", "spleen", "aorta"].map((name, n) => objectOf(name, n + 1, { locked: true }));
  const outcomes = (fake: FakeProject) =>
    fake.requests.filter((each) => each.path.endsWith("/check")).map((each) => each.body);

  it("agrees, corrects and sends back by keys", async () => {
    const { fake, send } = await shown(done(), objects(), true);
    expect(document.querySelector(".chosen-label")?.textContent).toContain("done by bob. Is it right?");
    await press("shift+D");
    await press("k");
    const corrected = [...objects()[1].edits, { number: 9, kind: "correct", slices: [1] }];
    send("state", stateOf(objects().map((each, n) => (n === 1 ? { ...each, edits: corrected } : each))));
    await settled();
    await press("shift+D");
    expect(chosen()).toContain("aorta");
    await press("shift+B");
    const field = document.querySelector<HTMLInputElement>(".note-field input")!;
    expect(document.activeElement).toBe(field);
    field.value = " too short ";
    field.form!.requestSubmit();
    await settled();
    expect(outcomes(fake)).toEqual([
      { outcome: "agreed", note: "" },
      { outcome: "corrected", note: "", session: "s1", absent: false },
      { outcome: "sent back", note: "too short" },
    ]);
  });

  it("gives up the note with Esc", async () => {
    const { fake } = await shown(done(), objects(), true);
    await press("shift+B");
    const key = new KeyboardEvent("keydown", { key: "Escape", bubbles: true });
    document.querySelector(".note-field input")!.dispatchEvent(key);
    await drawn();
    expect(document.querySelector(".note-field")).toBeNull();
    expect(outcomes(fake)).toEqual([]);
  });
});

it("says who has a case that was lost, and takes it again", async () => {
  const { project, fake, work } = await openWork();
  work.lost = "bob has c1 until 14:05.";
  render(<LostCase project={project} work={work} />, document.body);
  expect(document.querySelector("[role=alert]")?.textContent).toContain("bob has c1 until 14:05.");
  button("Take it again").click();
  await settled();
  expect(fake.taken()).toEqual(["POST /cases/c1/open"]);
  expect(work.lost).toBeNull();
});
