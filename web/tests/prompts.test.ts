/** Prompts, bounds, events and shortcuts. */
import { describe, expect, it } from "vitest";
import { EventParser } from "../src/api/event_stream";
import { freeName, newDraft, withBound } from "../src/state/prompt_draft";
import { SHORTCUTS } from "../src/ui/shortcuts";
import { fillPolygon, paintStroke } from "../src/view/mask_painting";
import { scaleBar } from "../src/view/overlay_pen";
import { Geometry } from "../src/volume/coordinates";
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
  const draft = newDraft("liver", "axial", 2, { point: [0, 0, 2], positive: true });

  it("guesses the other end and marks it as a guess", () => {
    const next = withBound(draft, geometry.grids.axial, "high", 3);
    expect(next.bounds).toEqual([0, 3]);
    expect(next.said).toEqual({ low: false, high: true });
  });

  it("keeps the prompt inside, and the volume around", () => {
    expect(withBound(draft, geometry.grids.axial, "high", 0).bounds![1]).toBe(2);
    expect(withBound(draft, geometry.grids.axial, "low", -5).bounds![0]).toBe(0);
  });
});

it("takes the first free name", () => expect(freeName(["object 1", "liver"])).toBe("object 2"));

it("gives every key one meaning", () => {
  const keys = SHORTCUTS.flatMap((each) => each.on);
  expect(new Set(keys).size).toBe(keys.length);
});

describe("painting", () => {
  const grid = geometry.grids.axial;

  it("paints a round dab of its diameter in mm", () => {
    const mask = new Uint8Array(grid.cols * grid.rows);
    paintStroke(mask, grid, [1, 1], [1, 1], 1.7, 1);
    expect([...mask]).toEqual([0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0]);
    paintStroke(mask, grid, [1, 1], [1, 1], 0.1, 0);
    expect(mask[grid.cols + 1]).toBe(0);
  });

  it("fills a lasso", () => {
    const mask = new Uint8Array(grid.cols * grid.rows);
    fillPolygon(mask, grid, [
      [0.5, -0.5],
      [2.5, -0.5],
      [2.5, 1.5],
      [0.5, 1.5],
    ]);
    expect([...mask]).toEqual([0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
  });
});

it("chooses a round scale bar that has room", () => {
  expect(scaleBar(1.5, 160)).toEqual({ mm: 100, px: 150 });
  expect(scaleBar(20, 160).mm).toBe(5);
});
