/** The project that the server holds: its worklist, the case that is open, and what it learns. */
import { ApiError } from "../api/client";
import type {
  CaseLabel,
  OpenedCase,
  ProjectCase,
  ProjectInfo,
  ProjectLabel,
  ProjectRequests,
  Role,
} from "../api/project";
import { CaseWork } from "./case_work";
import { Observable } from "./observable";
import type { OpenSession, ShowToast } from "./open_session";
import { Presence } from "./presence";
import { heldBy, timeOf, withLocalTimes } from "./worklist";

/** How often the page asks how far the learning is; the worklist every third time. */
const ASK_MS = 10_000;
const HEARTBEAT_MS = 15_000;
/** The server takes no more seconds at once. */
const MOST_SECONDS = 30;

/** What the project needs of the page. */
export interface ProjectHost {
  readonly screen: string;
  showToast: ShowToast;
  /** Open the session of a case; `begin` takes it before it is shown. */
  openCase(opened: OpenedCase, check: boolean, begin: (session: OpenSession) => void): Promise<void>;
  /** Close the session and show the worklist. */
  closeCase(): void;
}

export type ProjectDialog = "curve" | "rounds" | "log" | "roles" | "case";

export class Project extends Observable {
  cases: ProjectCase[] = [];
  /** The case that is open. */
  work: CaseWork | null = null;
  /** What the page waits for. */
  opening: string | null = null;
  /** Why there is no next case. */
  noneLeft: string | null = null;
  /** The case of which the dialog shows notes and history. */
  shownCase: string | null = null;
  private presence = new Presence(() => null, performance.now());
  private turns = 0;

  constructor(
    public info: ProjectInfo,
    readonly requests: ProjectRequests,
    private readonly host: ProjectHost,
  ) {
    super();
  }

  get labels(): readonly ProjectLabel[] {
    return this.info.labels;
  }

  /** Whether the user may do what this role may. */
  may(role: Role): boolean {
    const ranks: Role[] = ["annotator", "reviewer", "owner"];
    return ranks.indexOf(this.info.role) >= ranks.indexOf(role);
  }

  caseOf(id: string): ProjectCase | null {
    return this.cases.find((each) => each.id === id) ?? null;
  }

  async refresh(): Promise<void> {
    await Promise.all([this.refreshInfo(), this.refreshCases()]);
  }

  async refreshCases(): Promise<void> {
    this.cases = await this.requests.cases();
    this.changed();
  }

  async refreshInfo(): Promise<void> {
    this.info = (await this.requests.info()) ?? this.info;
    this.notify();
  }

  putLabel(caseId: string, label: string, change: Partial<CaseLabel>): void {
    this.cases = this.cases.map((each) =>
      each.id === caseId
        ? { ...each, labels: each.labels.map((one) => (one.name === label ? { ...one, ...change } : one)) }
        : each,
    );
    this.changed();
  }

  private changed(): void {
    this.work?.follow();
    this.notify();
  }

  // Opening and leaving cases

  /** Open the next case; the one that is open is left. */
  async next(): Promise<void> {
    const before = this.work;
    await before?.settled();
    const left = before?.left.map((each) => each.name) ?? [];
    if (left.length && !confirm(`${leftText(left, before!.checks)} Leave this case, and open the next one?`))
      return;
    await this.open("the next case", () => this.requests.next(before?.caseId ?? null), false);
  }

  async openCase(id: string, check = false): Promise<void> {
    await this.open(id, () => this.requests.open(id, check), check);
  }

  private async open(what: string, request: () => Promise<OpenedCase>, check: boolean): Promise<void> {
    if (this.opening) return;
    const before = this.work;
    this.opening = what;
    this.noneLeft = null;
    this.notify();
    try {
      await this.sendWork();
      const opened = await request();
      if (before && before.caseId !== opened.case) await this.release(before);
      await this.refresh();
      await this.host.openCase(opened, check, (session) => this.begin(session, opened.case, check));
    } catch (error) {
      const message = withLocalTimes((error as Error).message);
      if (!(error instanceof ApiError && error.status === 404 && what === "the next case"))
        this.host.showToast("error", message);
      else if (before) this.host.showToast("info", message);
      else this.noneLeft = message;
      void this.refreshCases().catch(() => undefined);
    } finally {
      this.opening = null;
      this.notify();
    }
  }

