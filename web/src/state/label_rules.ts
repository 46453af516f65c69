/** What a session keeps to where it is of a project's case: the labels that are filled, and which of them are done. */
import type { SegmentedObject } from "../api/wire_types";

export interface LabelRules {
  /** The names that objects are begun under. */
  readonly names: readonly string[];
  /** Labels whose object is a proposal that nobody has touched. */
  readonly proposed: ReadonlySet<string>;
  /** Labels that are done: they are reopened before they change. */
  readonly closed: ReadonlySet<string>;
}

export const NO_LABELS: LabelRules = { names: [], proposed: new Set(), closed: new Set() };

/** The object of the last edit that there is; null without one. */
export function lastEdited(objects: readonly Pick<SegmentedObject, "name" | "edits">[]): string | null {
  const last = objects.map(({ name, edits }) => ({
    name,
    number: Math.max(-1, ...edits.map((each) => each.number)),
  }));
  return last.sort((a, b) => b.number - a.number).at(0)?.name ?? null;
}
