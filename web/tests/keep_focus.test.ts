// @vitest-environment happy-dom
/** Where the focus goes when its element goes away. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keepFocus } from "../src/ui/keep_focus";

let stop: () => void;

beforeEach(() => {
  document.body.innerHTML = `
    <main><section class="pane active"><div role="application" tabindex="0" id="view"></div></section></main>
    <ul id="list">
      <li><button id="a">a</button><button id="delete-a">x</button></li>
      <li><button id="b">b</button><button id="delete-b">x</button></li>
      <li><button id="c">c</button><button id="delete-c">x</button></li>
    </ul>
    <div class="card"><button id="propagate">Propagate</button></div>`;
  stop = keepFocus(document.body);
});
afterEach(() => stop());

const find = (id: string) => document.getElementById(id)!;
const focus = (id: string) => find(id).focus();
const byKey = () => dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
const focused = async () => {
  await new Promise((resolve) => setTimeout(resolve));
  return document.activeElement?.id ?? "";
};

it.each([
  ["delete-a", "b"],
  ["delete-b", "c"],
  ["delete-c", "b"],
])("goes to the next line of a list, or the last: %s", async (deleted, next) => {
  focus(deleted);
  byKey();
  find(deleted).closest("li")!.remove();
  expect(await focused()).toBe(next);
});

it("goes to what replaced a field in its line", async () => {
  const field = document.createElement("input");
  find("b").replaceWith(field);
  field.focus();
  byKey();
  const name = document.createElement("button");
  name.id = "renamed";
  field.replaceWith(name);
  expect(await focused()).toBe("renamed");
});

it("goes to the view in use from elsewhere, so that Enter twice does nothing else", async () => {
  focus("propagate");
  byKey();
  const card = find("propagate").parentElement!;
  card.innerHTML = "<button id='stop'>Stop</button>";
  expect(await focused()).toBe("view");
});

it("goes back to what opened a dialog", async () => {
  focus("c");
  byKey();
  const dialog = document.createElement("dialog");
  dialog.innerHTML = "<button id='first'>1</button><button id='second'>2</button>";
  document.body.append(dialog);
  focus("first");
  focus("second");
  dialog.remove();
  expect(await focused()).toBe("c");
});

it("stays in a dialog whose line went away", async () => {
  const dialog = document.createElement("dialog");
  dialog.innerHTML = "<div><button id='close'>Close</button></div><p><button id='gone'>x</button></p>";
  focus("c");
  document.body.append(dialog);
  focus("gone");
  byKey();
  find("gone").remove();
  expect(await focused()).toBe("close");
});

it("leaves those alone who work with the mouse", async () => {
  focus("delete-a");
  dispatchEvent(new Event("pointerdown"));
  find("delete-a").closest("li")!.remove();
  expect(await focused()).toBe("");
});

describe("a group of radio buttons", () => {
  beforeEach(() => {
    document.body.innerHTML = `<div role="radiogroup">
      <button role="radio" id="box">Box</button><button role="radio" id="point">Point</button>
      <button role="radio" id="gone" disabled>Gone</button><button role="radio" id="lasso">Lasso</button></div>`;
  });
  const press = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement!.dispatchEvent(event);
    return event.defaultPrevented;
  };

  it("follows arrow keys", () => {
    const clicked: string[] = [];
    document.body.addEventListener("click", ({ target }) => clicked.push((target as Element).id));
    byKey();
    focus("box");
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp"]) expect(press(key)).toBe(true);
    expect(clicked).toEqual(["point", "lasso", "box", "lasso"]);
    expect(document.activeElement?.id).toBe("lasso");
    expect(press("a")).toBe(false);
  });

  it("leaves arrow keys to the slices after a click", () => {
    dispatchEvent(new Event("pointerdown"));
    focus("box");
    expect(press("ArrowDown")).toBe(false);
    expect(press("ArrowDown")).toBe(false);
  });
});

it("leaves letters to the shortcuts after a choice from a list by mouse", async () => {
  document.body.innerHTML = "<select id='list'><option>a</option></select>";
  const choose = () => find("list").dispatchEvent(new Event("change", { bubbles: true }));
  byKey();
  focus("list");
  choose();
  expect(await focused()).toBe("list");
  dispatchEvent(new Event("pointerdown"));
  choose();
  expect(await focused()).toBe("");
});
