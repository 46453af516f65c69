// @vitest-environment happy-dom
/** Splitters and headers of the views, as a user moves and presses them. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Display } from "../src/state/display";
import { PaneHeader } from "../src/ui/pane_header";
import { Splitter } from "../src/ui/splitter";
import { useObservables } from "../src/ui/use_observables";
import { GEOMETRY } from "./oblique_geometry";

let display: Display;
let host: HTMLElement;
beforeEach(() => {
  localStorage.clear();
  display = new Display(GEOMETRY, [0, 1]);
  host = document.createElement("div");
  document.body.append(host);
});
afterEach(() => {
  render(null, host);
  host.remove();
});
const show = (part: () => preact.JSX.Element) => {
  function Part() {
    useObservables(display, display.sizes);
    return part();
  }
  return act(() => render(<Part />, host));
};
/** Subscribers are called after the turn of the event loop, so the page is looked at one turn later. */
const happens = (what: () => unknown) =>
  act(async () => {
    what();
    await Promise.resolve();
  });
const find = (selector: string) => host.querySelector<HTMLElement>(selector)!;

describe("a splitter", () => {
  const line = () => find("[role=separator]");
  const press = (key: string) =>
    happens(() =>
      line().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })),
    );
  beforeEach(() =>
    show(() => (
      <Splitter sizes={display.sizes} name="large" label="Size of the large view" vertical area="large" />
    )),
  );

  it("moves with the arrow keys across it, and says where it stands", async () => {
    await press("ArrowLeft");
    expect(display.sizes.share("large")).toBeCloseTo(0.7);
    expect(line().getAttribute("aria-valuenow")).toBe("70");
    await press("ArrowUp");
    expect(display.sizes.share("large")).toBeCloseTo(0.7);
    await press("End");
    expect(line().getAttribute("aria-valuenow")).toBe("90");
  });

  it("follows the pointer, and a double-click resets it", async () => {
    host.getBoundingClientRect = () => new DOMRect(100, 0, 1000, 500);
    const captured = new Set<number>();
    line().setPointerCapture = (id) => void captured.add(id);
    line().hasPointerCapture = (id) => captured.has(id);
    const point = (type: string, clientX: number) =>
      happens(
        () =>
          void line().dispatchEvent(
            new PointerEvent(type, { clientX, pointerId: 1, button: 0, bubbles: true }),
          ),
      );
    await point("pointermove", 300);
    expect(display.sizes.share("large")).toBe(0.72);
    await point("pointerdown", 820);
    await point("pointermove", 500);
    expect(display.sizes.share("large")).toBeCloseTo(0.4);
    await happens(() => line().dispatchEvent(new MouseEvent("dblclick", { bubbles: true })));
    expect(display.sizes.share("large")).toBe(0.72);
  });
});

describe("the header of a view", () => {
  const buttons = () => [...host.querySelectorAll("button")].map((each) => each.getAttribute("aria-label"));
  beforeEach(() =>
    show(() => (
      <PaneHeader display={display} pane="3d" name="3D">
        <b>3D</b>
      </PaneHeader>
    )),
  );

  it("makes the view the large one, then the only one, and gives the others back", async () => {
    expect(buttons()).toEqual(["Make the 3D view the large one (Y)", "Show only the 3D view (G)"]);
    await happens(() => find("button").click());
    expect(display.large).toBe("3d");
    expect(buttons()).toEqual(["Show only the 3D view (G)"]);
    await happens(() => find("button").click());
    expect(display.layout).toBe("single");
    expect(buttons()).toEqual(["Show the other views again (G)"]);
    await happens(() => find("button").click());
    expect(display.layout).toBe("main");
  });
});
