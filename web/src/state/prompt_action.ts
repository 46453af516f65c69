/** Decides what a drawn prompt does: it starts an object, or corrects the draft or the selected object. */
import type { Correction } from "../api/edit_requests";
import type { Prompt } from "../api/wire_types";
import type { DrawnPrompt, PromptDraft } from "./prompt_draft";

export type PromptAction =
  | { kind: "start object" }
  | { kind: "correct draft"; correction: Correction }
  | { kind: "correct object"; name: string; correction: Correction }
  | { kind: "refuse"; message: string };

export function promptAction(
  { plane, index, prompt }: DrawnPrompt,
  draft: Pick<PromptDraft, "plane" | "index"> | null,
  selected: string | null,
): PromptAction {
  const correction = asCorrection(prompt);
  if (!correction) return { kind: "start object" };
  if (draft?.plane === plane && draft.index === index) return { kind: "correct draft", correction };
  if (draft)
    return {
      kind: "refuse",
      message:
        `The preview is on ${draft.plane} slice ${draft.index}. Press Enter to propagate it first and then ` +
        "correct it on any slice, or press Esc to discard it.",
    };
  if (selected) return { kind: "correct object", name: selected, correction };
  if (correction.positive) return { kind: "start object" };
  return {
    kind: "refuse",
    message:
      "A negative point needs an object to correct: select one, or start one with a box or a positive point.",
  };
}

/** The prompt as a correction; null for kinds that only start an object. */
function asCorrection(prompt: Prompt): Correction | null {
  return "point" in prompt ? prompt : null;
}
