/** Prompts, bounds, events and shortcuts. */
import { describe, expect, it } from "vitest";
import { EventParser } from "../src/api/event_stream";
import { promptAction } from "../src/state/prompt_action";
import { type DrawnPrompt, freeName, newDraft, withBound } from "../src/state/prompt_draft";
import { scaleBar } from "../src/view/overlay_pen";
import { Geometry } from "../src/volume/coordinates";
import { polygonPixels, strokePixels } from "../src/volume/stroke_pixels";
import grids from "./fixtures/grids.json";

const geometry = new Geometry(grids.usual as unknown as ConstructorParameters<typeof Geometry>[0]);

describe("events", () => {
  it("puts an event together from pieces, past comments", () => {
    const parser = new EventParser();
    expect(parser.push(": keep-alive\n\nid: 3\nevent: sli")).toEqual([]);
    expect(parser.push('ce\ndata: {"a":\ndata: 1}\n\n')).toEqual([
      { id: "3", name: "slice", data: '{"a":\n1}' },
    ]);
  });
});

describe("bounds", () => {
  const draft = newDraft("liver", { plane: "axial", index: 2, prompt: { point: [0, 0, 2], positive: true } });

  it("guesses the other end and marks it as a guess", () => {
    const next = withBound(draft, geometry.grids.axial, "high", 3);
    expect(next.bounds).toEqual([0, 3]);
    expect(next.boundSet).toEqual({ low: false, high: true });
  });

  it("keeps the prompt inside, and the volume around", () => {
    expect(withBound(draft, geometry.grids.axial, "high", 0).bounds![1]).toBe(2);
    expect(withBound(draft, geometry.grids.axial, "low", -5).bounds![0]).toBe(0);
  });
});

describe("a drawn prompt", () => {
  const on = (index: number, prompt: DrawnPrompt["prompt"]): DrawnPrompt => ({
    plane: "axial",
    index,
    prompt,
  });
  const point = (positive: boolean) => ({ point: [0, 0, 2] as [number, number, number], positive });
  const box = geometry.grids.axial.box(2, [0, 0], [1, 1]);
  const draft = { plane: "axial", index: 2 } as const;

  const none = { kind: "new" } as const;
  const liver = { kind: "object", name: "liver", id: 1 } as const;
  const axial = { plane: "axial", locked: false } as const;

  it("starts an object where there is nothing to correct", () => {
    expect(promptAction(on(2, point(true)), null, none, null).kind).toBe("start object");
    expect(promptAction(on(2, point(false)), null, none, null).kind).toBe("refuse");
    expect(promptAction(on(2, box), null, none, null).kind).toBe("start object");
  });

  it("corrects the draft on its slice, and waits elsewhere", () => {
    const correction = point(false);
    expect(promptAction(on(2, correction), draft, none, null)).toEqual({ kind: "correct draft", correction });
    expect(promptAction(on(3, correction), draft, liver, axial).kind).toBe("refuse");
    expect(promptAction(on(2, box), draft, none, null).kind).toBe("start object");
    const negative = { ...box, positive: false };
    expect(promptAction(on(2, negative), draft, none, null).kind).toBe("correct draft");
  });

  it("corrects the target, with a prompt of any kind", () => {
    for (const correction of [point(false), box, { ...box, positive: false }]) {
      const action = promptAction(on(3, correction), null, liver, axial);
      expect(action).toEqual({ kind: "correct object", name: "liver", correction });
    }
  });

  it("corrects an object of another plane by points only", () => {
    const coronal = { plane: "coronal", locked: false } as const;
    expect(promptAction(on(2, point(true)), null, liver, coronal).kind).toBe("correct object");
    const refused = promptAction(on(2, box), null, liver, coronal);
    expect(refused).toMatchObject({ kind: "refuse" });
    expect((refused as { message: string }).message).toContain("coronal slices");
  });

  it("waits for an object that is still being segmented, and starts no other one", () => {
    for (const drawn of [point(true), point(false)])
      expect(promptAction(on(2, drawn), null, liver, null)).toEqual({
        kind: "refuse",
        message: expect.stringContaining("liver is still being segmented"),
      });
  });

  it("leaves a locked object alone", () => {
    expect(promptAction(on(2, point(true)), null, liver, { ...axial, locked: true }).kind).toBe("refuse");
  });
});

it("takes the first free name", () => expect(freeName(["object 1", "liver"])).toBe("object 2"));

describe("painting", () => {
  const grid = geometry.grids.axial;

  it("paints a round dab of its radius in mm", () => {
    expect([...strokePixels(grid, [[1, 1]], 0.85)]).toEqual([0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0]);
    expect([...strokePixels(grid, [[1, 1]], 0.05)]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("fills a lasso", () => {
    const corners: [number, number][] = [
      [0.5, -0.5],
      [2.5, -0.5],
      [2.5, 1.5],
      [0.5, 1.5],
    ];
    expect([...polygonPixels(grid, corners)]).toEqual([0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
  });
});

it("chooses a round scale bar that has room", () => {
  expect(scaleBar(1.5, 160)).toEqual({ mm: 100, px: 150 });
  expect(scaleBar(20, 160).mm).toBe(5);
});
