/** Edits of one slice of an object. */
import type { Ijk, ObjectPrompt, SegmentedObject } from "../api/wire_types";
import type { OpenSession } from "./open_session";

/** The slice in view of the object's plane. */
export function sliceInView(session: OpenSession, { plane }: Pick<SegmentedObject, "plane">): number {
  return session.display.index(plane);
}

/** Mark the slice in view as right, or open it again. */
export function confirmHere(session: OpenSession, object: SegmentedObject): Promise<unknown> {
  const index = sliceInView(session, object);
  return session.confirm(object.name, [index], !object.confirmed.includes(index));
}

/** Copy the slice in view to the next one, towards the top of the slice bar or the bottom, and go there. */
export async function copySlice(session: OpenSession, object: SegmentedObject, up: boolean): Promise<void> {
  const grid = session.geometry.grids[object.plane];
  const index = sliceInView(session, object);
  const to = index + (up === grid.topIsLast ? 1 : -1);
  if (to < 0 || to >= grid.count) return session.tell(`Slice ${index} is the last one of the volume.`);
  const jobs = await session.cleanUp(object.name, {
    step: "copy_slice",
    index,
    to: [to],
    axis: grid.axisName,
  });
  if (jobs.length) session.display.goTo(object.plane, to);
}

/** The slices of its plane that a person has set: by a prompt, by hand, or by marking them right. */
export function setSlices(object: SegmentedObject): number[] {
  const kinds = ["segment", "correct", "paint"];
  const edited = object.edits.filter((each) => kinds.includes(each.kind)).flatMap((each) => each.slices);
  const all = [...object.prompts.map((each) => each.index), ...object.confirmed, ...edited];
  return [...new Set(all)].sort((a, b) => a - b);
}

/** "30, 35-37" as slices; null if it is not a list of whole numbers and ranges. */
export function slicesOfText(text: string): number[] | null {
  const slices = new Set<number>();
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const range = /^(\d+)(?:[-–](\d+))?$/.exec(part);
    if (!range) return null;
    const [from, to] = [Number(range[1]), Number(range[2] ?? range[1])];
    if (to < from || to - from > 10_000) return null;
    for (let index = from; index <= to; index++) slices.add(index);
  }
  return [...slices].sort((a, b) => a - b);
}

/** A voxel of the object's first prompt: its point, or the middle of its box; null if it has neither. */
export function promptVoxel(object: SegmentedObject): Ijk | null {
  const first = object.prompts.find((each) => each.positive ?? true);
  return first ? voxelOf(first) : null;
}

function voxelOf({ point, box, scribble }: ObjectPrompt): Ijk | null {
  if (point) return point;
  if (scribble) return scribble[Math.floor(scribble.length / 2)];
  if (!box) return null;
  return (["i", "j", "k"] as const).map(
    (axis) => box[axis] ?? Math.round((box[`${axis}0`] + box[`${axis}1`]) / 2),
  ) as Ijk;
}

/** "slice 7", or "slices 7 – 9" for the first and the last of several. */
export function slicesText(slices: readonly number[]): string {
  if (!slices.length) return "";
  const [low, high] = [Math.min(...slices), Math.max(...slices)];
  return low === high ? `slice ${low}` : `slices ${low} – ${high}`;
}
