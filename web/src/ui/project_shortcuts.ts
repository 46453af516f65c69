/** The shortcuts in a case of a project. They come before those of `shortcuts.ts`. */
import type { CaseWork } from "../state/case_work";
import type { Project } from "../state/project";
import { isDone } from "../state/worklist";

export interface ProjectContext {
  project: Project;
  work: CaseWork;
}

export interface ProjectShortcut {
  label: string;
  description: string;
  bindings: readonly string[];
  run: (context: ProjectContext, key: string) => unknown;
}

export const PROJECT_SHORTCUTS: readonly ProjectShortcut[] = [
  {
    label: "1 … 9",
    description: "Choose a label",
    bindings: ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
    run: ({ work }, key) => {
      const row = work.rows[Number(key) - 1];
      if (row) work.choose(row.name);
    },
  },
  {
    label: ", / .",
    description: "Previous, next label",
    bindings: [",", "."],
    run: ({ work }, key) => work.step(key === "," ? -1 : 1),
  },
  {
    label: "Shift+D",
    description: "The label is done, and go on to the next one; in a check: agree, or corrected",
    bindings: ["shift+d"],
    run: ({ work }) => settle(work),
  },
  {
    label: "Shift+X",
    description: "The label is not in this case",
    bindings: ["shift+x"],
    run: ({ work }) => !work.checks && work.chosen && work.setAbsent(work.chosen.name),
  },
  {
    label: "K",
    description: "Reopen a label that is done; in a check: correct it",
    bindings: ["k"],
    run: ({ work }) => open(work),
  },
  {
    label: "Shift+B",
    description: "Send the label back with a note (in a check)",
    bindings: ["shift+b"],
    run: ({ work }) => work.checks && work.writeNote(work.chosen?.name ?? null),
  },
  {
    label: "Shift+N",
    description: "Next case",
    bindings: ["shift+n"],
    run: ({ project }) => project.next(),
  },
  {
    label: "Shift+W",
    description: "Back to the worklist",
    bindings: ["shift+w"],
    run: ({ project }) => project.leave(),
  },
  {
    label: "Shift+1 … 7",
    description: "The windows that 1 to 7 choose elsewhere",
    bindings: [], // see `windowKey`
    run: () => undefined,
  },
];

/** The label is right: done, or in a check agreed or corrected. */
export function settle(work: CaseWork): unknown {
  const { chosen } = work;
  if (!chosen) return;
  if (!work.checks) return work.finish(chosen.name);
  if (chosen.state === "done") return work.review(chosen.name, work.changed(chosen) ? "corrected" : "agreed");
}

/** Let the chosen label change again. */
export function open(work: CaseWork): unknown {
  const { chosen, session } = work;
  if (chosen?.state === "checked" && work.checks)
    return session.tell(`${chosen.name} is checked. To have it changed, send it back (Shift+B).`);
  if (chosen && isDone(chosen.state))
    return work.checks ? work.unlock(chosen.name) : work.reopen(chosen.name);
  const object = session.object(session.selected);
  if (object) return session.changeObject(object.name, { locked: !object.locked });
}

const BY_BINDING = new Map(
  PROJECT_SHORTCUTS.flatMap((shortcut) => shortcut.bindings.map((key) => [key, shortcut] as const)),
);

/** The shortcut of a binding in a case of a project. */
export function projectShortcut(binding: string | null): ProjectShortcut | undefined {
  return binding === null ? undefined : BY_BINDING.get(binding);
}

/** The binding of a window that a key with Shift chooses; by its place, since some keyboards need Shift for digits. */
export function windowKey({ code, shiftKey, ctrlKey, metaKey, altKey }: KeyboardEvent): string | null {
  const digit = /^Digit([1-7])$/.exec(code)?.[1];
  return digit && shiftKey && !ctrlKey && !metaKey && !altKey ? digit : null;
}
