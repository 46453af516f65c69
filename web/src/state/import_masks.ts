/** Masks of the open volume, from a file: they become objects to correct. */
import type { SessionState } from "../api/wire_types";
import type { App } from "./app";

/** Add the masks of a file to the open session. */
export async function importMasks(app: App, file: File): Promise<void> {
  const id = app.session?.state.id;
  if (!id) return app.showToast("error", "Open the CT of these masks first, then drop them on it.");
  try {
    const response = await app.client.fetch(
      `/sessions/${id}/objects?filename=${encodeURIComponent(file.name)}`,
      { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } },
    );
    const state = (await response.json()) as SessionState;
    app.showToast("done", `${file.name} was added. The session has ${state.objects.length} objects now.`);
  } catch (error) {
    app.showToast("error", (error as Error).message);
  }
}
