/** Files of masks: what one holds, and opening its objects in a session. */
import type { Client } from "./client";
import type { SessionState } from "./wire_types";

/** An object of a file, on the grid of the volume. */
export interface MaskObject {
  number: number;
  name: string;
  /** The name that it may get: its own, or that of its value in the label set. */
  suggested: string;
  color: string | null;
  voxels: number;
  volume_ml: number;
}

export interface MaskContents {
  objects: MaskObject[];
  /** What becomes of the objects, where the file lies on another grid than the volume. */
  resampled: string | null;
  notes: string[];
}

export function lookIntoMasks(client: Client, session: string, file: File): Promise<MaskContents> {
  return send(client, session, "look-into-masks", new URLSearchParams(), file);
}

/** Open objects, each by its name in the contents and with its name in the session. */
export function openMasks(
  client: Client,
  session: string,
  file: File,
  chosen: readonly { object: string; name: string }[],
  resample: boolean,
): Promise<SessionState> {
  const query = new URLSearchParams();
  for (const { object, name } of chosen) {
    query.append("objects", object);
    query.append("names", name);
  }
  if (resample) query.set("resample", "true");
  return send(client, session, "objects", query, file);
}

async function send<T>(
  client: Client,
  session: string,
  action: string,
  query: URLSearchParams,
  file: File,
): Promise<T> {
  query.set("filename", file.name);
  const response = await client.fetch(`/sessions/${session}/${action}?${query}`, {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream" },
  });
  return response.json() as Promise<T>;
}
