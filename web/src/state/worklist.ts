/** The worklist of a project: what of it is shown, and what the states mean. */
import type { CaseLabel, CaseState, ProjectCase } from "../api/project";

export type WorklistFilter = "all" | "open" | "mine" | "done" | "check";
export const FILTERS: readonly (readonly [WorklistFilter, string])[] = [
  ["all", "All"],
  ["open", "Not done"],
  ["mine", "Mine"],
  ["done", "Done"],
  ["check", "To check"],
];

export interface Worklist {
  /** The cases that the filter and the search leave, in the order in which they are offered. */
  shown: ProjectCase[];
  /** Excluded ones that the search leaves. */
  excluded: ProjectCase[];
  /** How many cases each filter would leave without the search. */
  counts: Record<WorklistFilter, number>;
}

export function worklist(
  cases: readonly ProjectCase[],
  filter: WorklistFilter,
  search: string,
  user: string,
): Worklist {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (each: ProjectCase) => {
    const text = [each.id, each.note, each.assigned, each.locked_by, each.state, each.excluded]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const included = cases.filter((each) => each.state !== "excluded");
  const counts = Object.fromEntries(
    FILTERS.map(([name]) => [name, included.filter((each) => fits(each, name, user)).length]),
  ) as Worklist["counts"];
  const order = (a: ProjectCase, b: ProjectCase) => a.position - b.position || a.reading - b.reading;
  return {
    shown: included.filter((each) => fits(each, filter, user) && found(each)).sort(order),
    excluded: cases.filter((each) => each.state === "excluded" && found(each)).sort(order),
    counts,
  };
}

function fits(each: ProjectCase, filter: WorklistFilter, user: string): boolean {
  if (filter === "open") return !isDone(each.state);
  if (filter === "done") return isDone(each.state);
  if (filter === "mine") return each.mine || each.assigned === user || isAnnotator(each, user);
  if (filter === "check") return canCheck(each, user);
  return true;
}

export const isDone = (state: CaseState): boolean => state === "done" || state === "checked";

/** Whether the user has worked on one of its labels. */
export function isAnnotator(each: ProjectCase, user: string): boolean {
  return each.labels.some(({ annotator }) => annotator === user);
}

/** Whether it has labels that another one finished and nobody has checked. */
export function canCheck(each: ProjectCase, user: string): boolean {
  return (
    isDone(each.state) && each.labels.some(({ state, annotator }) => state === "done" && annotator !== user)
  );
}

/** Who has a case now; null if nobody else has. */
export function heldBy({ locked_by, mine }: Pick<ProjectCase, "locked_by" | "mine">): string | null {
  return mine ? null : locked_by;
}

export const stateText: Record<CaseState, string> = {
  new: "New",
  proposed: "Proposed",
  "in progress": "In progress",
  done: "Done",
  checked: "Checked",
  excluded: "Excluded",
};

/** A label's state in words: "Proposed, 82 % sure", "Done, not in this case". */
export function labelText({
  state,
  certainty,
  absent,
}: Pick<CaseLabel, "state" | "certainty" | "absent">): string {
  if (state === "proposed" && certainty !== null) return `Proposed, ${percent(certainty)} sure`;
  return absent && isDone(state) ? `${stateText[state]}, not in this case` : stateText[state];
}

export const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** "14:05", of today; with the date otherwise. */
export function timeOf(iso: string | null): string {
  if (!iso) return "";
  const time = new Date(iso);
  const today = time.toDateString() === new Date().toDateString();
  return time.toLocaleString("en-GB", {
    ...(today ? {} : { day: "numeric", month: "short" }),
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** A message with its times as the user's clock has them. */
export function withLocalTimes(message: string): string {
  return message.replace(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, timeOf);
}
