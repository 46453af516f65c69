// @vitest-environment happy-dom
/** The page says what a volume is, a click corrects it, and everything that follows from it follows. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it } from "vitest";
import type { VolumeInfo } from "../src/api/wire_types";
import { HandEdits, handLimitsOf, stepOf } from "../src/state/hand_edits";
import { ModalityMenu, ModalityNote } from "../src/ui/modality_menu";
import { ToolOptions } from "../src/ui/tool_options";
import { measuredText, shortNumber } from "../src/volume/measured_values";
import { doubtText } from "../src/volume/modality";
import { surroundingsOf } from "../src/volume/surroundings";
import { objectOf, openSession, settled, stateOf, VOLUME } from "./fake_client";

const MR: VolumeInfo = {
  ...VOLUME,
  modality: "MR",
  modality_source: "values",
  modality_doubt: "The file does not say what it is. … if that is wrong: --modality ct|pet|other.",
  unit: null,
  default_window: [30, 830],
};

function shown(volume: VolumeInfo = MR) {
  const opened = openSession([], volume);
  const root = document.body.appendChild(document.createElement("div"));
  act(() =>
    render(
      <>
        <ModalityMenu session={opened.session} />
        <ModalityNote session={opened.session} />
      </>,
      root,
    ),
  );
  const button = (text: string, from: ParentNode = root) =>
    [...from.querySelectorAll("button")].find(
      (each) => each.textContent === text || each.getAttribute("aria-label") === text,
    );
  const press = async (text: string) => {
    await act(async () => {
      button(text)!.click();
      await settled();
    });
  };
  return { ...opened, root, button, press };
}

afterEach(() => {
  for (const root of document.body.children) render(null, root);
  document.body.replaceChildren();
  localStorage.clear();
});

describe("the note", () => {
  it("says why it may be wrong without an option of the command line, and asks", () => {
    const { root, button } = shown();
    const note = root.querySelector("aside")!;
    expect(note.textContent).toContain("taken for an MR");
    expect(note.textContent).not.toContain("--");
    expect(button("Not an MR?", note)).toBeDefined();
  });

  it("is not there where it is sure, and stays away once it is hidden", async () => {
    expect(shown(VOLUME).root.querySelector("aside")).toBeNull();
    const { root, press } = shown();
    await press("Hide this note");
    expect(root.querySelector("aside")).toBeNull();
    expect(shown().root.querySelector("aside")).toBeNull();
    expect(shown({ ...MR, id: "v2" }).root.querySelector("aside")).not.toBeNull();
  });

  it.each([
    [VOLUME, ""],
    [{ ...MR, modality_source: "given", modality: "CT" } as const, /hardly Hounsfield units/],
    [{ ...MR, modality_source: "given", modality: "PET" } as const, /read as a PET.*of a CT/],
  ])("fits what speaks against it (%#)", (volume, text) => expect(doubtText(volume)).toMatch(text));
});

describe("a correction", () => {
  it("is sent, and unit, window and presets follow", async () => {
    const { session, server, root, press } = shown();
    session.display.set({ window: [1, 2] });
    await press("Not an MR?");
    await press("CT");
    expect(server.taken()).toEqual(["PATCH /volumes/v1"]);
    expect(session.unit).toBe(" HU");
    expect(session.isCt).toBe(true);
    expect(session.display.window).toEqual([-160, 240]);
    expect(root.querySelector("aside")).toBeNull();
    expect(root.textContent).toContain("CT · HU");
  });

  it("of a volume with objects says that the session keeps its model", async () => {
    const { session, send, toasts, press } = shown();
    send("state", stateOf([objectOf("liver", 1)], { modality: "MR", unit: null }));
    await settled();
    session.encoded.axial.add(3);
    await press("Not an MR?");
    await press("CT");
    expect(toasts.at(-1)).toMatch(/this session keeps its model/);
    expect(session.encoded.axial.size).toBe(0);
  });

  it("that fails changes nothing and says why", async () => {
    const { session, server, toasts, press } = shown();
    server.failing = "There is no volume.";
    await press("Not an MR?");
    await press("PET");
    expect(session.volume.modality).toBe("MR");
    expect(toasts).toEqual(["error: There is no volume."]);
  });

  it("of another window is followed", async () => {
    const { session, server, send } = shown(VOLUME);
    server.volume = MR;
    send("state", stateOf([], { modality: "MR", unit: null }));
    await settled();
    expect(session.volume.modality).toBe("MR");
    expect(session.display.window).toEqual([30, 830]);
    send("state", stateOf([], { modality: "MR", unit: null, revision: 1 }));
    await settled();
    expect(server.taken().filter((each) => each.startsWith("GET"))).toEqual(["GET /volumes/v1"]);
  });
});

it("does not repeat the note as a message after an edit", () => {
  const { toasts, send } = shown();
  const end = { job: "j", name: "a", low_end: null, high_end: null, outcome: null };
  send("ended", { ...end, warnings: [MR.modality_doubt, "Another warning."] });
  expect(toasts).toEqual(["info: Another warning."]);
});

describe("limits of strokes", () => {
  it("are those of a CT as the user set them; of other volumes they follow from the window and are not kept", () => {
    new HandEdits().set({ within: [-50, 90], withinOn: true });
    const ofMr = new HandEdits(handLimitsOf(MR));
    expect(ofMr.limits).toEqual({}); // they are off at first
    ofMr.set({ withinOn: true, ball: true });
    expect(ofMr.limits.within).toEqual([230, 830]);
    const ofCt = new HandEdits(handLimitsOf(VOLUME));
    expect([ofCt.limits.within, ofCt.options.ball]).toEqual([[-50, 90], true]);
  });

  it.each([
    [10, 0.1],
    [800, 10],
    [1, 0.01],
  ])("have a step that fits the range %d", (range, step) => expect(stepOf(range)).toBeCloseTo(step, 9));

  it("have the unit of the volume", () => {
    const { session } = openSession([], { ...MR, modality: "PET", unit: "SUV", default_window: [0, 10] });
    session.display.set({ tool: "erase" });
    session.hand.set({ withinOn: true });
    const root = document.body.appendChild(document.createElement("div"));
    act(() => render(<ToolOptions session={session} />, root));
    const [limit] = root.querySelectorAll(".limit");
    expect(limit.textContent).toContain("SUV");
    expect(root.textContent).not.toContain("HU");
    expect(
      [...limit.querySelectorAll("input[type=number]")].map((each) => (each as HTMLInputElement).step),
    ).toEqual(["0.1", "0.1"]);
  });
});

describe("values", () => {
  it.each([
    [2.345, "2.35"],
    [0.0123, "0.0123"],
    [57, "57"],
    [-1024, "-1024"],
    [1234.5, "1235"],
  ])("%d is read as %s", (value, text) => expect(shortNumber(value)).toBe(text));

  it("have no unit in an MR", () => {
    const { session } = openSession([], MR);
    const values = { count: 9, mean: 412.3, sd: 20.1, minimum: 300, maximum: 500 };
    expect(measuredText({ mm2: 312, values }, session.unit)).toBe("412 ± 20.1, 312 mm²");
  });
});

describe("the 3D view", () => {
  it("shows bones and body of a CT only", () => {
    const names = (volume: VolumeInfo) => surroundingsOf(volume).map((each) => each.name);
    expect(names(VOLUME)).toEqual(["with bones", "with body", "objects only"]);
    expect(names(MR)).toEqual(["with the volume", "objects only"]);
    const [{ shown }] = surroundingsOf(MR);
    expect(shown!.low).toBeGreaterThan(30);
    expect(shown!.high).toBe(830);
  });
});
