/** The work on one case of a project: its labels, which one is chosen, and what the user says of each. */
import type {
  CaseLabel,
  Outcome,
  ProjectCase,
  ProjectLabel,
  ProjectRequests,
  TaskState,
} from "../api/project";
import type { SegmentedObject } from "../api/wire_types";
import type { LabelRules } from "./label_rules";
import { Observable } from "./observable";
import type { OpenSession } from "./open_session";
import { isDone, labelText } from "./worklist";

export interface LabelRow extends Omit<CaseLabel, "state"> {
  color: string;
  state: TaskState;
  object: SegmentedObject | null;
  /** Whether an edit of its object is under way. */
  edited: boolean;
  /** Whether a prompt is drawn for it, and not propagated yet. */
  previewed: boolean;
  /** Whether "done" waits for the edits of its object. */
  waiting: boolean;
}

/** What the work needs of the project. */
export interface WorkHost {
  readonly requests: ProjectRequests;
  readonly labels: readonly ProjectLabel[];
  caseOf(id: string): ProjectCase | null;
  /** Show a label's new state before the server's list has it. */
  putLabel(caseId: string, label: string, change: Partial<CaseLabel>): void;
  refreshCases(): Promise<void>;
  /** Send the seconds of work that are not sent yet. */
  sendWork(): Promise<void>;
}

export class CaseWork extends Observable {
  /** Who has the case now, where the user has lost it. */
  lost: string | null = null;
  /** The label to be sent back, while the reviewer writes the note. */
  sendingBack: string | null = null;
  /** What was done last, for screen readers. */
  message = "";
  private readonly waiting = new Set<string>();
  /** What the user says of labels, until the server has taken it. */
  private readonly sending = new Set<Promise<void>>();
  /** Stop following the session. */
  readonly close: () => void;
  private readonly editsAtStart: ReadonlyMap<string, number>;

  /** `checks`: a reviewer looks at what another one has done. */
  constructor(
    private readonly host: WorkHost,
    readonly session: OpenSession,
    readonly caseId: string,
    readonly checks: boolean,
  ) {
    super();
    this.editsAtStart = new Map(session.objects.map((each) => [each.name, each.edits.length]));
    this.close = session.subscribe(() => this.follow());
    this.follow();
    const first = this.left.at(0) ?? this.rows.at(0);
    if (first) session.setTarget(first.name);
  }

  get item(): ProjectCase | null {
    return this.host.caseOf(this.caseId);
  }

  get rows(): LabelRow[] {
    const known = new Map(this.item?.labels.map((each) => [each.name, each]));
    return this.host.labels.map(({ name, color }) => {
      const label = known.get(name) ?? { ...UNKNOWN, name };
      const object = this.session.object(name);
      const edited = this.session.isExpected(name);
      return {
        ...label,
        color,
        object,
        state: shownState(label, object, edited),
        edited,
        previewed: this.session.draft?.name === name,
        waiting: this.waiting.has(name),
      };
    });
  }

  row(name: string | null): LabelRow | null {
    return this.rows.find((each) => each.name === name) ?? null;
  }

  /** The label that is worked on: that of the draft, or of the target. */
  get chosen(): LabelRow | null {
    const { draft, target } = this.session;
    return this.row(draft?.name ?? target.name ?? null);
  }

  get allDone(): boolean {
    return this.left.length === 0;
  }

  /** The labels that are not done, or not checked. */
  get left(): LabelRow[] {
    return this.rows.filter(({ state }) => (this.checks ? state === "done" : !isDone(state)));
  }

  /** Whether an object has changed since the reviewer opened the case. */
  changed({ name, object }: LabelRow): boolean {
    return edits(object) !== (this.editsAtStart.get(name) ?? 0);
  }

  choose(name: string): void {
    const { session } = this;
    const { draft } = session;
    if (draft && draft.name !== name) {
      if (session.object(name) || session.object(draft.name))
        session.tell("Press Enter to propagate the preview first, or Esc to discard it.");
      else {
        session.target = { kind: "new", name };
        session.changeDraft({ name });
      }
    } else session.setTarget(name);
  }

  step(by: 1 | -1): void {
    const { rows } = this;
    const at = rows.findIndex((each) => each.name === this.chosen?.name);
    const next = at < 0 ? (by === 1 ? 0 : rows.length - 1) : (at + by + rows.length) % rows.length;
    if (rows[next]) this.choose(rows[next].name);
  }

  /** Wait until the server has taken what the user says of labels. */
  async settled(): Promise<void> {
    while (this.sending.size) await Promise.all(this.sending);
  }

  private kept(sending: Promise<void>): Promise<void> {
    const ended = sending.finally(() => this.sending.delete(ended));
    this.sending.add(ended);
    return ended;
  }

  /** The label's object is as it should be; its edits end first. */
  finish(name: string): Promise<void> {
    return this.kept(this.finishOne(name));
  }

  private async finishOne(name: string): Promise<void> {
    const { session } = this;
    const row = this.row(name);
    if (!row || row.waiting || isDone(row.state)) return;
    if (row.previewed && !row.edited)
      return session.tell(`Press Enter to propagate the preview of ${name} first, or Esc to discard it.`);
    if (!row.object && !row.edited)
      return session.tell(
        `There is nothing of ${name} yet. Draw it, or press Shift+X if it is not in this case.`,
      );
    await this.afterEdits(name);
    if (!session.object(name)) return;
    if (await this.send(name, false)) await session.changeObject(name, { locked: true });
  }

  /** The label is not in this case. */
  setAbsent(name: string): Promise<void> {
    return this.kept(this.setOneAbsent(name));
  }

