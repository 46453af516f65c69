/** Results as files. */
import type { Client } from "./client";
import { saveFile } from "./save_file";
import type { SegmentedObject } from "./wire_types";

export interface ExportChoice {
  format: string;
  /** The objects, by name; null for all. */
  objects: readonly string[] | null;
  /** Of NIfTI, which has no names: a zip with its legend. */
  legend: boolean;
}

/** What to request for some of a session's objects; NIfTI says by itself what its values are only if it is one of value 1. */
export function exportChoice(
  format: string,
  chosen: readonly SegmentedObject[],
  all: readonly SegmentedObject[],
): ExportChoice {
  const plain = chosen.length === 1 && chosen[0].id === 1;
  return {
    format,
    objects: format === "session" || chosen.length === all.length ? null : chosen.map(({ name }) => name),
    legend: format === "nii.gz" && !plain,
  };
}

/** Save a result as a file, through the browser's own download; returns the file's name. */
export async function exportFile(client: Client, session: string, choice: ExportChoice): Promise<string> {
  const query = new URLSearchParams({ format: choice.format });
  for (const name of choice.objects ?? []) query.append("objects", name);
  if (choice.legend) query.set("legend", "true");
  const response = await client.fetch(`/sessions/${session}/export?${query}`);
  const name =
    /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ??
    `labels.${choice.format}`;
  saveFile(name, await response.blob());
  return name;
}
