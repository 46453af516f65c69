/** Decides what a drawn prompt does: the one table from what was drawn, the draft and the target. */
import type { Correction } from "../api/edit_requests";
import type { Prompt, SegmentedObject } from "../api/wire_types";
import { type DrawnPrompt, isPositive, type PromptDraft, promptKind } from "./prompt_draft";
import type { Target } from "./target";

export type PromptAction =
  | { kind: "start object" }
  | { kind: "correct draft"; correction: Correction }
  | { kind: "correct object"; name: string; correction: Correction }
  | { kind: "refuse"; message: string };

/** What the table needs to know of the target's object. */
export type TargetObject = Pick<SegmentedObject, "plane" | "locked">;

export function promptAction(
  drawn: DrawnPrompt,
  draft: Pick<PromptDraft, "plane" | "index"> | null,
  target: Target,
  object: TargetObject | null,
): PromptAction {
  if (draft) return withDraft(drawn, draft);
  const { prompt } = drawn;
  if (target.kind === "object")
    return object ? withObject(drawn, target.name, object) : notThereYet(target.name);
  if (isPositive(prompt)) return { kind: "start object" };
  return {
    kind: "refuse",
    message:
      `A negative ${promptKind(prompt)} needs an object to correct: choose one in the list, or start one with a ` +
      "box or a positive point.",
  };
}

function notThereYet(name: string): PromptAction {
  return {
    kind: "refuse",
    message:
      `${name} is still being segmented. Correct it when it is done, press Esc to stop it and keep what is done, ` +
      "or start a new object (O).",
  };
}

function withDraft(
  { plane, index, prompt }: DrawnPrompt,
  draft: Pick<PromptDraft, "plane" | "index">,
): PromptAction {
  if (isPositive(prompt) && !correctsByItself(prompt)) return { kind: "start object" };
  if (draft.plane === plane && draft.index === index) return { kind: "correct draft", correction: prompt };
  return {
    kind: "refuse",
    message:
      `The preview is on ${draft.plane} slice ${draft.index}. Press Enter to propagate it first and then ` +
      "correct it on any slice, or press Esc to discard it.",
  };
}

function withObject({ plane, prompt }: DrawnPrompt, name: string, object: TargetObject): PromptAction {
  if (object.locked)
    return {
      kind: "refuse",
      message: `${name} is locked. Unlock it (K) to correct it, or start a new object (O).`,
    };
  if (plane !== object.plane && !correctsByItself(prompt))
    return {
      kind: "refuse",
      message:
        `${name} was segmented on ${object.plane} slices: draw the ${promptKind(prompt)} there. On ${plane} ` +
        "slices, points and scribbles correct it, and so does painting by hand.",
    };
  return { kind: "correct object", name, correction: prompt };
}

/** Points and scribbles always correct a preview on their slice, and an object in every plane. */
function correctsByItself(prompt: Prompt): boolean {
  return "point" in prompt || "scribble" in prompt;
}
