// @vitest-environment happy-dom
/** The shortcuts: one meaning per key, on every keyboard, and the table in docs/web-keys.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bindingOf, type KeyPress, keyLabel, readKeyboard } from "../src/ui/keyboard";
import { PROJECT_SHORTCUTS } from "../src/ui/project_shortcuts";
import { type Context, handleKey, SHORTCUTS } from "../src/ui/shortcuts";

const DOCS = `${import.meta.dirname}/../../docs/web-keys.md`;

describe("the table", () => {
  it("gives every key one meaning", () => {
    const owners = new Map<string, string[]>();
    for (const { bindings, description } of SHORTCUTS)
      for (const key of bindings) owners.set(key, [...(owners.get(key) ?? []), description]);
    expect([...owners].filter(([, meanings]) => meanings.length > 1)).toEqual([]);
  });

  it("shows every key once", () => {
    const labels = SHORTCUTS.map((each) => each.label);
    expect(labels.filter((label, n) => labels.indexOf(label) !== n)).toEqual([]);
  });

  it("names keys as `bindingOf` does, so that none is dead", () => {
    const typed = (binding: string): KeyPress => {
      const key = binding.replace(/^(ctrl\+)?(shift\+)?/, "").replace("numpad", "");
      return press(key, /^[a-z]$/.test(key) ? `Key${key.toUpperCase()}` : codeOf(key, binding), {
        shift: /(^|\+)shift\+/.test(binding) || key === "?",
        ctrl: binding.startsWith("ctrl+"),
      });
    };
    for (const { bindings } of SHORTCUTS)
      for (const binding of bindings) expect(bindingOf(typed(binding))).toBe(binding);
  });

  it.each([
    ["", "^## Keys\\n\\n", SHORTCUTS],
    [" for a case of a project", "^In a case of a project:\\n\\n", PROJECT_SHORTCUTS],
  ])("is the table in docs/web-keys.md%s (WRITE_DOCS=1 writes it there)", (_, place, shortcuts) => {
    const docs = readFileSync(DOCS, "utf8");
    const before = docs.match(new RegExp(`(?<=${place})(\\|.*\\n)+`, "m"))?.[0];
    const rows = shortcuts.map(({ label, description }) => `| \`${label}\` | ${description} |\n`);
    const table = `| key | does |\n|---|---|\n${rows.join("")}`;
    if (process.env.WRITE_DOCS && before)
      writeFileSync(
        DOCS,
        docs.replace(before, () => table),
      );
    else expect(before, "WRITE_DOCS=1 npx vitest run tests/shortcuts.test.ts writes it").toBe(table);
  });
});

interface Held {
  shift?: boolean;
  ctrl?: boolean;
  alt?: boolean;
  altGraph?: boolean;
  meta?: boolean;
}

function press(key: string, code: string, held: Held = {}): KeyPress {
  return {
    ...{ key, code, shiftKey: held.shift ?? false, ctrlKey: held.ctrl ?? false },
    ...{ altKey: held.alt ?? false, metaKey: held.meta ?? false },
    getModifierState: (name) => name === "AltGraph" && (held.altGraph ?? false),
  };
}

function codeOf(key: string, binding: string): string {
  const codes: Record<string, string> = {
    ...{ "[": "BracketLeft", "]": "BracketRight", "-": "Minus", "=": "Equal", ",": "Comma", ".": "Period" },
    ...{ "?": "Slash", "/": "Slash", ";": "Semicolon", "'": "Quote", " ": "Space" },
  };
  if (binding.includes("numpad")) return "Numpad";
  return codes[key] ?? (/^\d$/.test(key) ? `Digit${key}` : key);
}

/** What is typed, where it lies, what is held, and which shortcut it is. */
const KEYBOARDS: Record<string, [key: string, code: string, held: Held, binding: string | null][]> = {
  US: [
    ["[", "BracketLeft", {}, "["],
    ["]", "BracketRight", {}, "]"],
    ["1", "Digit1", {}, "1"],
    ["!", "Digit1", { shift: true }, "shift+1"],
    ["1", "Numpad1", {}, "1"],
    ["-", "Minus", {}, "-"],
    ["=", "Equal", {}, "="],
    [".", "Period", {}, "."],
    ["?", "Slash", { shift: true }, "?"],
    ["b", "KeyB", {}, "b"],
    ["B", "KeyB", {}, "b"],
    ["A", "KeyA", { shift: true }, "shift+a"],
    ["z", "KeyZ", { ctrl: true }, "ctrl+z"],
    ["Z", "KeyZ", { ctrl: true, shift: true }, "ctrl+shift+z"],
    ["+", "NumpadAdd", {}, "numpad+"],
    ["b", "KeyB", { alt: true }, null],
    ["ArrowUp", "ArrowUp", { shift: true }, "shift+arrowup"],
    [" ", "Space", {}, " "],
  ],
  German: [
    ["ü", "BracketLeft", {}, "["],
    ["+", "BracketRight", {}, "]"],
    ["[", "Digit8", { altGraph: true, ctrl: true, alt: true }, "["],
    ["]", "Digit9", { altGraph: true }, "]"],
    ["1", "Digit1", {}, "1"],
    ["0", "Digit0", {}, "0"],
    ["ß", "Minus", {}, "-"],
    ["Dead", "Equal", {}, "="],
    ["=", "Digit0", { shift: true }, "="],
    ["-", "Slash", {}, null],
    ["?", "Minus", { shift: true }, "?"],
    ["z", "KeyY", { ctrl: true }, "ctrl+z"],
    ["y", "KeyZ", { ctrl: true }, "ctrl+y"],
    ["ö", "Semicolon", {}, "ö"],
    ["€", "KeyE", { altGraph: true }, null],
    ["@", "KeyQ", { altGraph: true, ctrl: true, alt: true }, null],
  ],
  "French AZERTY": [
    ["&", "Digit1", {}, "1"],
    ["1", "Digit1", { shift: true }, "1"],
    ["-", "Digit6", {}, "6"],
    ["à", "Digit0", {}, "0"],
    ["Dead", "BracketLeft", {}, "["],
    ["$", "BracketRight", {}, "]"],
    ["[", "Digit5", { altGraph: true, ctrl: true, alt: true }, "["],
    ["]", "Minus", { altGraph: true }, "]"],
    [")", "Minus", {}, "-"],
    ["=", "Equal", {}, "="],
    [";", "Comma", {}, ","],
    [":", "Period", {}, "."],
    [".", "Comma", { shift: true }, "."],
    [",", "KeyM", {}, ","],
    ["m", "Semicolon", {}, "m"],
    ["a", "KeyQ", {}, "a"],
    ["z", "KeyW", { ctrl: true }, "ctrl+z"],
    ["?", "KeyM", { shift: true }, "?"],
  ],
  Swiss: [
    ["ü", "BracketLeft", {}, "["],
    ["Dead", "BracketRight", {}, "]"],
    ["[", "BracketLeft", { altGraph: true, ctrl: true, alt: true }, "["],
    ["]", "BracketRight", { altGraph: true }, "]"],
    ["1", "Digit1", {}, "1"],
    ["+", "Digit1", { shift: true }, "shift+1"],
    ["'", "Minus", {}, "-"],
    ["Dead", "Equal", {}, "="],
    ["?", "Minus", { shift: true }, "?"],
    ["z", "KeyY", { ctrl: true }, "ctrl+z"],
  ],
  "macOS German": [
    ["[", "Digit5", { alt: true }, "["],
    ["]", "Digit6", { alt: true }, "]"],
    ["ü", "BracketLeft", {}, "["],
    ["+", "BracketRight", {}, "]"],
    ["å", "KeyA", { alt: true }, null],
    ["¡", "Digit1", { alt: true }, null],
    ["z", "KeyY", { meta: true }, "ctrl+z"],
    ["s", "KeyS", { meta: true }, "ctrl+s"],
  ],
  Russian: [
    ["и", "KeyB", {}, "b"],
    ["я", "KeyZ", { ctrl: true }, "ctrl+z"],
    ["х", "BracketLeft", {}, "["],
    ["б", "Comma", {}, ","],
    ["1", "Digit1", {}, "1"],
    ["?", "Digit7", { shift: true }, "?"],
  ],
  Dvorak: [
    ["w", "Comma", {}, "w"],
    [",", "KeyW", {}, ","],
    ["[", "Minus", {}, "["],
    ["=", "BracketRight", {}, "]"],
  ],
};

