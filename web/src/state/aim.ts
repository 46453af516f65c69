/** What the tool in hand changes, and whether it adds or takes away: shown in the side panel and at the cursor. */
import type { Tool } from "./display";
import { decidedBy, isStrokeTool } from "./hand_action";
import type { OpenSession } from "./open_session";

export interface Aim {
  /** The object's name; null for a new one, unless it is a label of a project. */
  name: string | null;
  /** Whether there is no such object yet. */
  begins: boolean;
  colour: string;
  locked: boolean;
  /** Whether it adds to the object. */
  positive: boolean;
  /** Whether the voxels are set as drawn, without the model. */
  byHand: boolean;
}

const DRAWING: readonly Tool[] = ["box", "point", "negative", "scribble", "lasso", "brush", "erase"];

/** The aim of a tool; null if it draws nothing. */
export function aimOf(session: OpenSession, tool: Tool = session.display.tool): Aim | null {
  if (!DRAWING.includes(tool)) return null;
  const { draft, hand } = session;
  const target = session.targetOf(tool);
  const name = draft ? draft.name : (target.name ?? null);
  const takes = tool === "negative" || tool === "erase";
  return {
    name,
    begins: !draft && target.kind === "new",
    colour: session.colourOf(name),
    locked: session.object(name)?.locked ?? false,
    positive: takes === (tool !== "box" && hand.shift),
    byHand: isStrokeTool(tool) && !draft && decidedBy(tool, target, hand.options) === "hand",
  };
}
