/** Requests about volumes and uploads, for the list of cases. */
import type { Client } from "./client";
import type { UploadSummary } from "./wire_types";

export const uploads = (client: Client) => client.json<UploadSummary[]>("GET", "/uploads");

/** Delete an upload with all its series and the sessions on them. */
export const deleteUpload = (client: Client, id: string) => client.json<void>("DELETE", `/uploads/${id}`);

/** A small picture of a volume's middle slice. */
export async function thumbnail(client: Client, volume: string): Promise<Blob> {
  return (await client.fetch(`/volumes/${volume}/thumbnail.webp`)).blob();
}
