// @vitest-environment happy-dom
/** The object list: rename, restart. */
import { render } from "preact";
import { afterEach, describe, expect, it } from "vitest";
import { ObjectList } from "../src/ui/object_list";
import { objectOf, openSession, settled } from "./fake_client";

afterEach(() => {
  render(null, document.body);
});

async function renaming() {
  const opened = openSession([objectOf("liver", 1)]);
  render(<ObjectList session={opened.session} />, document.body);
  document.querySelector(".object-name")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  await new Promise((resolve) => setTimeout(resolve));
  const field = document.querySelector<HTMLInputElement>("input.rename")!;
  field.focus();
  field.value = "right liver";
  const press = async (key: string) => {
    field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    field.blur(); // as a browser does when the field goes
    await settled();
  };
  return { ...opened, field, press };
}

describe("a rename", () => {
  it("is one request after Enter, and shows no error", async () => {
    const { server, toasts, press } = await renaming();
    await press("Enter");
    expect(server.taken()).toEqual(["PATCH /objects/liver"]);
    expect(toasts).toEqual([]);
  });

  it("is nothing after Esc", async () => {
    const { server, press } = await renaming();
    await press("Escape");
    expect(server.taken()).toEqual([]);
  });

  it("counts when the field is left, unless it is empty", async () => {
    const { server, press } = await renaming();
    await press("Tab");
    expect(server.taken()).toEqual(["PATCH /objects/liver"]);
    render(null, document.body);
    const again = await renaming();
    again.field.value = "  ";
    await again.press("Tab");
    expect(again.server.taken()).toEqual([]);
  });
});

describe("restart", () => {
  it("is offered only where a prompt started the object", () => {
    const { session } = openSession([objectOf("liver", 1, { start: "start_from_mask" })]);
    render(<ObjectList session={session} />, document.body);
    const restart = [...document.querySelectorAll("button")].find((each) =>
      each.textContent?.includes("Restart"),
    )!;
    expect(restart.disabled).toBe(true);
    expect(restart.title).toContain("no prompt");
  });
});
