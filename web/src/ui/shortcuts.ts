/** Every shortcut, in one table: what the page obeys is what `?` shows. */

import type { App } from "../state/app";
import type { Layout, Tool } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { moveCursor, pressCursor } from "../view/pane_input";
import type { SlicePane } from "../view/slice_pane";
import { PRESETS, presetWindow } from "../volume/hu_window";

export interface Shortcut {
  group: "Tools" | "Prompt" | "Edit" | "Slices" | "View" | "Files";
  /** As written in the table. */
  keys: string;
  what: string;
  /** As `KeyboardEvent.key` in lower case, with `ctrl+` and `shift+` where they count. */
  on: readonly string[];
  run: (context: Context, key: string) => unknown;
}

export interface Context {
  app: App;
  session: OpenSession;
  pane: SlicePane | null;
}

const tool = (key: string, name: Tool, what: string): Shortcut => ({
  group: "Tools",
  keys: key.toUpperCase(),
  what,
  on: [key],
  run: ({ session }) => session.display.set({ tool: name }),
});

const LAYOUTS: Layout[] = ["main", "quad", "single"];
const ARROWS: Record<string, [number, number]> = {
  arrowup: [0, -1],
  arrowdown: [0, 1],
  arrowleft: [-1, 0],
  arrowright: [1, 0],
};

