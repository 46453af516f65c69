/** A prompt that was drawn and previewed, and not propagated yet. */
import type { NewObject } from "../api/edit_requests";
import type { PlaneName, Preview, Prompt } from "../api/wire_types";
import type { SliceGrid } from "../volume/coordinates";

/** A prompt that the user drew on one slice. */
export interface DrawnPrompt {
  plane: PlaneName;
  index: number;
  prompt: Prompt;
}

export interface PromptDraft extends NewObject {
  /** The prompt's slice. */
  index: number;
  /** Which bounds the user has set; the other is a guess. */
  boundSet: { low: boolean; high: boolean };
  /** The preview: the model's four masks, the primary one first. */
  masks: Preview["masks"];
  /** How long the server took for the preview. */
  ms: number | null;
  predicting: boolean;
  error: string | null;
}

/** Leave both bounds to the stop rule. */
export const WITHOUT_BOUNDS: Pick<PromptDraft, "bounds" | "boundSet"> = {
  bounds: null,
  boundSet: { low: false, high: false },
};

export function newDraft(name: string, { plane, index, prompt }: DrawnPrompt): PromptDraft {
  return {
    name,
    plane,
    index,
    prompt,
    corrections: [],
    ...WITHOUT_BOUNDS,
    masks: [],
    alternative: 0,
    ms: null,
    predicting: true,
    error: null,
  };
}

/** Half of the range that is guessed around the prompt until the user sets a bound. */
const GUESS_MM = 30;

export function guessedBounds(draft: PromptDraft, grid: SliceGrid): [number, number] {
  const reach = Math.max(1, Math.round(GUESS_MM / grid.sliceMm));
  return [Math.max(0, draft.index - reach), Math.min(grid.count - 1, draft.index + reach)];
}

/** Set one bound; the prompt's slice always stays inside. */
export function withBound(
  draft: PromptDraft,
  grid: SliceGrid,
  end: "low" | "high",
  index: number,
): PromptDraft {
  const [low, high] = draft.bounds ?? guessedBounds(draft, grid);
  const at = Math.min(grid.count - 1, Math.max(0, Math.round(index)));
  const bounds: [number, number] =
    end === "low" ? [Math.min(at, draft.index), high] : [low, Math.max(at, draft.index)];
  return { ...draft, bounds, boundSet: { ...draft.boundSet, [end]: true } };
}

export function promptKind(prompt: Prompt): "box" | "point" | "mask" | "scribble" | "lasso" {
  if ("box" in prompt) return "box";
  if ("point" in prompt) return "point";
  if ("scribble" in prompt) return "scribble";
  return "lasso" in prompt ? "lasso" : "mask";
}

export function isPositive(prompt: Prompt): boolean {
  return prompt.positive ?? true;
}

/** The first "object n" that is free. */
export function freeName(taken: readonly string[]): string {
  for (let n = 1; ; n++) if (!taken.includes(`object ${n}`)) return `object ${n}`;
}
