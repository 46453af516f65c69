/** The page as a whole: the volumes and sessions of the server, the open session, dialogs and messages. */
import { deleteUpload, uploads } from "../api/cases";
import { ApiError, Client, tokenFromAddress } from "../api/client";
import { type ExportChoice, exportFile } from "../api/export_request";
import { sendResult } from "../api/pacs";
import { type OpenedCase, ProjectRequests } from "../api/project";
import type { Info, SessionState, SessionSummary, UploadSummary, VolumeSummary } from "../api/wire_types";
import { sizeText } from "./case_list";
import { droppedFiles } from "./dropped_files";
import type { MaskImport } from "./import_masks";
import { Intake } from "./intake";
import { Observable } from "./observable";
import { OpenSession, type ShowToast } from "./open_session";
import { PacsBrowser } from "./pacs_browser";
import { Project, type ProjectDialog } from "./project";
import { Theme } from "./theme";
import { Thumbnails } from "./thumbnails";

export interface Toast {
  id: number;
  kind: "error" | "info" | "done";
  text: string;
}
export type Dialog =
  | "shortcuts"
  | "open"
  | "save"
  | "import"
  | "pacs"
  | "series"
  | "masks"
  | "statistics"
  | ProjectDialog
  | null;

/** How long a toast stays; an error stays until it is closed. */
const TOAST_MS = 6000;

export class App extends Observable {
  readonly client = new Client(tokenFromAddress());
  readonly theme = new Theme();
  screen: "loading" | "token" | "start" | "session" = "loading";
  info: Info | null = null;
  volumes: VolumeSummary[] = [];
  sessions: SessionSummary[] = [];
  session: OpenSession | null = null;
  toasts: Toast[] = [];
  dialog: Dialog = null;
  /** The file of masks whose objects the user chooses. */
  maskImport: MaskImport | null = null;
  /** The search in the server's PACS. */
  readonly pacs = new PacsBrowser(this.client, async (volume) => {
    await this.refresh();
    this.show(null);
    await this.openVolume(volume, true);
  });
  uploads: UploadSummary[] = [];
  readonly intake = new Intake(this);
  readonly thumbnails = new Thumbnails(this.client);
  /** The project that is served; null without one. */
  project: Project | null = null;
  opening: string | null = null;
  tokenError: string | null = null;
  private lastToast = 0;

