/** The other planes go to what is drawn, previewed and selected; the slice that the user works on stays. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Ijk, SegmentedObject } from "../src/api/wire_types";
import { Display } from "../src/state/display";
import { Following } from "../src/state/following";
import { Observable } from "../src/state/observable";
import { newDraft, type PromptDraft } from "../src/state/prompt_draft";
import { LabelMap } from "../src/volume/label_map";
import { maskCentre, maskContains } from "../src/volume/mask_centre";
import { outlines } from "../src/volume/mask_outlines";
import { encodeRuns } from "../src/volume/run_lengths";
import { GEOMETRY as geometry } from "./oblique_geometry";

class FakeSession extends Observable {
  readonly geometry = geometry;
  readonly display = new Display(geometry, [0, 1]);
  readonly labels = new LabelMap(geometry);
  objects: SegmentedObject[] = [];
  draft: PromptDraft | null = null;
  busy = false;
  object = (name: string | null) => this.objects.find((each) => each.name === name) ?? null;

  /** An object as the state has it, still without masks. */
  add(name: string, slices: [number, number]): void {
    const id = this.objects.length + 1;
    this.objects = [...this.objects, { id, name, plane: "axial", slices } as unknown as SegmentedObject];
  }

  /** The masks of the first object: a block of voxels. */
  fill([i0, i1]: number[], [j0, j1]: number[], [k0, k1]: number[]): void {
    const mask = new Uint8Array(20 * 16);
    for (let j = j0; j <= j1; j++) mask.fill(1, j * 20 + i0, j * 20 + i1 + 1);
    for (let k = k0; k <= k1; k++) this.labels.putSlice(1, "axial", k, encodeRuns(mask));
  }
}

let session: FakeSession;
let following: Following;
const settled = async () => {
  session.notify();
  await Promise.resolve();
};
beforeEach(() => {
  session = new FakeSession();
  following = new Following(session);
  session.display.focusOn([10, 8, 4]);
});

describe("a drawn prompt", () => {
  it("moves the other planes to a click", () => {
    following.drawn({ plane: "axial", index: 4, prompt: { point: [3, 12, 4], positive: true } });
    expect(session.display.focus).toEqual([3, 12, 4]);
  });

  it("moves the other planes to the middle of a box", () => {
    const box = { j: 8, i0: 2, i1: 8, k0: 1, k1: 3 };
    following.drawn({ plane: "coronal", index: 8, prompt: { box } });
    expect(session.display.focus).toEqual([5, 8, 2]);
  });

  it("moves the other planes to the middle of a lasso, and to where a brush is", () => {
    const polygon: [number, number][] = [
      [2, 9],
      [10, 9],
      [10, 15],
      [2, 15],
    ];
    following.drawn({ plane: "axial", index: 4, prompt: { lasso: { k: 4 }, polygon, positive: true } });
    expect(session.display.focus).toEqual([6, 12, 4]);
    const path: Ijk[] = [
      [1, 2, 4],
      [8, 5, 4],
    ];
    following.painted({ brush: { path, radius_mm: 3 } });
    expect(session.display.focus).toEqual([8, 5, 4]);
    const sagittal: [number, number][] = [
      [2, 1],
      [6, 1],
      [6, 7],
      [2, 7],
    ];
    following.painted({ lasso: { i: 8 }, polygon: sagittal });
    expect(session.display.focus).toEqual([8, 4, 4]);
  });

  it("leaves the planes alone where the user does not want it, and remembers that", () => {
    session.display.setFollow(false);
    following.drawn({ plane: "axial", index: 4, prompt: { point: [3, 12, 4], positive: true } });
    expect(session.display.focus).toEqual([10, 8, 4]);
  });
});

describe("a preview", () => {
  const masked = (i0: number, i1: number, index = 4) => {
    const draft = newDraft("liver", {
      plane: "axial",
      index,
      prompt: { point: [0, 0, index], positive: true },
    });
    const mask = new Uint8Array(20 * 16);
    for (let j = 10; j <= 14; j++) mask.fill(1, j * 20 + i0, j * 20 + i1 + 1);
    return { ...draft, masks: [{ shape: [16, 20], runs: encodeRuns(mask), score: 1 }] } as PromptDraft;
  };

  it("moves the other planes to its middle", async () => {
    session.draft = masked(1, 5);
    await settled();
    expect(session.display.focus).toEqual([3, 12, 4]);
  });

  it("moves nothing where its mask lies under the crosshair", async () => {
    session.display.focusOn([2, 11, 4]);
    session.draft = masked(1, 5);
    await settled();
    expect(session.display.focus).toEqual([2, 11, 4]);
  });

  it("leaves the slice that the user has gone to since", async () => {
    session.display.goTo("axial", 7);
    session.draft = masked(1, 5);
    await settled();
    expect(session.display.focus).toEqual([3, 12, 7]);
  });
});

describe("an object", () => {
  it("is gone to when it is new and its masks have come", async () => {
    session.add("spleen", [3, 6]);
    await settled();
    expect(session.display.focus).toEqual([10, 8, 4]);
    session.fill([1, 5], [2, 4], [3, 6]);
    await settled();
    // Slice 4 stays: the spleen is on it.
    expect(session.display.focus).toEqual([3, 3, 4]);
  });

  it("is gone to when it is selected, on another slice where it is not on this one", async () => {
    session.add("spleen", [6, 8]);
    session.fill([1, 5], [2, 4], [6, 8]);
    session.display.set({ active: "axial" });
    following.selected("spleen");
    expect(session.display.focus).toEqual([3, 3, 7]);
  });

  it("is shown from the other planes on a slice that is reviewed", () => {
    session.add("spleen", [6, 8]);
    session.fill([1, 5], [2, 4], [6, 8]);
    expect(following.slice("spleen", "axial", 8)).toBe(true);
    expect(session.display.focus).toEqual([3, 3, 8]);
  });

  it("does not move the planes when it changes", async () => {
    session.add("spleen", [3, 6]);
    session.fill([1, 5], [2, 4], [3, 6]);
    await settled();
    const away: Ijk = [15, 12, 0];
    session.display.focusOn(away);
    session.objects = session.objects.map((each) => ({ ...each, color: "#ffffff" }));
    await settled();
    expect(session.display.focus).toEqual(away);
  });
});

describe("the centre of a mask", () => {
  const of = (rows: string[]) => outlines((x, y) => rows[y][x] === "#", rows[0].length, rows.length);

  it("lies inside a crescent", () => {
    const crescent = of(["####.", "#....", "#....", "####."]);
    const centre = maskCentre(crescent)!;
    expect(maskContains(crescent, centre)).toBe(true);
  });

  it("lies in the larger of two parts", () => {
    expect(maskCentre(of(["#..###", "...###", "...###"]))).toEqual([4, 1]);
  });

  it("is nowhere in an empty mask", () => {
    expect(maskCentre(of(["..."]))).toBeNull();
  });
});
