/** Measurements are kept on the server, undone by themselves, and have the right values on every grid. */
import { describe, expect, it, vi } from "vitest";
import type { Measurement } from "../src/api/measurements";
import type { Ijk, PlaneName } from "../src/api/wire_types";
import { PLANES } from "../src/api/wire_types";
import { Measurements } from "../src/state/measurements";
import { measurementAt, measuring } from "../src/view/measuring";
import type { SlicePane } from "../src/view/slice_pane";
import { Geometry } from "../src/volume/coordinates";
import { measuredText, measuredValues } from "../src/volume/measured_values";
import { measurementTable } from "../src/volume/measurement_table";
import { FakeServer, objectOf, openSession } from "./fake_client";
import grids from "./fixtures/grids.json";

type Grid = ConstructorParameters<typeof Geometry>[0];
const cases = Object.entries(grids as unknown as Record<string, Grid>);
const usual = new Geometry(cases[0][1]);

const length: Measurement = {
  kind: "length",
  plane: "axial",
  points: [
    [0, 0, 2],
    [2, 0, 2],
  ],
};
const other: Measurement = { ...length, points: [length.points[1], [2, 3, 2]] };

function listOn(server: FakeServer, showError = vi.fn()): Measurements {
  return new Measurements(server.client, "s1", showError);
}

describe("the list", () => {
  it("is on the server after every change, and comes back from it", async () => {
    const server = new FakeServer();
    const list = listOn(server);
    list.add(length);
    list.add(other);
    list.remove(length);
    await vi.waitFor(() => expect(server.measurements).toEqual([other]));
    const reloaded = listOn(server);
    await reloaded.load();
    expect(reloaded.list).toEqual([other]);
  });

  it("keeps what was measured before it arrived", async () => {
    const server = new FakeServer();
    server.measurements = [length];
    const list = listOn(server);
    list.add(other);
    await list.load();
    await vi.waitFor(() => expect(list.list).toEqual([length, other]));
    list.undo();
    expect(list.list).toEqual([length]);
  });

  it("undoes and redoes every kind of change, and an angle that is begun first", () => {
    const list = listOn(new FakeServer());
    list.add(length);
    list.replace(length, other);
    list.removeAll();
    expect(list.list).toEqual([]);
    list.start(length);
    expect(list.undo()).toBe(true);
    expect([list.started, list.list]).toEqual([null, []]);
    list.undo();
    expect(list.list).toEqual([other]);
    list.undo();
    expect(list.list).toEqual([length]);
    list.redo();
    expect(list.list).toEqual([other]);
    list.undo();
    list.undo();
    expect([list.list, list.undo(), list.canUndo]).toEqual([[], false, false]);
  });

  it("says when the server did not take it, and sends it with the next change", async () => {
    const server = new FakeServer();
    const showError = vi.fn();
    const list = listOn(server, showError);
    await list.load();
    server.failing = "The disk is full.";
    list.add(length);
    await vi.waitFor(() =>
      expect(showError).toHaveBeenCalledWith("The measurements are not saved: The disk is full."),
    );
    expect(list.list).toEqual([length]);
    server.failing = null;
    list.add(other);
    await vi.waitFor(() => expect(server.measurements).toEqual([length, other]));
  });
});

describe("Ctrl+Z with the tool Measure", () => {
  function opened() {
    const { session, server, toasts } = openSession([objectOf("liver", 1)]);
    session.display.set({ tool: "measure" });
    return { session, server, toasts };
  }

  it("takes back the last measurement and never an edit", async () => {
    const { session, server, toasts } = opened();
    session.measurements.add(length);
    expect(session.canUndo).toBe(true);
    await session.undo();
    expect(session.measurements.list).toEqual([]);
    expect(session.canUndo).toBe(false);
    await session.undo();
    expect(toasts).toEqual([expect.stringContaining("no measurement to undo")]);
    await session.redo();
    expect(session.measurements.list).toEqual([length]);
    expect(server.taken().join()).not.toContain("POST");
  });

  it("leaves measurements alone with any other tool", async () => {
    const { session, server } = opened();
    session.measurements.add(length);
    session.display.set({ tool: "point" });
    await session.undo();
    expect(server.taken()).toContain("POST /undo");
    expect(session.measurements.list).toEqual([length]);
  });
});

