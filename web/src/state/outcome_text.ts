/** What an edit did, in words: how many slices changed, what was added and taken, and from whom. */
import type { EditOutcome } from "../api/wire_types";
import type { OpenSession } from "./open_session";

export function millilitres(ml: number): string {
  return `${ml < 10 ? ml.toFixed(2) : ml < 100 ? ml.toFixed(1) : Math.round(ml)} ml`;
}

export function outcomeText(outcome: EditOutcome, { geometry }: Pick<OpenSession, "geometry">): string {
  const { name, slices, added_ml, taken_ml, taken_from, refused_by } = outcome;
  const ml = geometry.spacing.reduce((product, mm) => product * mm, 1) / 1000;
  if (!slices.length) return `${name}: nothing changed.`;
  const parts = [`${slices.length} ${slices.length === 1 ? "slice" : "slices"}`];
  if (added_ml) parts.push(`${millilitres(added_ml)} added`);
  if (taken_ml) parts.push(`${millilitres(taken_ml)} taken away`);
  for (const [other, voxels] of Object.entries(taken_from))
    parts.push(`${millilitres(voxels * ml)} of it from ${other}`);
  for (const [other, voxels] of Object.entries(refused_by))
    if (other) parts.push(`${other} keeps ${millilitres(voxels * ml)}`);
  return `${name}: ${parts.join(", ")}.`;
}
