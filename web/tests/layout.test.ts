// @vitest-environment happy-dom
/** Layouts, splitters, and what a browser keeps of them. */
import { beforeEach, describe, expect, it } from "vitest";
import { Display } from "../src/state/display";
import { PaneSizes } from "../src/state/pane_sizes";
import { Theme } from "../src/state/theme";
import { GEOMETRY } from "./oblique_geometry";

beforeEach(() => localStorage.clear());

describe("the sizes of the views", () => {
  it("are kept for the next page", () => {
    new PaneSizes().move("large", 0.6);
    expect(new PaneSizes().share("large")).toBe(0.6);
  });

  it("leave every view large enough to be grabbed", () => {
    const sizes = new PaneSizes();
    sizes.move("large", 1.4);
    expect(sizes.share("large")).toBeCloseTo(0.9);
    sizes.move("first", 0.99);
    expect(sizes.share("first")).toBeLessThan(sizes.share("second"));
    sizes.move("tall second", 0);
    expect(sizes.share("tall second")).toBeGreaterThan(sizes.share("tall first"));
  });

  it("can be reset, one or all", () => {
    const sizes = new PaneSizes();
    sizes.move("across", 0.3);
    sizes.move("down", 0.3);
    sizes.reset("across");
    expect([sizes.share("across"), sizes.share("down")]).toEqual([0.5, 0.3]);
    sizes.resetAll();
    expect(new PaneSizes().share("down")).toBe(0.5);
  });

  it.each(["no JSON", "null", '{"large": "wide", "down": 7}'])("ignore what is damaged: %s", (text) => {
    localStorage.setItem("radsam-pane-sizes", text);
    const sizes = new PaneSizes();
    expect([sizes.share("large"), sizes.share("down")]).toEqual([0.72, 0.5]);
  });
});

describe("the large view", () => {
  const make = () => new Display(GEOMETRY, [0, 1]);

  it("can be any view, also 3D", () => {
    const display = make();
    display.makeLarge("sagittal");
    expect([display.layout, display.large, display.active]).toEqual(["main", "sagittal", "sagittal"]);
    display.makeLarge("3d");
    // Keys go on to the plane that was used last.
    expect([display.large, display.active]).toEqual(["3d", "sagittal"]);
  });

  it("is the next one by a key, in both directions", () => {
    const display = make();
    const seen = [1, 1, 1, 1, -1].map((step) => {
      display.nextLarge(step);
      return display.large;
    });
    expect(seen).toEqual(["coronal", "sagittal", "3d", "axial", "3d"]);
  });

  it("replaces the only one where there is but one", () => {
    const display = make();
    display.enlarge("axial");
    display.nextLarge(1);
    expect([display.layout, display.large]).toEqual(["single", "coronal"]);
  });

  it("goes back from one view to the layout before", () => {
    const display = make();
    display.set({ layout: "quad" });
    display.enlarge("coronal");
    expect([display.layout, display.large]).toEqual(["single", "coronal"]);
    display.enlarge("coronal");
    expect(display.layout).toBe("quad");
  });
});

describe("what the user prefers", () => {
  it("keeps whether the planes follow", () => {
    new Display(GEOMETRY, [0, 1]).setFollow(false);
    expect(new Display(GEOMETRY, [0, 1]).follow).toBe(false);
  });

  it("keeps light or dark, and leaves it to the system until then", () => {
    const { dataset } = document.documentElement;
    const theme = new Theme();
    expect(dataset.theme).toBeUndefined();
    theme.choose("light");
    expect(dataset.theme).toBe("light");
    expect(new Theme().choice).toBe("light");
    theme.choose("system");
    expect(dataset.theme).toBeUndefined();
  });
});
