/** The table of all shortcuts: the page handles these keys, and `?` shows them. */

import type { App } from "../state/app";
import type { Layout, PaneName, Tool } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { WITHOUT_BOUNDS } from "../state/prompt_draft";
import { confirmHere } from "../state/slice_edits";
import { zoomByKeys } from "../view/camera";
import { dropGesture, moveCursor, pressCursor } from "../view/key_cursor";
import type { SlicePane } from "../view/slice_pane";
import {
  CT_PRESETS,
  centerWidth,
  KEYS_OF_PRESETS,
  presetsOf,
  type WindowPreset,
} from "../volume/value_window";
import { savePicture } from "./camera_menu";
import { bindingOf } from "./keyboard";
import { type ProjectContext, projectShortcut, windowKey } from "./project_shortcuts";
import { nextRegion } from "./regions";

export interface Shortcut {
  group: "Tools" | "Prompt" | "Edit" | "Slices" | "View" | "Files";
  /** The keys as a US keyboard has them, with " / " between several; `keyLabel` makes them the user's. */
  label: string;
  description: string;
  /** The names of its keys, see `keyboard.ts`, with `ctrl+` and `shift+` where they matter. */
  bindings: readonly string[];
  run: (context: Context, key: string) => unknown;
}

export interface Context {
  app: App;
  session: OpenSession;
  pane: SlicePane | null;
  panes: ReadonlyMap<PaneName, SlicePane>;
  /** Where the session is of a project's case. */
  ofCase?: ProjectContext | null;
}

const tool = (key: string, name: Tool, description: string): Shortcut => ({
  group: "Tools",
  label: key.toUpperCase(),
  description,
  bindings: [key],
  run: ({ session, pane }) => {
    if (pane?.gesture) dropGesture(pane); // it belongs to the tool before
    session.display.set({ tool: name });
  },
});

function presetText({ name, window }: WindowPreset, n: number): string {
  const { width, center } = centerWidth(window);
  return `${name} window (${width} / ${center}); of an MR or PET, preset ${n + 1}`;
}
const LAYOUTS: Layout[] = ["main", "quad", "single"];
const ARROWS: Record<string, [number, number]> = {
  arrowup: [0, -1],
  arrowdown: [0, 1],
  arrowleft: [-1, 0],
  arrowright: [1, 0],
};

