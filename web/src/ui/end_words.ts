/** How the ends of an object are named and explained. */
import type { PlaneName, SegmentedObject } from "../api/wire_types";
import type { EndName } from "../state/ends";
import type { SliceGrid } from "../volume/coordinates";

/** The end that the top of the slice bar shows, and the other one. */
const WORDS: Record<PlaneName, [top: string, bottom: string]> = {
  axial: ["top", "bottom"],
  coronal: ["front", "back"],
  sagittal: ["right", "left"],
};

/** "top" or "bottom" of an axial object; "front" or "back", "right" or "left" of others. */
export function endWord(grid: Pick<SliceGrid, "plane" | "topIsLast">, end: EndName): string {
  return WORDS[grid.plane][(end === "high") === grid.topIsLast ? 0 : 1];
}

/** Why an object ends where it does. */
export function endReason(
  object: Pick<SegmentedObject, "low_end" | "high_end" | "start" | "edits">,
  end: EndName,
): string {
  const reason = end === "low" ? object.low_end : object.high_end;
  if (reason === "volume end") return "end of the volume";
  if (reason === "stopped") return "stopped here";
  if (reason !== "bound") return "found automatically";
  const given = object.start === "start_from_mask" && !object.edits.some((each) => each.kind === "bounds");
  return given ? "as it was given" : "set by you";
}

/** How much time is left, as far as one can tell from the slices that are done. */
export function timeLeft(done: number, total: number | null, seconds: number | null): string | null {
  if (!total || !seconds || done < 2 || total <= done) return null;
  const left = (seconds / done) * (total - done);
  if (left < 1.5) return "about a second left";
  if (left < 90) return `about ${left < 10 ? Math.round(left) : 5 * Math.round(left / 5)} seconds left`;
  return `about ${Math.round(left / 60)} minutes left`;
}