  /** `takeMasks` takes the masks of a file as objects of the open session. */
  constructor(private readonly takeMasks: (app: App, file: File) => Promise<void>) {
    super();
  }

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
      await this.startProject();
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
    const query = new URLSearchParams(location.search);
    const requested = query.get("session");
    const inProject = query.get("case");
    if (this.project && inProject !== null) {
      await this.project.openCase(inProject, query.has("check"));
      if (!this.session) this.screen = "start";
      return this.notify();
    }
    if (requested && this.sessions.some((each) => each.id === requested)) return this.openSession(requested);
    const given = this.volumes.filter((each) => each.source === "given");
    if (given.length === 1 && !this.project) return this.openVolume(given[0].id);
    this.screen = "start";
    this.notify();
  }

  private async startProject(): Promise<void> {
    if (this.info?.project === false) return;
    const requests = new ProjectRequests(this.client);
    const info = await requests.info();
    if (!info || this.project) return;
    this.project = new Project(info, requests, this);
    this.project.subscribe(() => this.notify());
    this.project.watch();
    await this.project.refreshCases();
  }

  /** Open the session of a project's case; `begin` takes it before it is shown. */
  async openCase(
    { case: id, session }: OpenedCase,
    check: boolean,
    begin: (session: OpenSession) => void,
  ): Promise<void> {
    const query = new URLSearchParams({ case: id, ...(check ? { check: "1" } : {}) });
    await this.open(id, () => this.client.session(session), { query, begin });
  }

  closeCase(): void {
    this.session?.close();
    this.session = null;
    this.screen = "start";
    this.dialog = null;
    document.title = "RadSAM";
    history.replaceState(null, "", location.pathname);
    this.notify();
  }

  async useToken(token: string): Promise<void> {
    this.client.setToken(token);
    this.screen = "loading";
    this.notify();
    await this.start();
  }

  async refresh(): Promise<void> {
    [this.volumes, this.sessions, this.uploads] = await Promise.all([
      this.client.volumes(),
      this.client.sessions(),
      uploads(this.client),
    ]);
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
        "A .radsam session needs its volume. Open that first, then drop the session on it.",
      );
    await this.open(file.name, () => this.client.importSession(volume, file));
  }

  async deleteSession({ id, name, objects }: SessionSummary): Promise<void> {
    const held =
      objects === 0 ? "without objects" : objects === 1 ? "with its object" : `with its ${objects} objects`;
    await this.deleteAfterConsent(`Delete the session on ${name} ${held}? This cannot be undone.`, () =>
      this.client.deleteSession(id),
    );
  }

  /** Delete an upload with all its series and the sessions on them. */
  async deleteUpload({ id, name, volumes, bytes }: UploadSummary): Promise<void> {
    const sessions = this.sessions.filter((each) => volumes.includes(each.volume));
    const held = [
      volumes.length > 1 ? ` with its ${volumes.length} series` : "",
      sessions.length > 1 ? ` and the ${sessions.length} sessions on it` : "",
      sessions.length === 1 ? " and the session on it" : "",
    ].join("");
    await this.deleteAfterConsent(`Delete ${name} (${sizeText(bytes)})${held}? This cannot be undone.`, () =>
      deleteUpload(this.client, id),
    );
  }

  private async deleteAfterConsent(text: string, remove: () => Promise<void>): Promise<void> {
    if (!confirm(text)) return;
    try {
      await remove();
      await this.refresh();
    } catch (error) {
      this.showToast("error", (error as Error).message);
    }
  }

  private nameOf(volume: string): string {
    return this.volumes.find((each) => each.id === volume)?.name ?? "volume";
  }

  /** A project's case has a `query` of its own that leads to it after a reload. */
  private async open(
    name: string,
    load: () => Promise<SessionState>,
    ofCase?: { query: URLSearchParams; begin: (session: OpenSession) => void },
  ): Promise<void> {
    this.opening = name;
    this.dialog = null;
    this.notify();
    try {
      const state = await load();
      const volume = await this.client.volume(state.volume);
      if (!ofCase) await this.project?.forget();
      this.session?.close();
      const session = new OpenSession(this.client, volume, state, this.showToast);
      ofCase?.begin(session);
      this.session = session;
      this.screen = "session";
      document.title = `${volume.name} · RadSAM`;
      history.replaceState(
        null,
        "",
        `${location.pathname}?${ofCase?.query ?? new URLSearchParams({ session: state.id })}`,
      );
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

  /** Take the masks of a file as objects of the open session; whether the user did. */
  async importMasks(file: File): Promise<boolean> {
    await this.takeMasks(this, file);
    return this.maskImport?.file === file && this.maskImport.status === "done";
  }

  /** Take files and folders from a drop. */
  async takeDrop(transfer: DataTransfer | null): Promise<void> {
    try {
      await this.intake.take(transfer ? await droppedFiles(transfer) : []);
    } catch (error) {
      this.showToast("error", `What was dropped cannot be read: ${(error as Error).message}`);
    }
  }

  /** Send objects to the server's PACS, once the user has confirmed it. */
  async sendToPacs(format: "seg" | "rtstruct", objects: readonly string[] | null): Promise<void> {
    if (!this.session) return;
    const what = `${objects ? objects.join(", ") : "all objects"} as a DICOM ${format.toUpperCase()}`;
    if (!confirm(`Send ${what} to ${this.info?.pacs}? It is stored in the patient's study.`)) return;
    try {
      const { pacs } = await sendResult(this.client, this.session.state.id, format, objects);
      this.showToast("done", `Sent to ${pacs}.`);
    } catch (error) {
      this.showToast("error", (error as Error).message);
    }
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
