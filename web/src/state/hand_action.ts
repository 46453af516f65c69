/** Decides who handles a stroke: the model, as a prompt, or the hand, as voxels that stay. */
import type { SegmentedObject } from "../api/wire_types";
import type { Tool } from "./display";
import type { DecidedBy, HandOptions } from "./hand_edits";
import { type PromptDraft, promptKind } from "./prompt_draft";
import type { Target } from "./target";

export type StrokeTool = Extract<Tool, "brush" | "erase" | "lasso">;

export type HandAction =
  /** A prompt of the model; `draft` if it changes the mask of the draft. */
  | { kind: "prompt"; positive: boolean; draft: boolean }
  /** Voxels by hand, of this object or of a new one. */
  | { kind: "by hand"; positive: boolean; name: string | null }
  | { kind: "refuse"; message: string };

export interface HandContext {
  draft: Pick<PromptDraft, "plane" | "index" | "prompt"> | null;
  target: Target;
  /** The target's object; null if it is new, or only begun. */
  object: Pick<SegmentedObject, "locked"> | null;
  options: Pick<HandOptions, "paintNew" | "paintObject" | "lasso">;
  /** The slice that is drawn on. */
  at: Pick<PromptDraft, "plane" | "index">;
}

export function isStrokeTool(tool: Tool): tool is StrokeTool {
  return tool === "brush" || tool === "erase" || tool === "lasso";
}

/** Who decides about what a tool draws on a target; erasing is always by hand. */
export function decidedBy(tool: StrokeTool, target: Target, options: HandContext["options"]): DecidedBy {
  if (tool === "lasso") return options.lasso;
  if (tool === "erase") return "hand";
  return target.kind === "new" ? options.paintNew : options.paintObject;
}

export function handAction(tool: StrokeTool, cut: boolean, context: HandContext): HandAction {
  const { draft, target, object, options } = context;
  const positive = (tool === "erase") === cut;
  if (draft) return withDraft(tool, positive, context);
  const name = target.name ?? null;
  if (target.kind === "new" && !positive)
    return {
      kind: "refuse",
      message: "A new object has nothing to erase. Choose the object to take it from (, and .).",
    };
  if (object?.locked)
    return {
      kind: "refuse",
      message: `${name} is locked. Unlock it (K) to change it, or start a new object (O).`,
    };
  return decidedBy(tool, target, options) === "hand"
    ? { kind: "by hand", positive, name }
    : { kind: "prompt", positive, draft: false };
}

/** Before the draft is propagated, strokes change its painted mask, and lassos correct it. */
function withDraft(tool: StrokeTool, positive: boolean, { draft, at }: HandContext): HandAction {
  if (tool === "lasso") return { kind: "prompt", positive, draft: false };
  const painted = draft !== null && promptKind(draft.prompt) === "mask";
  const here = draft?.plane === at.plane && draft.index === at.index;
  if (painted && here) return { kind: "prompt", positive, draft: true };
  if (positive && tool === "brush") return { kind: "prompt", positive, draft: false };
  return {
    kind: "refuse",
    message:
      "The preview is not painted here: press Enter to propagate it, then erase by hand; or Esc to discard it.",
  };
}