export const SHORTCUTS: readonly Shortcut[] = [
  tool("b", "box", "Box around the object"),
  tool("p", "point", "Point: belongs to it (Shift-click: does not)"),
  tool("n", "negative", "Point: does not belong to it"),
  tool("d", "brush", "Paint a rough mask (Shift erases)"),
  tool("l", "lasso", "Lasso a rough mask"),
  tool("m", "measure", "Measure in mm"),
  tool("w", "window", "Window by dragging (or right button, any tool)"),
  tool("v", "look", "Look: click moves all planes there"),
  {
    group: "Tools",
    keys: "− / =",
    what: "Smaller, larger brush",
    on: ["-", "="],
    run: ({ session }, key) => session.display.setBrush(session.display.brushMm * (key === "-" ? 0.8 : 1.25)),
  },
  {
    group: "Prompt",
    keys: "Enter",
    what: "Walk through the volume",
    on: ["enter"],
    run: ({ session }) => session.walk(),
  },
  {
    group: "Prompt",
    keys: "Esc",
    what: "Drop the prompt, or stop the walk",
    on: ["escape"],
    run: ({ session, pane }) => {
      if (pane?.gesture) {
        pane.gesture = null;
        pane.redraw();
      } else if (session.busy) void session.stop();
      else if (session.draft) session.dropDraft();
      else session.display.set({ tool: "look" });
    },
  },
  {
    group: "Prompt",
    keys: "A",
    what: "Next of the four masks (Shift+A: previous)",
    on: ["a", "shift+a"],
    run: ({ session }, key) => session.nextAlternative(key === "a" ? 1 : -1),
  },
  {
    group: "Prompt",
    keys: "]",
    what: "The object ends here, towards the top of the slice bar",
    on: ["]"],
    run: ({ session }) => boundHere(session, true),
  },
  {
    group: "Prompt",
    keys: "[",
    what: "The object ends here, towards the bottom",
    on: ["["],
    run: ({ session }) => boundHere(session, false),
  },
  {
    group: "Prompt",
    keys: "F",
    what: "Find the ends by itself",
    on: ["f"],
    run: ({ session }) => session.changeDraft({ bounds: null, said: { low: false, high: false } }),
  },
  { group: "Edit", keys: "Ctrl+Z", what: "Undo", on: ["ctrl+z"], run: ({ session }) => session.undo() },
  {
    group: "Edit",
    keys: "Ctrl+Shift+Z",
    what: "Redo",
    on: ["ctrl+shift+z", "ctrl+y"],
    run: ({ session }) => session.redo(),
  },
  { group: "Edit", keys: "O", what: "New object", on: ["o"], run: ({ session }) => session.select(null) },
  {
    group: "Edit",
    keys: ", / .",
    what: "Previous, next object",
    on: [",", "."],
    run: ({ session }, key) => {
      const { objects } = session;
      if (!objects.length) return;
      const at = objects.findIndex((each) => each.name === session.selected);
      session.select(objects[(at + (key === "," ? -1 : 1) + 2 * objects.length) % objects.length].name);
    },
  },
  {
    group: "Edit",
    keys: "K",
    what: "Lock or unlock the object",
    on: ["k"],
    run: ({ session }) => {
      const object = session.object(session.selected);
      if (object) void session.changeObject(object.name, { locked: !object.locked });
    },
  },
  {
    group: "Edit",
    keys: "Delete",
    what: "Delete the object's last prompt",
    on: ["delete", "backspace"],
    run: ({ session }) => {
      if (session.draft) return session.dropDraft();
      const last = session.object(session.selected)?.prompts.at(-1);
      if (last) void session.deletePrompt(last.number);
    },
  },
  {
    group: "Edit",
    keys: "R",
    what: "Review next: where the model is least sure",
    on: ["r"],
    run: ({ session }) => session.reviewNext(),
  },
  {
    group: "Slices",
    keys: "↑ / ↓",
    what: "Next slice towards the top, the bottom (or the wheel)",
    on: ["arrowup", "arrowdown"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "arrowup" ? 1 : -1),
  },
  {
    group: "Slices",
    keys: "PgUp / PgDn",
    what: "Ten slices",
    on: ["pageup", "pagedown"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "pageup" ? 10 : -10),
  },
  {
    group: "Slices",
    keys: "Home / End",
    what: "Topmost, lowest slice",
    on: ["home", "end"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "home" ? 1e6 : -1e6),
  },
  {
    group: "Slices",
    keys: "Tab",
    what: "Next pane or button",
    on: [],
    run: () => undefined,
  },
  {
    group: "Slices",
    keys: "Shift+arrows",
    what: "Move the cursor by a voxel (with Ctrl: ten)",
    on: Object.keys(ARROWS).flatMap((key) => [`shift+${key}`, `ctrl+shift+${key}`]),
    run: ({ pane }, key) => {
      const [dx, dy] = ARROWS[key.split("+").at(-1)!];
      const step = key.startsWith("ctrl") ? 10 : 1;
      if (pane) moveCursor(pane, dx * step, dy * step);
    },
  },
  {
    group: "Slices",
    keys: "Space",
    what: "Press at the cursor: a click, or a box's two corners",
    on: [" ", "shift+ "],
    run: ({ pane }, key) => pane && pressCursor(pane, key.startsWith("shift")),
  },
  ...PRESETS.map(
    (preset, n): Shortcut => ({
      group: "View",
      keys: String(n + 1),
      what: `${preset.name} window (${preset.width} / ${preset.center})`,
      on: [String(n + 1)],
      run: ({ session }) => session.display.set({ window: presetWindow(preset) }),
    }),
  ),
  {
    group: "View",
    keys: "T",
    what: "Next layout",
    on: ["t"],
    run: ({ session }) => {
      const { layout, active } = session.display;
      session.display.set({ layout: LAYOUTS[(LAYOUTS.indexOf(layout) + 1) % LAYOUTS.length], large: active });
    },
  },
  {
    group: "View",
    keys: "G",
    what: "This pane alone, and back (or double-click)",
    on: ["g"],
    run: ({ session }) => session.display.enlarge(session.display.active),
  },
  {
    group: "View",
    keys: "Z / Shift+Z",
    what: "Zoom in, out (or Ctrl+wheel; middle button moves)",
    on: ["z", "shift+z", "+"],
    run: ({ session }, key) => session.display.zoom(session.display.active, key === "shift+z" ? 0.8 : 1.25),
  },
  { group: "View", keys: "0", what: "Whole slices", on: ["0"], run: ({ session }) => session.display.fit() },
  {
    group: "View",
    keys: "H",
    what: "Hide or show the masks",
    on: ["h"],
    run: ({ session }) => session.display.set({ masks: !session.display.masks }),
  },
  {
    group: "View",
    keys: "X",
    what: "Crosshair",
    on: ["x"],
    run: ({ session }) => session.display.set({ crosshair: !session.display.crosshair }),
  },
  { group: "Files", keys: "Ctrl+S", what: "Save", on: ["ctrl+s"], run: ({ app }) => app.show("save") },
  { group: "Files", keys: "Ctrl+O", what: "Open", on: ["ctrl+o"], run: ({ app }) => app.show("open") },
  {
    group: "Files",
    keys: "?",
    what: "These shortcuts",
    on: ["?", "shift+?"],
    run: ({ app }) => app.show("shortcuts"),
  },
];

function boundHere(session: OpenSession, top: boolean): void {
  const { draft } = session;
  if (!draft) return;
  const { topIsLast } = session.geometry.grids[draft.plane];
  session.bound(top === topIsLast ? "high" : "low", session.display.index(draft.plane));
}

const BY_KEY = new Map(SHORTCUTS.flatMap((shortcut) => shortcut.on.map((key) => [key, shortcut] as const)));

function named(event: KeyboardEvent): string {
  const key = event.key.toLowerCase();
  const ctrl = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  return `${ctrl}${event.shiftKey ? "shift+" : ""}${key}`;
}

/** Obey a key, unless it is meant for a field, a button or a dialog. */
export function obey(event: KeyboardEvent, context: Context): void {
  const target = event.target as HTMLElement;
  const typing = target.closest("input, select, textarea, dialog, [role=menu]");
  const pressing = target.closest("button, a, summary") && (event.key === "Enter" || event.key === " ");
  const sliding = target.closest("[role=slider]") && event.key.startsWith("Arrow");
  if (event.altKey || typing || pressing || sliding || event.defaultPrevented) return;
  const name = named(event);
  const shortcut = BY_KEY.get(name);
  if (!shortcut) return;
  event.preventDefault();
  shortcut.run(context, name);
}
