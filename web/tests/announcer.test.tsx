// @vitest-environment happy-dom
/** What a screen reader hears of the views, and the parts of the page that F6 goes through. */
import { render } from "preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Display, type PaneName } from "../src/state/display";
import type { OpenSession } from "../src/state/open_session";
import { Announcer } from "../src/ui/announcer";
import { nextRegion } from "../src/ui/regions";
import type { SlicePane } from "../src/view/slice_pane";
import { Geometry } from "../src/volume/coordinates";
import grids from "./fixtures/grids.json";

const geometry = new Geometry(grids.usual as unknown as ConstructorParameters<typeof Geometry>[0]);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  document.body.innerHTML = `
    <header class="top-bar"><button id="bar">Save</button></header>
    <nav class="tool-strip"><button id="tools">Box</button></nav>
    <section class="pane active"><div role="application" tabindex="0" id="view"></div></section>
    <aside class="side-panel"><button id="panel" disabled>x</button><button id="panel-2">New object</button></aside>
    <div id="app"></div>`;
});
afterEach(() => {
  render(null, document.getElementById("app")!);
  vi.useRealTimers();
});

it("says the slice and the voxel once the keys rest, in the view that has the focus", async () => {
  const display = new Display(geometry, [-160, 240]);
  const loading = { valueAt: () => -37 };
  const session = { display, geometry, loading, unit: " HU" } as unknown as OpenSession;
  const pane = { plane: "axial", grid: geometry.grids.axial, byKeys: false };
  Object.defineProperty(pane, "index", { get: () => display.index("axial") });
  const panes = new Map<PaneName, SlicePane>([["axial", pane as unknown as SlicePane]]);
  const app = document.getElementById("app")!;
  render(<Announcer session={session} panes={panes} />, app);
  const heard = async () => {
    for (let n = 0; n < 4; n++) await vi.advanceTimersByTimeAsync(200);
    return app.textContent;
  };
  await heard();
  display.goTo("axial", 3);
  expect(await heard()).toBe("");
  document.getElementById("view")!.focus();
  display.goTo("axial", 4);
  expect(await heard()).toBe(`axial slice 4, ${geometry.grids.axial.position(4)}`);
  pane.byKeys = true;
  display.point({ plane: "axial", x: 0, y: 0 });
  const voxel = geometry.grids.axial.xyToIjk(4, 0, 0).join(", ");
  expect(await heard()).toContain(`Voxel ${voxel}: -37 HU`);
});

it("goes through the parts of the page", () => {
  const goes = (step: 1 | -1) => {
    nextRegion(step);
    return document.activeElement?.id;
  };
  expect([goes(1), goes(1), goes(1), goes(1), goes(1)]).toEqual(["view", "panel-2", "bar", "tools", "view"]);
  expect([goes(-1), goes(-1)]).toEqual(["tools", "bar"]);
});