describe.each(cases)("values on the grid %s", (_, given) => {
  const geometry = new Geometry(given);

  it.each(PLANES)("%s: lengths, angles and areas are those of the patient", (plane) => {
    const grid = geometry.grids[plane];
    const at = (x: number, y: number) => grid.xyToIjk(1, x, y);
    const measure = (kind: Measurement["kind"], ...points: Ijk[]) =>
      measuredValues({ kind, plane, points }, geometry, null);
    expect(measure("length", at(0, 0), at(2, 1)).mm).toBeCloseTo(Math.hypot(2 * grid.colMm, grid.rowMm), 6);
    expect(measure("angle", at(1, 0), at(0, 0), at(0, 2)).degrees).toBeCloseTo(90, 6);
    expect(measure("angle", at(1, 1), at(0, 0), at(1, 0)).degrees).toBeCloseTo(
      (Math.atan(grid.rowMm / grid.colMm) * 180) / Math.PI,
      6,
    );
    const box = 2 * grid.colMm * grid.rowMm;
    expect(measure("rectangle", at(2, 1), at(0, 0)).mm2).toBeCloseTo(box, 6);
    expect(measure("ellipse", at(0, 1), at(2, 0)).mm2).toBeCloseTo((box * Math.PI) / 4, 6);
  });

  it.each(PLANES)("%s: a region has the voxels that are seen in it", (plane) => {
    const grid = geometry.grids[plane];
    const voxels = new Int16Array(geometry.voxels);
    voxels[geometry.offset(grid.xyToIjk(1, 0, 1))] = 30;
    voxels[geometry.offset(grid.xyToIjk(1, 1, 1))] = 60;
    voxels[geometry.offset(grid.xyToIjk(1, 1, 2))] = 7000;
    const region = { plane, points: [grid.xyToIjk(1, -0.4, 0.6), grid.xyToIjk(1, 1.4, 1.4)] };
    const { values } = measuredValues({ kind: "rectangle", ...region }, geometry, voxels);
    expect(values).toEqual({ count: 2, mean: 45, sd: 15, minimum: 30, maximum: 60 });
    const tall = { plane, points: [grid.xyToIjk(1, -0.4, 0.1), grid.xyToIjk(1, 2.4, 1.9)] };
    expect(measuredValues({ kind: "ellipse", ...tall }, geometry, voxels).values?.count).toBe(3);
  });
});

describe("values in words", () => {
  it.each([
    [{ mm: 23.44 }, "23.4 mm"],
    [{ degrees: 45.25 }, "45.3°"],
    [{ mm2: 312.4, values: null }, "312 mm²"],
    [
      { mm2: 31.24, values: { count: 3, mean: -54.26, sd: 12.04, minimum: 0, maximum: 1 } },
      "-54.3 ± 12 HU, 31.2 mm²",
    ],
  ])("%o", (values, text) => expect(measuredText(values, " HU")).toBe(text));

  it("fill a table, without a unit where the volume has none", () => {
    const region: Measurement = {
      ...length,
      kind: "rectangle",
      points: [
        [0, 0, 2],
        [2, 3.25, 2],
      ],
    };
    const table = measurementTable([length, region], usual, () => new Int16Array(60).fill(5), "");
    expect(table.split("\r\n")).toEqual([
      "kind,plane,slice,length_mm,angle_degrees,area_mm2,voxels,mean,sd,minimum,maximum,unit,points_ijk",
      "length,axial,2,1.4,,,,,,,,,0 0 2; 2 0 2",
      "rectangle,axial,2,,,3.64,12,5,0,5,5,,0 0 2; 2 3.25 2",
      "",
    ]);
  });
});

/** A pane of 20 pixels per voxel, without a screen. */
function paneOf(plane: PlaneName, geometry = usual) {
  const session = { measurements: listOn(new FakeServer()), geometry };
  const grid = geometry.grids[plane];
  const placement = { left: 0, top: 0, scaleX: 20, scaleY: 20 };
  return { session, grid, plane, index: 1, placement, reachPx: 7 } as unknown as SlicePane;
}

function drag(pane: SlicePane, from: [number, number], to: [number, number]): void {
  const gesture = measuring(pane, from);
  gesture.move(to, 0, 0);
  gesture.end?.(true);
}

describe.each(PLANES)("the tool on the %s plane", (plane) => {
  const grid = usual.grids[plane];

  it("measures what is dragged, clipped to the slice", () => {
    const pane = paneOf(plane);
    drag(pane, [0.5, 1.25], [99, 2]);
    const end = grid.xyToIjk(1, grid.cols - 0.5, 2);
    expect(pane.session.measurements.list).toEqual([
      { kind: "length", plane, points: [grid.xyToIjk(1, 0.5, 1.25), end] },
    ]);
  });

  it("moves an end that is dragged, and the whole where its line is", () => {
    const pane = paneOf(plane);
    const { measurements } = pane.session;
    drag(pane, [0, 0], [2, 2]);
    drag(pane, [2, 2.1], [2, 3]);
    expect(measurements.list[0].points[1]).toEqual(grid.xyToIjk(1, 2, 3));
    drag(pane, [1, 1.5], [1.25, 1.5]);
    expect(measurements.list).toEqual([
      { kind: "length", plane, points: [grid.xyToIjk(1, 0.25, 0), grid.xyToIjk(1, 2.25, 3)] },
    ]);
  });

  it("chooses by a click, and chooses nothing beside it", () => {
    const pane = paneOf(plane);
    const { measurements } = pane.session;
    drag(pane, [0, 0], [2, 0]);
    measuring(pane, [2, 3]).end?.(false);
    expect(measurements.selected).toBeNull();
    measuring(pane, [1, 0.2]).end?.(false);
    expect(measurements.selected).toBe(measurements.list[0]);
    expect(measurementAt({ ...pane, index: 2 } as SlicePane, [1, 0])).toBeNull();
  });

  it("takes an angle from a drag and a click", () => {
    const pane = paneOf(plane);
    const { measurements } = pane.session;
    measurements.choose("angle");
    drag(pane, [2, 0], [0, 0]);
    expect(measurements.list).toEqual([]);
    measuring(pane, [0, 2]).end?.(false);
    expect(measurements.list[0].points).toEqual([
      grid.xyToIjk(1, 2, 0),
      grid.xyToIjk(1, 0, 0),
      grid.xyToIjk(1, 0, 2),
    ]);
    expect(measurements.started).toBeNull();
  });
});