export const SHORTCUTS: readonly Shortcut[] = [
  tool("b", "box", "Box around the object"),
  tool("p", "point", "Positive point: part of the object (Shift-click: negative)"),
  tool("n", "negative", "Negative point: not part of the object"),
  tool("s", "scribble", "Scribble: a line through the object (Shift or right button: not part of it)"),
  tool("l", "lasso", "Lasso (Shift or right button: not part of the object)"),
  tool("d", "brush", "Paint (Shift erases)"),
  tool("e", "erase", "Erase by hand (Shift paints)"),
  tool("m", "measure", "Measure lengths, angles and regions"),
  tool("w", "window", "Window by dragging (or right button, most tools)"),
  tool("v", "navigate", "Navigate: a click moves all planes there"),
  {
    group: "Tools",
    label: "− / =",
    description: "Smaller, larger brush",
    bindings: ["-", "="],
    run: ({ session }, key) => session.display.setBrush(session.display.brushMm * (key === "-" ? 0.8 : 1.25)),
  },
  {
    group: "Prompt",
    label: "Enter",
    description: "Propagate through the volume",
    bindings: ["enter"],
    run: ({ session }) => session.propagate(),
  },
  {
    group: "Prompt",
    label: "Esc",
    description: "Stop what runs and keep what is done; else discard the prompt, or take Navigate",
    bindings: ["escape"],
    run: ({ session, pane }) => {
      if (pane?.gesture) dropGesture(pane);
      else if (session.measurements.started) session.measurements.start(null);
      else if (session.busy) void session.stop(true);
      else if (session.draft) session.discardDraft();
      else session.display.set({ tool: "navigate" });
    },
  },
  {
    group: "Prompt",
    label: "A",
    description: "Next of the four masks (Shift+A: previous)",
    bindings: ["a", "shift+a"],
    run: ({ session }, key) => session.nextAlternative(key === "a" ? 1 : -1),
  },
  {
    group: "Prompt",
    label: "]",
    description: "Set the upper end of the prompt or object to this slice",
    bindings: ["]"],
    run: ({ session }) => setBoundHere(session, true),
  },
  {
    group: "Prompt",
    label: "[",
    description: "Set the lower end of the prompt or object to this slice",
    bindings: ["["],
    run: ({ session }) => setBoundHere(session, false),
  },
  {
    group: "Prompt",
    label: "F",
    description: "Leave the bounds to the stop rule",
    bindings: ["f"],
    run: ({ session }) => session.changeDraft(WITHOUT_BOUNDS),
  },
  {
    group: "Edit",
    label: "Ctrl+Z",
    description: "Undo; with Measure, the last measurement",
    bindings: ["ctrl+z"],
    run: ({ session }) => session.undo(),
  },
  {
    group: "Edit",
    label: "Ctrl+Shift+Z",
    description: "Redo",
    bindings: ["ctrl+shift+z", "ctrl+y"],
    run: ({ session }) => session.redo(),
  },
  {
    group: "Edit",
    label: "O",
    description: "New object",
    bindings: ["o"],
    run: ({ session }) => session.setTarget(null),
  },
  {
    group: "Edit",
    label: ", / .",
    description: "Previous, next object",
    bindings: [",", "."],
    run: ({ session }, key) => {
      const { objects } = session;
      if (!objects.length) return;
      const at = objects.findIndex((each) => each.name === session.selected);
      session.setTarget(objects[(at + (key === "," ? -1 : 1) + 2 * objects.length) % objects.length].name);
    },
  },
  {
    group: "Edit",
    label: "K",
    description: "Lock or unlock the object",
    bindings: ["k"],
    run: ({ session }) => {
      const object = session.object(session.selected);
      if (object) void session.changeObject(object.name, { locked: !object.locked });
    },
  },
  {
    group: "Edit",
    label: "Delete",
    description: "Delete the object's last edit, or the chosen measurement (Measure)",
    bindings: ["delete", "backspace"],
    run: ({ session }) => {
      const { measurements } = session;
      if (session.display.tool === "measure") {
        if (measurements.selected) measurements.remove(measurements.selected);
        return;
      }
      if (session.draft) return session.discardDraft();
      const last = session.object(session.selected)?.edits.at(-1);
      if (last) void session.deletePrompt(last.number);
    },
  },
  {
    group: "Edit",
    label: "C",
    description: "Mark the object's slice in view as right, or open it again",
    bindings: ["c"],
    run: ({ session }) => {
      const object = session.object(session.selected);
      if (object) void confirmHere(session, object);
    },
  },
  {
    group: "Edit",
    label: "R",
    description: "Review next: the slice that is most likely wrong",
    bindings: ["r"],
    run: ({ session }) => session.reviewNext(),
  },
  {
    group: "Slices",
    label: "↑ / ↓",
    description: "One slice up, down (or the wheel)",
    bindings: ["arrowup", "arrowdown"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "arrowup" ? 1 : -1),
  },
  {
    group: "Slices",
    label: "PgUp / PgDn",
    description: "Ten slices up, down",
    bindings: ["pageup", "pagedown"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "pageup" ? 10 : -10),
  },
  {
    group: "Slices",
    label: "Home / End",
    description: "Topmost, lowest slice",
    bindings: ["home", "end"],
    run: ({ session }, key) => session.display.step(session.display.active, key === "home" ? 1e6 : -1e6),
  },
  {
    group: "Slices",
    label: "Tab",
    description: "Next view or button",
    bindings: [],
    run: () => undefined,
  },
  {
    group: "Slices",
    label: "F6",
    description: "Next part of the page: views, panel, bars (Shift+F6: back)",
    bindings: ["f6", "shift+f6"],
    run: (_, key) => nextRegion(key === "f6" ? 1 : -1),
  },
  {
    group: "Slices",
    label: "Shift+arrows",
    description: "Move the cursor by a voxel (with Ctrl: ten)",
    bindings: Object.keys(ARROWS).flatMap((key) => [`shift+${key}`, `ctrl+shift+${key}`]),
    run: ({ pane }, key) => {
      const [dx, dy] = ARROWS[key.split("+").at(-1)!];
      const step = key.startsWith("ctrl") ? 10 : 1;
      if (pane) moveCursor(pane, dx * step, dy * step);
    },
  },
  {
    group: "Slices",
    label: "Space",
    description: "Press at the cursor: a click, or a box's two corners",
    bindings: [" ", "shift+ "],
    run: ({ pane }, key) => pane && pressCursor(pane, key.startsWith("shift")),
  },
  ...CT_PRESETS.slice(0, KEYS_OF_PRESETS).map(
    (ofCt, n): Shortcut => ({
      group: "View",
      label: String(n + 1),
      description: presetText(ofCt, n),
      bindings: [String(n + 1)],
      run: ({ app, session }) => {
        const presets = presetsOf(session.volume);
        if (presets[n]) session.display.set({ window: presets[n].window });
        else
          app.showToast(
            "info",
            `This volume has ${presets.length} window presets: keys 1 to ${presets.length}.`,
          );
      },
    }),
  ),
  {
    group: "View",
    label: "6 / 7",
    description: "Window from the values of this slice, of the volume",
    bindings: ["6", "7"],
    run: ({ session }, key) => session.autoWindow(key === "6" ? "slice" : "volume"),
  },
  {
    group: "View",
    label: "I",
    description: "Invert: exchange black and white",
    bindings: ["i"],
    run: ({ session }) => session.look.set({ inverted: !session.look.inverted }),
  },
  {
    group: "View",
    label: "T",
    description: "Next layout",
    bindings: ["t"],
    run: ({ session }) => {
      const { layout, active } = session.display;
      session.display.set({ layout: LAYOUTS[(LAYOUTS.indexOf(layout) + 1) % LAYOUTS.length], large: active });
    },
  },
  {
    group: "View",
    label: "G",
    description: "Only this view, and back (or double-click)",
    bindings: ["g"],
    run: ({ session }) => session.display.enlarge(session.display.active),
  },
  {
    group: "View",
    label: "Y / Shift+Y",
    description: "The next, the previous view becomes the large one",
    bindings: ["y", "shift+y"],
    run: ({ session }, key) => session.display.nextLarge(key === "y" ? 1 : -1),
  },
  {
    group: "View",
    label: "Z / Shift+Z",
    description: "Zoom in, out (or Ctrl+wheel; middle button moves)",
    bindings: ["z", "shift+z", "numpad+", "numpad-"],
    run: ({ pane }, key) => pane && zoomByKeys(pane, key === "shift+z" || key === "numpad-" ? 0.8 : 1.25),
  },
  {
    group: "View",
    label: "0",
    description: "Fit the slices into the views",
    bindings: ["0"],
    run: ({ session }) => session.display.fit(),
  },
  {
    group: "View",
    label: "H",
    description: "Hide or show the masks",
    bindings: ["h"],
    run: ({ session }) => session.display.set({ masks: !session.display.masks }),
  },
  {
    group: "View",
    label: "X",
    description: "Hide or show the crosshair",
    bindings: ["x"],
    run: ({ session }) => session.display.set({ crosshair: !session.display.crosshair }),
  },
  {
    group: "View",
    label: "J / Shift+J",
    description: "Save a picture of this view, of all views",
    bindings: ["j", "shift+j"],
    run: ({ app, session, panes }, key) => savePicture(app, session, panes, key === "j" ? "view" : "all"),
  },
  {
    group: "View",
    label: "Q",
    description: "Statistics of the objects",
    bindings: ["q"],
    run: ({ app }) => app.show("statistics"),
  },
  {
    group: "Files",
    label: "Ctrl+S",
    description: "Save",
    bindings: ["ctrl+s"],
    run: ({ app }) => app.show("save"),
  },
  {
    group: "Files",
    label: "Ctrl+O",
    description: "Open",
    bindings: ["ctrl+o"],
    run: ({ app }) => app.show("open"),
  },
  {
    group: "Files",
    label: "?",
    description: "Show these shortcuts",
    bindings: ["?"],
    run: ({ app }) => app.show("shortcuts"),
  },
];

