/** Requests about volumes and uploads, for the list of cases. */
import type { Client } from "./client";
import type { UploadSummary } from "./wire_types";

export const uploads = (client: Client) => client.json<UploadSummary[]>("GET", "/uploads");

/** Delete an upload with all its series and the sessions on them. */
export const deleteUpload = (client: Client, id: string) => client.json<void>("DELETE", `/uploads/${id}`);

/** The voxels of a volume as a file, to send them as masks. */
export async function volumeFile(client: Client, volume: string, name: string): Promise<File> {
  const voxels = await (await client.fetch(`/volumes/${volume}/image.nii`)).blob();
  return new File([voxels], `${name.replace(/\.(nii|nii\.gz|nrrd|mha)$/i, "")}.nii`);
}

/** A small picture of a volume's middle slice. */
export async function thumbnail(client: Client, volume: string): Promise<Blob> {
  return (await client.fetch(`/volumes/${volume}/thumbnail.webp`)).blob();
}
