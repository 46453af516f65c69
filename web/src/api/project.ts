/** The requests about a project of many cases (`radsam serve --project DIR`). */
import type { Client } from "./client";
import { ApiError } from "./client";

export type TaskState = "new" | "proposed" | "in progress" | "done" | "checked";
export type CaseState = TaskState | "excluded";
export type Role = "annotator" | "reviewer" | "owner";
/** What a reviewer says of a label that is done. */
export type Outcome = "agreed" | "corrected" | "sent back";

export interface ProjectLabel {
  name: string;
  /** Its value in the label map. */
  value: number;
  color: string;
}

export interface Learning {
  state: "idle" | "waiting" | "running" | "paused" | "unavailable";
  /** Share of the round that is done, 0 to 1. */
  progress: number;
  message: string;
  /** So many more finished cases start the next round. */
  next_after: number;
}

/** What the comparison gave: actions per object on cases that the new weights did not learn from. */
export interface Comparison {
  actions_before: number | null;
  actions_after: number | null;
  difference: number | null;
  /** The bounds of the difference's interval. */
  low: number | null;
  high: number | null;
}

/** New weights that are offered. */
export interface Offer extends Comparison {
  round: number;
  trained_on: number;
  compared_on: number;
}

export interface ProjectInfo {
  name: string;
  user: string;
  role: Role;
  labels: ProjectLabel[];
  order: "teaching" | "listed";
  goal_dice: number;
  progress: { cases: number; done: number; checked: number; excluded: number };
  /** The round whose weights are in use; null for the weights that the project began with. */
  weights: { round: number | null };
  learning: Learning;
  offer: Offer | null;
}

export interface CaseLabel {
  name: string;
  state: TaskState;
  annotator: string;
  actions: number;
  seconds: number;
  /** Of the proposal, 0 to 1; null without one. */
  certainty: number | null;
  absent: boolean;
  /** The reviewer's note. */
  note: string;
  review: Outcome | "";
}

export interface ProjectCase {
  id: string;
  volume: string;
  state: CaseState;
  reading: number;
  /** Its place in the order in which cases are offered. */
  position: number;
  assigned: string;
  /** Why it is excluded; empty if it is not. */
  excluded: string;
  note: string;
  locked_by: string | null;
  /** ISO time. */
  locked_until: string | null;
  /** Whether the lock is the user's own. */
  mine: boolean;
  teaches: number | null;
  labels: CaseLabel[];
}

/** A case that was opened for the user: its session has the proposals as objects. */
export interface OpenedCase {
  case: string;
  volume: string;
  session: string;
}

export interface CurvePoint {
  case: string;
  /** The case's place in the order in which cases were finished, from 1. */
  order: number;
  labels: number;
  actions: number;
  seconds: number;
  /** The weights with which it was annotated; null for the first ones. */
  round: number | null;
}

export interface Round {
  number: number;
  state: "running" | "offered" | "accepted" | "declined" | "dropped";
  started: string;
  ended: string;
  trained_on: string[];
  compared_on: string[];
  scores: Partial<Comparison>;
  progress: number;
  message: string;
}

export interface LogLine {
  time: string;
  by: string;
  what: string;
  case: string;
  label: string;
  detail: string;
}

export interface Agreement {
  label: string;
  cases: number;
  /** Mean Dice between the two readings; null without a case. */
  dice: number | null;
}

const part = encodeURIComponent;

export class ProjectRequests {
  constructor(private readonly client: Client) {}

  /** The project that is served; null if there is none. */
  async info(): Promise<ProjectInfo | null> {
    try {
      return await this.get<ProjectInfo>("");
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  cases = () => this.get<ProjectCase[]>("/cases");
  curve = () => this.get<CurvePoint[]>("/curve");
  rounds = () => this.get<Round[]>("/rounds");
  agreement = () => this.get<Agreement[]>("/agreement");
  roles = () => this.get<Record<string, Role>>("/roles");
  /** Null takes the role away. */
  setRole = (user: string, role: Role | null) =>
    this.client.json<Record<string, Role>>("PUT", "/project/roles", { user, role });

  log = (caseId: string | null, limit: number) =>
    this.get<LogLine[]>(
      `/log?${new URLSearchParams({ ...(caseId ? { case: caseId } : {}), limit: `${limit}` })}`,
    );

  /** Open the next case for the user; `after` is the one that comes before it. */
  next = (after: string | null) => this.post<OpenedCase>("/next", after ? { after } : {});
  open = (caseId: string, check: boolean) => this.ofCase<OpenedCase>(caseId, "open", check ? { check } : {});
  heartbeat = (caseId: string, work: { session: string; label: string | null; seconds: number }) =>
    this.ofCase<{ locked_until: string }>(caseId, "heartbeat", work);
  release = (caseId: string) => this.ofCase<unknown>(caseId, "release", {});

  done = (caseId: string, label: string, session: string, absent: boolean) =>
    this.ofLabel(caseId, label, "done", absent ? { session, absent } : { session });
  reopen = (caseId: string, label: string, note: string) => this.ofLabel(caseId, label, "reopen", { note });
  check = (
    caseId: string,
    label: string,
    review: { outcome: Outcome; session?: string; absent?: boolean; note: string },
  ) => this.ofLabel(caseId, label, "check", review);

  change = (caseId: string, change: { note?: string; excluded?: string; assigned?: string }) =>
    this.client.json<unknown>("PATCH", `/project/cases/${part(caseId)}`, change);

  learn = () => this.post<unknown>("/learn");
  decide = (round: number, answer: "accept" | "decline") => this.post<unknown>(`/rounds/${round}/${answer}`);
  goBack = () => this.post<unknown>("/weights/back");

  private get<T>(path: string): Promise<T> {
    return this.client.json<T>("GET", `/project${path}`);
  }

  private post<T>(path: string, body?: unknown): Promise<T> {
    return this.client.json<T>("POST", `/project${path}`, body);
  }

  private ofCase<T>(caseId: string, action: string, body: unknown): Promise<T> {
    return this.post<T>(`/cases/${part(caseId)}/${action}`, body);
  }

  private ofLabel(caseId: string, label: string, action: string, body: unknown): Promise<unknown> {
    return this.ofCase(caseId, `labels/${part(label)}/${action}`, body);
  }
}