function setBoundHere(session: OpenSession, top: boolean): void {
  const { draft, ends, geometry, display } = session;
  const plane = draft?.plane ?? ends.shown?.plane;
  if (!plane) return;
  const end = top === geometry.grids[plane].topIsLast ? "high" : "low";
  if (draft) session.setBound(end, display.index(plane));
  else ends.set(end, display.index(plane));
}

const BY_BINDING = new Map(
  SHORTCUTS.flatMap((shortcut) => shortcut.bindings.map((key) => [key, shortcut] as const)),
);

/** What a field takes: signs, keys that move in it, and its own undo, redo, cut, copy and paste. */
const TYPED = /^(?!F\d|ctrl\+[^acvxyz])/;
const CHOSEN = /^(?!F\d|ctrl\+)/;
/** Keys that a control uses itself, by the selector of the control. */
const USED_BY: readonly [selector: string, keys: RegExp][] = [
  ["dialog, [role=menu], [role=listbox], [contenteditable]", /./],
  ["select", CHOSEN],
  ["textarea", TYPED],
  ["input:not([type=range], [type=checkbox], [type=radio], [type=color], [type=button])", TYPED],
  ["button, a, summary, input", /^(Enter| )$/],
  ["[role=slider], [role=separator]", /^Arrow/],
  ["input", /^(Arrow|Home|End|Page)/],
];

/** Run the shortcut of a key, unless the key belongs to a field, a button or a dialog. */
export function handleKey(event: KeyboardEvent, context: Context): void {
  const target = event.target instanceof Element ? event.target : document.body;
  const ctrl = (event.ctrlKey || event.metaKey) && !event.altKey; // with Alt it is AltGr, which types signs
  const key = ctrl ? `ctrl+${event.key.toLowerCase()}` : event.key;
  const used = USED_BY.some(([selector, keys]) => keys.test(key) && target.closest(selector));
  if (used || event.defaultPrevented || event.isComposing) return;
  const { ofCase } = context;
  const window = ofCase ? windowKey(event) : null;
  const binding = window ?? bindingOf(event);
  const own = ofCase && !window && projectShortcut(binding);
  const shortcut = binding && BY_BINDING.get(binding);
  if (!binding || !(own || shortcut)) return;
  event.preventDefault();
  if (own) own.run(ofCase, binding);
  else if (shortcut) shortcut.run(context, binding);
}
