/** The page as a whole: the volumes and sessions of the server, the open session, dialogs and messages. */
import { ApiError, Client, tokenFromAddress } from "../api/client";
import { type ExportChoice, exportFile } from "../api/export_request";
import type { Info, SessionState, SessionSummary, VolumeSummary } from "../api/wire_types";
import { Observable } from "./observable";
import { OpenSession, type ShowToast } from "./open_session";

export interface Toast {
  id: number;
  kind: "error" | "info" | "done";
  text: string;
}
export type Dialog = "shortcuts" | "open" | "save" | null;

/** How long a toast stays; an error stays until it is closed. */
const TOAST_MS = 6000;

export class App extends Observable {
  readonly client = new Client(tokenFromAddress());
  screen: "loading" | "token" | "start" | "session" = "loading";
  info: Info | null = null;
  volumes: VolumeSummary[] = [];
  sessions: SessionSummary[] = [];
  session: OpenSession | null = null;
  toasts: Toast[] = [];
  dialog: Dialog = null;
  upload: { name: string; share: number; stop: AbortController } | null = null;
  opening: string | null = null;
  tokenError: string | null = null;
  private lastToast = 0;

  readonly showToast: ShowToast = (kind, text) => {
    const id = ++this.lastToast;
    this.toasts = [...this.toasts.filter((each) => each.text !== text), { id, kind, text }].slice(-4);
    if (kind !== "error") setTimeout(() => this.closeToast(id), TOAST_MS);
    this.notify();
  };

  closeToast(id: number): void {
    this.toasts = this.toasts.filter((each) => each.id !== id);
    this.notify();
  }

  show(dialog: Dialog): void {
    this.dialog = dialog;
    if (dialog === "open") void this.refresh();
    this.notify();
  }

  async start(): Promise<void> {
    try {
      this.info = await this.client.info();
      await this.refresh();
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        this.screen = "token";
        this.tokenError = error.message;
      } else {
        this.screen = "start";
        this.showToast("error", (error as Error).message);
      }
      return this.notify();
    }
    const requested = new URLSearchParams(location.search).get("session");
    if (requested && this.sessions.some((each) => each.id === requested)) return this.openSession(requested);
    const given = this.volumes.filter((each) => each.source === "given");
    if (given.length === 1) return this.openVolume(given[0].id);
    this.screen = "start";
    this.notify();
  }

  async useToken(token: string): Promise<void> {
    this.client.setToken(token);
    this.screen = "loading";
    this.notify();
    await this.start();
  }

  async refresh(): Promise<void> {
    [this.volumes, this.sessions] = await Promise.all([this.client.volumes(), this.client.sessions()]);
    this.notify();
  }

  /** Open a volume: in its newest session, or in a new one. */
  async openVolume(id: string, newSession = false): Promise<void> {
    const known = this.sessions.filter((each) => each.volume === id);
    known.sort((a, b) => b.changed.localeCompare(a.changed));
    if (known.length && !newSession) return this.openSession(known[0].id);
    await this.open(this.nameOf(id), () => this.client.createSession(id));
  }

  async openSession(id: string): Promise<void> {
    const session = this.sessions.find((each) => each.id === id);
    await this.open(session ? this.nameOf(session.volume) : "session", () => this.client.session(id));
  }

  async importSession(file: File): Promise<void> {
    const volume = this.session?.volume.id ?? (this.volumes.length === 1 ? this.volumes[0].id : null);
    if (!volume)
      return this.showToast(
        "error",
        "A .radsam session needs its CT. Open the CT first, then drop the session on it.",
      );
    await this.open(file.name, () => this.client.importSession(volume, file));
  }

  async deleteSession(id: string): Promise<void> {
    const { name, objects } = this.sessions.find((each) => each.id === id)!;
    const held =
      objects === 0 ? "without objects" : objects === 1 ? "with its object" : `with its ${objects} objects`;
    if (!confirm(`Delete the session on ${name} ${held}? This cannot be undone.`)) return;
    try {
      await this.client.deleteSession(id);
      await this.refresh();
    } catch (error) {
      this.showToast("error", (error as Error).message);
    }
  }

  private nameOf(volume: string): string {
    return this.volumes.find((each) => each.id === volume)?.name ?? "volume";
  }

  private async open(name: string, load: () => Promise<SessionState>): Promise<void> {
    this.opening = name;
    this.dialog = null;
    this.notify();
    try {
      const state = await load();
      const volume = await this.client.volume(state.volume);
      this.session?.close();
      const session = new OpenSession(this.client, volume, state, this.showToast);
      this.session = session;
      this.screen = "session";
      document.title = `${volume.name} · RadSAM`;
      history.replaceState(null, "", `${location.pathname}?session=${encodeURIComponent(state.id)}`);
      this.notify();
      for (const note of volume.notes) this.showToast("info", note);
      await session.start();
    } catch (error) {
      if (!this.session) this.screen = "start";
      this.showToast("error", (error as Error).message);
    } finally {
      this.opening = null;
      this.notify();
    }
  }

  /** Take files that were dropped or chosen: a session file, or a volume to upload. */
  async takeFiles(files: readonly File[]): Promise<void> {
    const [file, ...others] = files;
    if (!file || this.upload) return;
    if (others.length)
      this.showToast(
        "error",
        `${files.length} files were dropped and one is taken at a time. Put the files of a DICOM series into one .zip.`,
      );
    else if (file.name.endsWith(".radsam")) await this.importSession(file);
    else await this.uploadFile(file);
  }

  private async uploadFile(file: File): Promise<void> {
    const limit = this.info?.limits.upload_bytes ?? Number.POSITIVE_INFINITY;
    if (!/\.(nii|nii\.gz|nrrd|mha|zip)$/i.test(file.name))
      return this.showToast(
        "error",
        `${file.name} is not a .nii, .nii.gz, .nrrd or .mha file, or a .zip with a DICOM series.`,
      );
    if (file.size > limit)
      return this.showToast(
        "error",
        `${file.name} has ${megabytes(file.size)}, and this server takes up to ${megabytes(limit)}. Give its path to \`radsam serve\` instead.`,
      );
    const stop = new AbortController();
    this.upload = { name: file.name, share: 0, stop };
    this.notify();
    try {
      const volume = await this.client.upload(
        file,
        (share) => {
          this.upload = { name: file.name, share, stop };
          this.notify();
        },
        stop.signal,
      );
      this.upload = null;
      await this.refresh();
      await this.openVolume(volume.id, true);
    } catch (error) {
      this.upload = null;
      if (!(error instanceof DOMException)) this.showToast("error", (error as Error).message);
    }
    this.notify();
  }

  async save(choice: ExportChoice): Promise<void> {
    if (!this.session) return;
    try {
      this.showToast("done", `Saved ${await exportFile(this.client, this.session.state.id, choice)}.`);
    } catch (error) {
      this.showToast("error", (error as Error).message);
    }
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
