/** What the tools act on: a new object, or one that exists. Only the user changes it. */
import type { SegmentedObject } from "../api/wire_types";
import type { Tool } from "./display";

/** A new object has a name beforehand where it is a label of a project. */
export type Target = { kind: "new"; name?: string } | { kind: "object"; name: string; id: number | null };

export const NEW_OBJECT: Target = { kind: "new" };

/**
 * The target after the objects have changed: it follows a rename, and is a new object once its object is gone. One of
 * the `labels` keeps its name then.
 */
export function followObjects(
  target: Target,
  objects: readonly Pick<SegmentedObject, "name" | "id">[],
  expected: readonly string[],
  labels: readonly string[] = [],
): Target {
  const found = objects.find((each) => each.name === target.name);
  if (target.kind === "new") return found ? { kind: "object", name: found.name, id: found.id } : target;
  const { name, id } = target;
  if (found) return found.id === id ? target : { kind: "object", name, id: found.id };
  const renamed = id === null ? undefined : objects.find((each) => each.id === id);
  if (renamed) return { kind: "object", name: renamed.name, id };
  if (expected.includes(name)) return target;
  return labels.includes(name) ? { kind: "new", name } : NEW_OBJECT;
}

/** A box starts a new object, unless the user has chosen an object for it. */
export function targetOfTool(tool: Tool, target: Target, chosenFor: Tool | null): Target {
  return tool === "box" && chosenFor !== "box" ? NEW_OBJECT : target;
}
