// @vitest-environment happy-dom
/** The window is chosen, typed or taken from the values. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { VolumeInfo } from "../src/api/wire_types";
import type { App } from "../src/state/app";
import { LookMenu } from "../src/ui/look_menu";
import { WindowPicker } from "../src/ui/window_picker";
import { giveVoxels, openSession, VOLUME } from "./fake_client";

const rendered = () => new Promise((resolve) => setTimeout(resolve));

function opened(volume: Partial<VolumeInfo> = {}) {
  const { session } = openSession([], { ...VOLUME, ...volume });
  const showToast = vi.fn();
  const root = document.body.appendChild(document.createElement("div"));
  act(() =>
    render(
      <>
        <WindowPicker app={{ showToast } as unknown as App} session={session} />
        <LookMenu session={session} />
      </>,
      root,
    ),
  );
  const field = (label: string) => root.querySelector<HTMLInputElement>(`[aria-label="${label}"]`)!;
  const type = async (label: string, text: string, key = "Enter") => {
    const input = field(label);
    input.focus();
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await rendered();
    input.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await rendered();
    input.blur();
    await rendered();
  };
  return { session, showToast, root, field, type };
}

afterEach(() => {
  for (const root of document.body.children) render(null, root);
  document.body.replaceChildren();
  localStorage.clear();
});

describe("the window", () => {
  it("is typed as width and level", async () => {
    const { session, type, field } = opened();
    expect([field("Width of the window").value, field("Level of the window").value]).toEqual(["400", "40"]);
    await type("Width of the window", "1500");
    await type("Level of the window", "-600");
    expect(session.display.window).toEqual([-1350, 150]);
    expect(field("Preset of the window").value).toBe("Lung");
  });

  it("names the keys of its presets, which are others in a case of a project", async () => {
    const { session, field, root } = opened();
    expect(field("Preset of the window").textContent).toContain("Lung (2)");
    session.rules = { names: ["liver"], proposed: new Set(), closed: new Set() };
    session.display.set({ window: [0, 100] });
    await rendered();
    expect(root.textContent).toContain("Lung (Shift+2)");
  });

  it.each(["", "0", "-5", "wide"])("refuses the width %j and says why", async (text) => {
    const { session, type, field, showToast } = opened();
    await type("Width of the window", text);
    expect(session.display.window).toEqual([-160, 240]);
    expect(showToast).toHaveBeenCalledWith(
      "error",
      `The width of a window is a number above 0, not "${text}".`,
    );
    expect(field("Width of the window").value).toBe("400");
  });

  it("stays when Esc takes the typing back", async () => {
    const { session, type, showToast } = opened();
    await type("Level of the window", "300", "Escape");
    expect(session.display.window).toEqual([-160, 240]);
    expect(showToast).not.toHaveBeenCalled();
  });

  it("is a preset, or follows from the values of the slice", async () => {
    const { session, field } = opened();
    giveVoxels(
      session,
      Int16Array.from({ length: 60 }, (_, at) => at),
    );
    const select = field("Preset of the window") as unknown as HTMLSelectElement;
    select.value = "Temporal bone";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(session.display.window).toEqual([-800, 2000]);
    select.value = "slice";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(session.display.window).toEqual([24, 35]);
  });

  it("has no presets in HU where values are not HU", () => {
    const { field, session } = opened({ modality: "MR", unit: null, default_window: [20, 820] });
    const select = field("Preset of the window") as unknown as HTMLSelectElement;
    const options = [...select.options].map((each) => each.value);
    expect(options).toEqual(["", "Automatic", "Bright", "Dark", "High contrast", "slice", "volume"]);
    select.value = "Automatic";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(session.display.window).toEqual([20, 820]);
  });

  it("has presets in SUV where values are standardised uptake", () => {
    const { field } = opened({ modality: "PET", unit: "SUV", default_window: [0, 10] });
    const select = field("Preset of the window") as unknown as HTMLSelectElement;
    expect([...select.options].map((each) => each.value)).toContain("SUV 0–5");
  });
});

describe("the look", () => {
  it("is set in a panel that Esc closes", async () => {
    const { session, root } = opened();
    const button = root.querySelector<HTMLButtonElement>('[aria-haspopup="dialog"]')!;
    act(() => button.click());
    const press = (text: string) =>
      [...root.querySelectorAll("button")].find((each) => each.textContent === text)!.click();
    press("Outline");
    expect(session.look.style).toBe("outline");
    await rendered();
    expect(root.querySelector<HTMLInputElement>('[aria-label="Opacity of the fill"]')!.disabled).toBe(true);
    press("Fill");
    const slider = root.querySelector<HTMLInputElement>('[aria-label="Opacity of the fill"]')!;
    slider.value = "70";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    expect(session.look.opacity).toBe(0.7);
    const [masks, inverted] = root.querySelectorAll<HTMLInputElement>('[type="checkbox"]');
    masks.click();
    inverted.click();
    expect([session.display.masks, session.look.inverted]).toEqual([false, true]);
    root
      .querySelector('[role="dialog"]')!
      .dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await rendered();
    expect(root.querySelector('[role="dialog"]')).toBeNull();
  });
});
