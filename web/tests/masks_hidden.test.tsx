// @vitest-environment happy-dom
/** A notice tells on every screen with views that the masks are hidden. */
import { render } from "preact";
import { expect, it, vi } from "vitest";
import { Display } from "../src/state/display";
import { MasksHidden } from "../src/ui/masks_hidden";
import { Geometry } from "../src/volume/coordinates";
import grids from "./fixtures/grids.json";

it("tells that the masks are hidden, and its button shows them again", async () => {
  const display = new Display(
    new Geometry(grids.usual as unknown as ConstructorParameters<typeof Geometry>[0]),
    [-160, 240],
  );
  const root = document.createElement("div");
  render(<MasksHidden display={display} />, root);
  const status = root.querySelector('[role="status"]')!;
  expect(status.textContent).toBe("");
  await vi.waitFor(() => {
    display.set({ masks: false });
    expect(status.textContent).toContain("All masks are hidden");
  });
  root.querySelector("button")!.click();
  await vi.waitFor(() => expect(status.textContent).toBe(""));
  expect(display.masks).toBe(true);
});
