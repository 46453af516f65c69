// @vitest-environment happy-dom
/** The picture of a view says where and how, and never who. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PaneName } from "../src/state/display";
import { NOTE, screenshot } from "../src/view/screenshot";
import { SlicePane } from "../src/view/slice_pane";
import { objectOf, openSession } from "./fake_client";

/** Records what is written, and how long the scale bar is. */
function recorder() {
  const texts: { text: string; x: number; y: number; colour: string }[] = [];
  const pictures: unknown[] = [];
  const lines: [number, number][] = [];
  const state: Record<string, unknown> = { fillStyle: "" };
  const methods: Record<string, (...given: never[]) => unknown> = {
    fillText: (text: string, x: number, y: number) => {
      texts.push({ text, x, y, colour: String(state.fillStyle) });
    },
    drawImage: (picture: unknown) => {
      pictures.push(picture);
    },
    lineTo: (x: number, y: number) => {
      lines.push([x, y]);
    },
    measureText: () => ({ width: 10 }),
    getTransform: () => ({ a: 1 }),
  };
  const c = new Proxy(state, {
    get: (_, name: string) => methods[name] ?? state[name] ?? (() => undefined),
    set: (_, name: string, value) => {
      state[name] = value;
      return true;
    },
  });
  return { c, texts, pictures, lines };
}

const open: SlicePane[] = [];
let drawn: ReturnType<typeof recorder>;
const blobs: HTMLCanvasElement[] = [];

beforeEach(() => {
  drawn = recorder();
  blobs.length = 0;
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(() => drawn.c as never);
  HTMLCanvasElement.prototype.toBlob = function (this: HTMLCanvasElement, done: BlobCallback) {
    blobs.push(this);
    done(new Blob(["png"]));
  };
  vi.stubGlobal(
    "Path2D",
    class {
      moveTo() {}
      lineTo() {}
      closePath() {}
    },
  );
  vi.stubGlobal(
    "ImageData",
    class {
      data = new Uint8ClampedArray(4_000_000);
    },
  );
});

afterEach(() => {
  for (const pane of open.splice(0)) pane.dispose();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  document.body.replaceChildren();
});

function opened(modality = "CT") {
  const { session } = openSession([objectOf("liver", 1, { color: "#123456" }), objectOf("spleen", 2)]);
  Object.assign(session.volume, {
    name: "DOE^JANE 1970.nii.gz",
    modality,
    unit: modality === "CT" ? "HU" : null,
  });
  Object.assign(session.loading, { voxels: new Int16Array(60), left: 0 });
  const panes = new Map<PaneName, SlicePane>();
  const sizes = { axial: [400, 300], coronal: [200, 150], sagittal: [0, 0] } as const;
  for (const plane of ["axial", "coronal", "sagittal"] as const) {
    const host = document.body.appendChild(document.createElement("div"));
    const [width, height] = sizes[plane];
    Object.defineProperties(host, { clientWidth: { value: width }, clientHeight: { value: height } });
    panes.set(plane, new SlicePane(host, session, plane));
  }
  open.push(...panes.values());
  return { session, panes };
}

const written = () => drawn.texts.map((each) => each.text);

describe("the picture of a view", () => {
  it("has directions, slice, window, scale, objects and the note, and no name of a file", async () => {
    const { session, panes } = opened();
    session.labels.outlines = () => [{ id: 1, polygons: [] }];
    session.display.goTo("axial", 1);
    const { name, content } = await screenshot(session, panes, "view");
    expect(name).toBe("radsam-axial-1.png");
    expect(content.size).toBe(3);
    const { left, right, top, bottom } = session.geometry.grids.axial.letters;
    for (const text of [left, right, top, bottom, "W 400 L 40 HU", NOTE, "liver"])
      expect(written()).toContain(text);
    expect(written()[4]).toBe(`Axial 1 / 4 · ${session.geometry.grids.axial.position(1)}`);
    expect(written()).not.toContain("spleen");
    expect(written().join()).not.toMatch(/DOE/);
    const at = (text: string) => drawn.texts.find((each) => each.text === text)!;
    expect(at(left).x).toBeLessThan(20);
    expect(at(right).x).toBeGreaterThan(380);
    expect(at(top).y).toBeLessThan(at(bottom).y);
    expect(at("liver").colour).toBe("#123456");
  });

  it("has a scale bar as long as it says", async () => {
    const { session, panes } = opened();
    await screenshot(session, panes, "view");
    const label = written().find((text) => /^\d+(\.\d+)? [cm]m$/.test(text))!;
    const mm = Number.parseFloat(label) * (label.endsWith("cm") ? 10 : 1);
    const pane = panes.get("axial")!;
    const bar = drawn.lines.slice(-6, -3);
    expect(bar[1][0] - bar[0][0]).toBeCloseTo(mm * pane.pxPerMm, 3);
    const grid = session.geometry.grids.axial;
    expect(pane.pxPerMm).toBeCloseTo(pane.placement.scaleX / grid.colMm, 6);
  });

  it("has no unit where values are not HU, and says that it is inverted", async () => {
    const { session, panes } = opened("MR");
    session.look.set({ inverted: true });
    await screenshot(session, panes, "view");
    expect(written()).toContain("W 400 L 40 · inverted");
  });

  it("leaves hidden masks out of the list", async () => {
    const { session, panes } = opened();
    session.labels.outlines = () => [{ id: 1, polygons: [] }];
    session.display.set({ masks: false });
    await screenshot(session, panes, "view");
    expect(written()).not.toContain("liver");
  });

  it("is not there before the slices are", async () => {
    const { session, panes } = opened();
    Object.assign(session.loading, { voxels: null });
    await expect(screenshot(session, panes, "view")).rejects.toThrow("not loaded yet");
  });
});

it("the picture of all has the views that are shown, and 3D", async () => {
  const { session, panes } = opened();
  const scene = document.createElement("canvas");
  scene.width = 90;
  scene.height = 500;
  session.scene = { picture: () => scene };
  const { name } = await screenshot(session, panes, "all");
  expect(name).toBe("radsam-views.png");
  expect([blobs[0].width, blobs[0].height]).toEqual([400 + 4 + 200, 150 + 4 + 500]);
  expect(written().filter((text) => text === NOTE).length).toBe(2);
  expect(drawn.pictures.at(-1)).toBe(scene);
});