  private begin(session: OpenSession, caseId: string, check: boolean): void {
    this.work?.close();
    this.work = new CaseWork(this, session, caseId, check);
    this.opening = null;
    const { work } = this;
    this.presence = new Presence(() => work.chosen?.name ?? null, performance.now(), isVisible());
    session.subscribe(() => this.presence.count(performance.now()));
    this.notify();
  }

  /** Go back to the worklist; the case is released. */
  async leave(): Promise<void> {
    await this.forget();
    this.host.closeCase();
    await this.refresh().catch((error: Error) => this.host.showToast("error", error.message));
  }

  /** The session of the case is closed. */
  async forget(): Promise<void> {
    const { work } = this;
    if (!work) return;
    await this.sendWork();
    await this.release(work);
  }

  private async release(work: CaseWork): Promise<void> {
    work.close();
    this.work = null;
    this.notify();
    if (!work.lost) await this.requests.release(work.caseId).catch(() => undefined); // the lock also expires
  }

  // Heartbeats

  /** Ask the server again and again; returns what ends it. */
  watch(): () => void {
    const use = () => this.presence.used(performance.now());
    const look = () => {
      this.presence.show(isVisible(), performance.now());
      if (isVisible()) void this.ask(true);
    };
    const events = ["keydown", "pointerdown", "pointermove", "wheel"] as const;
    for (const each of events) addEventListener(each, use, { passive: true, capture: true });
    document.addEventListener("visibilitychange", look);
    const timers = [
      setInterval(() => void this.ask(false), ASK_MS),
      setInterval(() => void this.beat(), HEARTBEAT_MS),
    ];
    return () => {
      for (const each of events) removeEventListener(each, use, { capture: true });
      document.removeEventListener("visibilitychange", look);
      for (const each of timers) clearInterval(each);
    };
  }

  private async ask(everything: boolean): Promise<void> {
    if (!isVisible()) return;
    const cases = everything || (this.host.screen === "start" && this.turns++ % 3 === 0);
    // Where the connection is lost, the page says so already.
    await (cases ? this.refresh() : this.refreshInfo()).catch(() => undefined);
  }

  /** Renew the lock while the user works. */
  async beat(): Promise<void> {
    if (this.presence.present(performance.now())) await this.sendWork(true);
  }

  /** Send the seconds of work; with `always` also if there are none, to renew the lock. */
  async sendWork(always = false): Promise<void> {
    const { work } = this;
    if (!work || work.lost) return;
    const taken = this.presence.take(performance.now());
    // With its last label the case was given back: a reviewer may take it.
    if (!work.checks && work.allDone) return;
    if (!taken.length && always) taken.push({ label: work.chosen?.name ?? null, seconds: 0 });
    for (const { label, seconds } of taken)
      await this.heartbeat(work, label, Math.min(MOST_SECONDS, seconds));
  }

  private async heartbeat(work: CaseWork, label: string | null, seconds: number): Promise<void> {
    const session = work.session.state.id;
    try {
      await this.requests.heartbeat(work.caseId, { session, label, seconds: Math.round(10 * seconds) / 10 });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) return; // the next one may arrive
      await this.refreshCases().catch(() => undefined);
      const holder = work.item && heldBy(work.item);
      work.lost = holder
        ? `${holder} has it until ${timeOf(work.item!.locked_until)}.`
        : withLocalTimes(error.message);
      work.notify();
      this.notify();
    }
  }

  /** Take a case again that was lost; its work is in the session. */
  async takeAgain(): Promise<void> {
    const { work } = this;
    if (!work) return;
    try {
      const opened = await this.requests.open(work.caseId, work.checks);
      if (opened.session !== work.session.state.id) return this.openCase(work.caseId, work.checks);
      work.lost = null;
      await this.refreshCases();
    } catch (error) {
      this.host.showToast("error", withLocalTimes((error as Error).message));
    }
    work.notify();
    this.notify();
  }

  // What the owner decides

  /** Do something about the project, and show what has changed; returns whether it went well. */
  async change(request: (requests: ProjectRequests) => Promise<unknown>, done?: string): Promise<boolean> {
    try {
      await request(this.requests);
      if (done) this.host.showToast("done", done);
      await this.refresh();
      return true;
    } catch (error) {
      this.host.showToast("error", (error as Error).message);
      return false;
    }
  }
}

const isVisible = () => document.visibilityState !== "hidden";

/** "Not done yet: liver and spleen." */
function leftText(names: readonly string[], checks: boolean): string {
  const list = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  return `Not ${checks ? "checked" : "done"} yet: ${list}.`;
}
