/** The ends of drafts and objects: where their edges lie in the other planes, and what dragging them requests. */
import { describe, expect, it } from "vitest";
import { type Ijk, PLANES, type SegmentedObject, type VolumeInfo } from "../src/api/wire_types";
import { ENDS } from "../src/state/ends";
import { draggingEdge, edgeOf, edgesOf, grabbedEdge, sliceAtEdge } from "../src/view/bound_edges";
import type { SlicePane } from "../src/view/slice_pane";
import { Geometry } from "../src/volume/coordinates";
import { objectOf, openSession, settled } from "./fake_client";
import { paneOf } from "./fake_pane";
import grids from "./fixtures/grids.json";

const cases = Object.entries(grids as unknown as Record<string, VolumeInfo>);

describe.each(cases)("edges on the grid %s", (_, info) => {
  const geometry = new Geometry(info);
  const others = PLANES.flatMap((object) =>
    PLANES.filter((each) => each !== object).map((pane) => [object, pane]),
  );

  it.each(others)("of an object of %s slices, seen in the %s plane", (of, seen) => {
    const [object, pane] = [geometry.grids[of as "axial"], geometry.grids[seen as "axial"]];
    for (const end of ENDS)
      for (let slice = 0; slice < object.count; slice++) {
        const edge = edgeOf(pane, object, end, slice)!;
        // Every voxel of that slice lies on the inner side of the edge, and the slice outside on the outer side.
        const inner = end === "low" ? 1 : -1;
        const place = (index: number) => {
          const ijk: Ijk = [1, 1, 1];
          ijk[object.axis] = index;
          return pane.ijkToXy(ijk)[edge.vertical ? 0 : 1];
        };
        expect(Math.abs(place(slice) - edge.at)).toBe(0.5);
        expect(Math.abs(place(slice - inner) - edge.at)).toBe(0.5);
        expect(Math.sign(place(slice) - edge.at)).toBe(-Math.sign(place(slice - inner) - edge.at));
        // And back, from anywhere on the edge and a little beside it.
        for (const beside of [-0.3, 0, 0.3]) {
          const at = edge.at + beside;
          expect(sliceAtEdge(pane, object, end, edge.vertical ? [at, 2] : [2, at])).toBe(slice);
        }
      }
  });

  it("has none in the object's own plane", () => {
    for (const plane of PLANES)
      expect(edgeOf(geometry.grids[plane], geometry.grids[plane], "low", 1)).toBeNull();
  });

  it("is a row for axial objects where the display has the patient upright", () => {
    for (const plane of ["coronal", "sagittal"] as const) {
      const edge = edgeOf(geometry.grids[plane], geometry.grids.axial, "high", 2)!;
      expect(edge.vertical).toBe(false);
    }
  });
});

const liver = (change: Partial<SegmentedObject> = {}) =>
  objectOf("liver", 1, {
    ...{ bounds: null, slices: [1, 3], low_end: "empty mask", high_end: "low predicted IoU" },
    prompts: [{ number: 0, index: 2, kind: "box", box: { k: 2, i0: 0, j0: 0, i1: 1, j1: 1 } }],
    ...change,
  });

function seen(session: ReturnType<typeof openSession>["session"], plane: "axial" | "coronal" | "sagittal") {
  return Object.assign(paneOf(session, plane), {
    reachPx: 7,
    placement: { left: 0, top: 0, scaleX: 20, scaleY: 20 },
  }) as SlicePane;
}

describe("the ends of the target", () => {
  it("are shown in the two other planes, in the object's colour", () => {
    const { session } = openSession([liver()]);
    expect(session.ends.shown).toMatchObject({
      name: "liver",
      low: 1,
      high: 3,
      colour: "#56b4e9",
      draft: false,
    });
    expect(edgesOf(seen(session, "axial"))).toEqual([]);
    expect(edgesOf(seen(session, "coronal")).map(({ end }) => end)).toEqual(["low", "high"]);
    session.setTarget(null);
    expect(session.ends.shown).toBeNull();
  });

  it("are not shown of a locked or hidden object", () => {
    expect(openSession([liver({ locked: true })]).session.ends.shown).toBeNull();
    expect(openSession([liver({ visible: false })]).session.ends.shown).toBeNull();
  });

  it("move at once, with one request at the release", async () => {
    const { session, server } = openSession([liver()]);
    const pane = seen(session, "coronal");
    const [, high] = edgesOf(pane);
    const axial = session.geometry.grids.axial;
    const gesture = draggingEdge(pane, high, () => undefined);
    for (const slice of [2, 4]) {
      const to = edgeOf(pane.grid, axial, "high", slice)!.at;
      gesture.move([0, to], 0, 5);
      expect(session.ends.shown?.high).toBe(slice);
      expect(session.display.index("axial")).toBe(slice);
    }
    expect(server.taken()).toEqual([]);
    gesture.end?.(true);
    expect(session.ends.shown?.high).toBe(4);
    await settled();
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0].body).toEqual({ name: "liver", low: null, high: 4 });
    expect(session.ends.shown?.high).toBe(4); // until the server's state has it
  });

  it("stop at the slice of the prompt, and at the ends of the volume", () => {
    const { session } = openSession([liver()]);
    session.ends.move("low", 4);
    expect(session.ends.shown?.low).toBe(2);
    session.ends.move("high", 0);
    expect(session.ends.shown?.high).toBe(2);
    session.ends.move("high", 99);
    expect(session.ends.shown?.high).toBe(session.geometry.grids.axial.count - 1);
    const mask = openSession([liver({ start: "start_from_mask", prompts: [] })]).session;
    mask.ends.move("low", 99);
    expect(mask.ends.shown?.low).toBe(3);
  });

  it("go back with Esc and stay with a click, without a request", async () => {
    const { session, server } = openSession([liver()]);
    const pane = seen(session, "sagittal");
    let clicked = 0;
    const drag = () => draggingEdge(pane, edgesOf(pane)[0], () => clicked++);
    const given = drag();
    given.move([0, 0], 0, 9);
    given.cancel?.();
    drag().end?.(false);
    await settled();
    expect(session.ends.shown?.low).toBe(1);
    expect(clicked).toBe(1);
    expect(server.taken()).toEqual([]);
  });

  it("go back where the server refuses them", async () => {
    const { session, server, toasts } = openSession([liver()]);
    server.failing = "The bounds 1 to 1 cut off slice 2, on which 'liver' was prompted.";
    session.ends.set("high", 1);
    await settled();
    expect(session.ends.shown?.high).toBe(3);
    expect(toasts).toEqual([`error: ${server.failing}`]);
  });
});

describe("what a press grabs", () => {
  it("is the whole line with tools that only look, and the grip with tools that draw", () => {
    const { session } = openSession([liver()]);
    const pane = seen(session, "coronal");
    const [low] = edgesOf(pane);
    const grip: [number, number] = [34 / 20 + 0.2, low.at];
    const elsewhere: [number, number] = [0, low.at];
    session.display.set({ tool: "navigate" });
    expect(grabbedEdge(pane, elsewhere)?.end).toBe("low");
    expect(grabbedEdge(pane, [0, low.at + 0.45])).toBeNull();
    for (const tool of ["brush", "box", "point", "lasso"] as const) {
      session.display.set({ tool });
      expect(grabbedEdge(pane, elsewhere)).toBeNull();
      expect(grabbedEdge(pane, grip)?.end).toBe("low");
    }
  });
});
