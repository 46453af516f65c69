// @vitest-environment happy-dom
/** A menu closes by keys, and gives the focus back. */
import { render } from "preact";
import { afterEach, expect, it } from "vitest";
import { PopoverMenu } from "../src/ui/popover_menu";

const settle = () => new Promise((resolve) => setTimeout(resolve));
const panel = () => document.querySelector("[role=dialog]");

async function open(): Promise<HTMLElement> {
  document.body.innerHTML = "<div id='app'></div><button id='after'>After</button>";
  render(
    <PopoverMenu icon="look" label="Look">
      <button type="button" id="inside">
        Inside
      </button>
    </PopoverMenu>,
    document.getElementById("app")!,
  );
  const button = document.querySelector<HTMLElement>("[aria-haspopup]")!;
  button.click();
  await settle();
  return button;
}

afterEach(() => render(null, document.getElementById("app")!));

it("takes the focus, and gives it back with Esc", async () => {
  const button = await open();
  await settle();
  expect(document.activeElement?.id).toBe("inside");
  document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  await settle();
  expect(panel()).toBeNull();
  expect(document.activeElement).toBe(button);
});

it("closes when the focus leaves it", async () => {
  await open();
  document
    .getElementById("inside")!
    .dispatchEvent(
      new FocusEvent("focusout", { bubbles: true, relatedTarget: document.getElementById("after") }),
    );
  await settle();
  expect(panel()).toBeNull();
});