describe.each(Object.entries(KEYBOARDS))("a %s keyboard", (_, presses) => {
  it.each(presses)("types %s (%s, %j): %s", (key, code, held, binding) => {
    expect(bindingOf(press(key, code, held))).toBe(binding);
  });
});

describe("labels", () => {
  afterEach(() => readKeyboard(undefined));

  it("are the user's own where the browser knows them", async () => {
    const german = { BracketLeft: "ü", BracketRight: "+", Minus: "ß", Equal: "´", Comma: ",", Period: "." };
    await readKeyboard({ getLayoutMap: async () => new Map(Object.entries(german)) });
    expect(["[", "]", "− / =", ", / .", "Ctrl+Z", "1"].map(keyLabel)).toEqual([
      ...["Ü", "+", "ß / ´", ", / .", "Ctrl+Z", "1"],
    ]);
  });

  it("are those of a US keyboard elsewhere", async () => {
    await readKeyboard({ getLayoutMap: () => Promise.reject(new Error("not in a frame")) });
    expect(["[", "− / ="].map(keyLabel)).toEqual(["[", "− / ="]);
  });
});

const runs = vi.hoisted(() => vi.fn());
vi.mock("../src/ui/regions", () => ({ nextRegion: runs }));

describe("keys that belong to a control", () => {
  const context = {
    app: { show: runs },
    session: { display: { set: runs, step: runs }, propagate: runs, undo: runs },
    pane: null,
  } as unknown as Context;

  function typeInto(html: string, typed: string): number {
    const key = typed.replace(/^.*\+/, "");
    runs.mockClear();
    document.body.innerHTML = html;
    const target = document.body.firstElementChild ?? document.body;
    const held = { ctrlKey: /Ctrl/.test(typed), altKey: /Alt/.test(typed) };
    const event = new KeyboardEvent("keydown", {
      ...{ key, code: `Key${key.toUpperCase()}`, bubbles: true, ...held },
    });
    target.addEventListener("keydown", (each) => handleKey(each as KeyboardEvent, context));
    target.dispatchEvent(event);
    return runs.mock.calls.length;
  }

  it.each([
    ["<div></div>", "b", 1],
    ["<input>", "b", 0],
    ["<input>", "F6", 1],
    ["<input>", "Ctrl+s", 1],
    ["<input>", "Ctrl+z", 0],
    ["<input>", "Ctrl+Alt+[", 0],
    ["<select></select>", "Ctrl+z", 1],
    ['<input type="range">', "b", 1],
    ['<input type="range">', "ArrowUp", 0],
    ['<input type="checkbox">', "Enter", 0],
    ["<textarea></textarea>", "Enter", 0],
    ["<select></select>", "b", 0],
    ["<button>B</button>", "Enter", 0],
    ["<button>B</button>", "b", 1],
    ['<div role="slider"></div>', "ArrowUp", 0],
    ['<div role="slider"></div>', "PageUp", 1],
    ["<dialog></dialog>", "b", 0],
  ])("%s, %s: %i", (html, key, count) => expect(typeInto(html, key)).toBe(count));
});
