// @vitest-environment happy-dom
/** The field for a name: filtering, the keys of a combobox, free text, and what screen readers get. */
import { render } from "preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ObjectNames } from "../src/state/object_names";
import { NameField } from "../src/ui/name_field";
import { ObjectList } from "../src/ui/object_list";
import { PromptDraftCard } from "../src/ui/prompt_draft_card";
import { FakeServer, objectOf, openSession, settled } from "./fake_client";

const drawn = async () => {
  await settled();
  await new Promise((resolve) => setTimeout(resolve));
};
const field = () => document.querySelector<HTMLInputElement>('[role="combobox"]')!;
const offered = () =>
  [...document.querySelectorAll('[role="listbox"]:not([hidden]) [role="option"]')].map(
    (each) => each.querySelector("span")!.textContent,
  );
const active = () => {
  const id = field().getAttribute("aria-activedescendant");
  const option = id && document.getElementById(id);
  return option ? option.querySelector("span")!.textContent : null;
};

async function press(key: string) {
  field().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  await drawn();
}

async function type(text: string) {
  field().value = text;
  field().dispatchEvent(new InputEvent("input", { bubbles: true }));
  await drawn();
}

const calls = { onInput: vi.fn(), onChoose: vi.fn(), onEnter: vi.fn(), onEscape: vi.fn(), onLeave: vi.fn() };

beforeEach(async () => {
  for (const each of Object.values(calls)) each.mockReset();
  const names = new ObjectNames(new FakeServer().client);
  render(
    <NameField names={names} value="object 1" label="Object" taken={["stent"]} {...calls} />,
    document.body,
  );
  await names.load();
  field().focus();
});

afterEach(() => render(null, document.body));

it("shows every name that is not taken, those of the label set first", async () => {
  expect(offered()).toEqual([]);
  expect(field().getAttribute("aria-expanded")).toBe("false");
  await press("ArrowDown");
  expect(field().getAttribute("aria-expanded")).toBe("true");
  expect(offered()).toEqual(["liver", "kidney_left", "kidney_right", "inferior_vena_cava"]);
  const titles = [...document.querySelectorAll(".names-title")].map((each) => each.textContent);
  expect(titles).toEqual(["Abdomen", "Names with a code"]);
  expect(document.querySelector('[role="option"]')!.textContent).toContain("value 5 · Liver · SCT 10200004");
});

it.each([
  ["left kid", ["kidney_left"]],
  ["IVC", ["inferior_vena_cava"]],
  ["kidney_r", ["kidney_right"]],
  ["hepa", ["liver"]],
  ["nothing", []],
])("filters by the words of name, meaning and synonyms: %s", async (text, names) => {
  await type(text);
  expect(offered()).toEqual(names);
  expect(calls.onInput).toHaveBeenLastCalledWith(text);
});

it("takes the active name on Enter, and the text on Enter without one", async () => {
  await type("kid");
  await press("ArrowDown");
  await press("ArrowDown");
  expect(active()).toBe("kidney_right");
  await press("ArrowDown");
  expect(active()).toBe("kidney_left");
  await press("Enter");
  expect(calls.onChoose).toHaveBeenCalledWith("kidney_left");
  expect(field().value).toBe("kidney_left");
  expect(offered()).toEqual([]);
  expect(calls.onEnter).not.toHaveBeenCalled();
  await type("my own name");
  await press("Enter");
  expect(calls.onEnter).toHaveBeenCalledWith("my own name");
});

it("closes the list on Esc first, and leaves on the second", async () => {
  await press("ArrowUp");
  await press("Escape");
  expect(offered()).toEqual([]);
  expect(calls.onEscape).not.toHaveBeenCalled();
  await press("Escape");
  expect(calls.onEscape).toHaveBeenCalledOnce();
});

it("takes a name by a click without losing the focus", async () => {
  await type("ivc");
  const option = document.querySelector<HTMLElement>('[role="option"]')!;
  const down = new MouseEvent("mousedown", { bubbles: true, cancelable: true });
  option.dispatchEvent(down);
  expect(down.defaultPrevented).toBe(true);
  option.click();
  await drawn();
  expect(field().value).toBe("inferior_vena_cava");
  expect(calls.onLeave).not.toHaveBeenCalled();
});

it("names the draft, which gets the set's colour", async () => {
  const { session } = openSession();
  await session.names.load();
  session.startDraft({ plane: "axial", index: 1, prompt: { point: [1, 1, 1], positive: true } });
  render(<PromptDraftCard session={session} draft={session.draft!} />, document.body);
  await drawn();
  await type("stent");
  expect(session.draft!.name).toBe("stent");
  expect(session.draftColour).toBe("#0080ff");
});

it("renames at once when a name of the list is chosen", async () => {
  const { session, server } = openSession([objectOf("object 1", 1)]);
  render(<ObjectList session={session} />, document.body);
  document.querySelector(".object-name")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  await drawn();
  await session.names.load();
  await type("liver");
  await press("ArrowDown");
  await press("Enter");
  const { body } = server.requests.find((each) => each.method === "PATCH")!;
  expect(body).toEqual({ new_name: "liver" });
  expect(document.querySelector('[role="combobox"]')).toBeNull();
});