  private async setOneAbsent(name: string): Promise<void> {
    const { session } = this;
    const row = this.row(name);
    if (!row || row.waiting || isDone(row.state)) return;
    if (session.draft?.name === name) session.discardDraft();
    const text = `${name} has an object. Say that ${name} is not in this case, and leave the object out?`;
    if (row.object && row.state !== "proposed" && !confirm(text)) return;
    await this.afterEdits(name);
    await this.send(name, true);
  }

  private async send(name: string, absent: boolean): Promise<boolean> {
    const { host, session, caseId } = this;
    const sent = await this.attempt(async () => {
      await host.sendWork();
      await host.requests.done(caseId, name, session.state.id, absent);
      host.putLabel(caseId, name, { state: "done", absent, note: "" });
    });
    if (sent) this.goOn(name);
    return sent;
  }

  /** One click is enough: the server writes it into the log. */
  async reopen(name: string): Promise<void> {
    const { host, caseId } = this;
    const opened = await this.attempt(async () => {
      await host.requests.reopen(caseId, name, "");
      host.putLabel(caseId, name, { state: "in progress", absent: false });
    });
    if (opened) await this.unlock(name);
  }

  /** Let the reviewer correct a label, which is locked since it was done. */
  async unlock(name: string): Promise<void> {
    if (this.session.object(name)?.locked) await this.session.changeObject(name, { locked: false });
    this.session.setTarget(name);
  }

  /**
   * What the reviewer says of a label. With "corrected" the object of this session replaces it; without one, the label
   * is not in the case. One that was checked goes back to its annotator, too.
   */
  review(name: string, outcome: Outcome, note = ""): Promise<void> {
    return this.kept(this.reviewOne(name, outcome, note));
  }

  private async reviewOne(name: string, outcome: Outcome, note: string): Promise<void> {
    const { host, session, caseId } = this;
    if (outcome === "corrected") await this.afterEdits(name);
    const absent = outcome === "corrected" ? !session.object(name) : this.row(name)?.absent;
    const sent = await this.attempt(async () => {
      await host.sendWork();
      const corrected = outcome === "corrected" ? { session: session.state.id, absent } : {};
      if (this.row(name)?.state === "checked") await host.requests.reopen(caseId, name, note);
      else await host.requests.check(caseId, name, { outcome, note, ...corrected });
      const state = outcome === "sent back" ? "in progress" : "checked";
      host.putLabel(caseId, name, { state, review: outcome, note, absent });
    });
    if (sent) this.goOn(name);
  }

  /** Open the field for the note with which a label is sent back; null closes it. */
  writeNote(name: string | null): void {
    const row = this.row(name);
    this.sendingBack = row && isDone(row.state) ? row.name : null;
    this.notify();
  }

  /** Go on with the next label that needs the user. */
  private goOn(name: string): void {
    const { left, rows } = this;
    this.sendingBack = null;
    const at = rows.findIndex((each) => each.name === name);
    const next = left.find((each) => rows.findIndex(({ name }) => name === each.name) > at) ?? left.at(0);
    this.message = `${name}: ${labelText(rows[at] ?? { state: "done", certainty: null, absent: false })}.${next ? ` Next: ${next.name}.` : ""}`;
    if (next) this.session.setTarget(next.name);
    else
      this.session.tell(`All labels are ${this.checks ? "checked" : "done"}. Shift+N opens the next case.`);
    this.notify();
  }

  private async afterEdits(name: string): Promise<void> {
    const { session } = this;
    if (!session.isExpected(name)) return;
    this.waiting.add(name);
    this.notify();
    await new Promise<void>((resolve) => {
      const stop = session.jobs.subscribe(() => {
        if (session.isExpected(name)) return;
        stop();
        resolve();
      });
    });
    this.waiting.delete(name);
    this.notify();
  }

  private async attempt(request: () => Promise<void>): Promise<boolean> {
    try {
      await request();
      void this.host.refreshCases().catch(() => undefined); // the page asks again later
      return true;
    } catch (error) {
      this.session.showToast("error", (error as Error).message);
      return false;
    } finally {
      this.follow();
    }
  }

  /** Let the session know which labels are proposals, and which are done. */
  follow(): void {
    const { rows, session, checks } = this;
    const names = (wanted: (row: LabelRow) => boolean) =>
      new Set(rows.filter(wanted).map((each) => each.name));
    const rules: LabelRules = {
      names: rows.map((each) => each.name),
      proposed: names(({ state }) => state === "proposed"),
      closed: names(({ state }) => (checks ? state === "checked" : isDone(state))),
    };
    const key = (each: LabelRules) => [each.names, [...each.proposed], [...each.closed]].join("|");
    if (key(rules) !== key(session.rules)) {
      session.rules = rules;
      session.notify();
    }
    this.notify();
  }
}

const UNKNOWN: Omit<CaseLabel, "name"> = {
  state: "new",
  annotator: "",
  actions: 0,
  seconds: 0,
  certainty: null,
  absent: false,
  note: "",
  review: "",
};

const edits = (object: SegmentedObject | null) =>
  object?.edits.filter(({ kind }) => kind !== "lock").length ?? 0;

/**
 * The server's state, or what the session says sooner: an object that was begun, a proposal that was touched. One that
 * was only looked at is a proposal still, though seconds were counted for it.
 */
function shownState(label: CaseLabel, object: SegmentedObject | null, edited: boolean): TaskState {
  const { state, certainty, review } = label;
  if (isDone(state) || review === "sent back") return state;
  if (edited) return "in progress";
  if (!object) return "new";
  const untouched = edits(object) === 1 && object.edits[0].kind === "start_from_mask";
  return untouched && certainty !== null ? "proposed" : "in progress";
}
