/** A prompt that was drawn and not yet walked through the volume. */
import type { PlaneName, PointPrompt, Preview, Prompt } from "../api/wire_types";
import type { SliceGrid } from "../volume/coordinates";

export interface Draft {
  name: string;
  plane: PlaneName;
  index: number;
  prompt: Prompt;
  /** Further points on the same slice; they follow as the object's first correction. */
  points: PointPrompt[];
  /** First and last slice; null lets the stop rule find the ends. */
  bounds: [number, number] | null;
  /** Ends that were set by the user, not guessed from the other. */
  said: { low: boolean; high: boolean };
  masks: Preview["masks"];
  choice: number;
  ms: number | null;
  asking: boolean;
  problem: string | null;
}

export function newDraft(name: string, plane: PlaneName, index: number, prompt: Prompt): Draft {
  return {
    name,
    plane,
    index,
    prompt,
    points: [],
    bounds: null,
    said: { low: false, high: false },
    masks: [],
    choice: 0,
    ms: null,
    asking: true,
    problem: null,
  };
}

/** Half of the range that is guessed around the prompt before the user says more. */
const GUESS_MM = 30;

export function guessedBounds(draft: Draft, grid: SliceGrid): [number, number] {
  const reach = Math.max(1, Math.round(GUESS_MM / grid.sliceMm));
  return [Math.max(0, draft.index - reach), Math.min(grid.count - 1, draft.index + reach)];
}

/** Set one end; the prompt's slice always stays inside. */
export function withBound(draft: Draft, grid: SliceGrid, end: "low" | "high", index: number): Draft {
  const [low, high] = draft.bounds ?? guessedBounds(draft, grid);
  const at = Math.min(grid.count - 1, Math.max(0, Math.round(index)));
  const bounds: [number, number] =
    end === "low" ? [Math.min(at, draft.index), high] : [low, Math.max(at, draft.index)];
  return { ...draft, bounds, said: { ...draft.said, [end]: true } };
}

export function promptKind(prompt: Prompt): "box" | "point" | "mask" {
  return "box" in prompt ? "box" : "point" in prompt ? "point" : "mask";
}

/** The first "Object n" that is free. */
export function freeName(taken: readonly string[]): string {
  for (let n = 1; ; n++) if (!taken.includes(`object ${n}`)) return `object ${n}`;
}
