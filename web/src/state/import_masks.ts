/** Masks that others made: a file is looked into, and the objects that the user chooses are opened to correct them. */
import { lookIntoMasks, type MaskContents, openMasks } from "../api/mask_files";
import { Observable } from "./observable";
import type { OpenSession, ShowToast } from "./open_session";

/** What shows the dialog: the page. */
export interface MaskImporter {
  readonly session: OpenSession | null;
  readonly showToast: ShowToast;
  maskImport: MaskImport | null;
  show(dialog: "import"): void;
}

/** An object of the file, with the user's choice. */
export interface MaskRow {
  /** Its name in the file. */
  object: string;
  /** Its name in the session. */
  name: string;
  color: string | null;
  volumeMl: number;
  chosen: boolean;
}

/** Open objects of a file of masks in the open session; ends when the dialog is closed. */
export async function importMasks(app: MaskImporter, file: File): Promise<void> {
  const { session } = app;
  if (!session)
    return app.showToast("error", `${file.name} holds masks. Open their volume first, then drop them on it.`);
  const masks = new MaskImport(session, file, app.showToast);
  app.maskImport = masks;
  app.show("import");
  void masks.read();
  await masks.closed;
}

export class MaskImport extends Observable {
  status: "reading" | "choosing" | "opening" | "failed" | "done" = "reading";
  contents: MaskContents | null = null;
  rows: MaskRow[] = [];
  error: string | null = null;
  /** Resolves when the dialog is closed. */
  readonly closed: Promise<void>;
  close: () => void = () => undefined;

  constructor(
    readonly session: OpenSession,
    readonly file: File,
    private readonly showToast: ShowToast,
  ) {
    super();
    this.closed = new Promise((resolve) => {
      this.close = resolve;
    });
  }

  async read(): Promise<void> {
    try {
      this.contents = await lookIntoMasks(this.session.client, this.session.state.id, this.file);
      this.rows = rowsOf(
        this.contents,
        this.session.objects.map((each) => each.name),
      );
      this.status = "choosing";
    } catch (error) {
      this.error = (error as Error).message;
      this.status = "failed";
    }
    this.notify();
  }

  get chosen(): MaskRow[] {
    return this.rows.filter((each) => each.chosen);
  }

  /** Why a row cannot be opened as it is; null if it can. */
  problem(row: MaskRow): string | null {
    if (!row.chosen) return null;
    const name = row.name.trim();
    if (!name) return "Give it a name.";
    if (this.session.object(name)) return `The session has ${name} already: give it another name.`;
    const twice = this.chosen.filter((each) => each.name.trim() === name).length > 1;
    return twice ? "Two of these objects have this name." : null;
  }

  get ready(): boolean {
    const fits = this.chosen.every((each) => this.problem(each) === null);
    return this.status === "choosing" && this.chosen.length > 0 && fits;
  }

  change(row: MaskRow, change: Partial<Pick<MaskRow, "name" | "chosen">>): void {
    this.rows = this.rows.map((each) => (each.object === row.object ? { ...each, ...change } : each));
    this.notify();
  }

  chooseAll(chosen: boolean): void {
    this.rows = this.rows.map((each) => ({ ...each, chosen }));
    this.notify();
  }

  /** Open the chosen objects; the server's events bring them into the session. */
  async open(): Promise<void> {
    if (!this.ready) return;
    const chosen = this.chosen.map(({ object, name }) => ({ object, name: name.trim() }));
    this.status = "opening";
    this.error = null;
    this.notify();
    const { client, state } = this.session;
    try {
      await openMasks(client, state.id, this.file, chosen, Boolean(this.contents?.resampled));
      this.status = "done";
      const what = chosen.length === 1 ? chosen[0].name : `${chosen.length} objects`;
      this.session.setTarget(chosen[0].name); // to correct it, as it was opened for
      this.showToast("done", `Opened ${what} of ${this.file.name}.`);
    } catch (error) {
      this.error = (error as Error).message;
      this.status = "choosing"; // nothing was opened: another choice may do
    }
    this.notify();
  }
}

/** The rows of a file: a name that the session has already gets a number. */
function rowsOf({ objects }: MaskContents, taken: readonly string[]): MaskRow[] {
  const used = new Set(taken);
  return objects.map(({ name: object, suggested, color, volume_ml }) => {
    let name = suggested;
    for (let n = 2; used.has(name); n++) name = `${suggested.slice(0, 60)} ${n}`;
    used.add(name);
    return { object, name, color, volumeMl: volume_ml, chosen: true };
  });
}
