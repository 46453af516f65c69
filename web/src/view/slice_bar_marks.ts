/** Marks on the slice bar: slices that a person has set, slices that are right, and how far an edit would reach. */
import type { PlaneName } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { setSlices } from "../state/slice_edits";
import { POSITIVE, PROMPT } from "./overlay_pen";

/** Fills a slice of the bar between two shares of its width. */
export type FillSlice = (index: number, left: number, right: number, colour: string) => void;

const REACH = "#ffffff";

export function paintMarks(fill: FillSlice, session: OpenSession, plane: PlaneName): void {
  const object = session.object(session.selected);
  if (!object || object.plane !== plane || session.draft) return;
  const right = new Set(object.confirmed);
  for (const index of setSlices(object)) fill(index, 0.14, 0.22, right.has(index) ? POSITIVE : PROMPT);
  const { reached } = session.hand;
  if (!reached) return;
  for (let index = reached[0]; index <= reached[1]; index++) fill(index, 0.73, 0.78, REACH);
  for (const index of reached) fill(index, 0.55, 0.78, REACH);
}
