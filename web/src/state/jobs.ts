/**
 * The edits of a session that run or wait on the server: one explicit state.
 *
 * `nextJobs` is a pure function from a state and an event to the next state. Events are what the user requested,
 * what the server answered, and what its event stream says; nothing else decides whether the page is busy.
 */
import type { PlaneName, RunningJob } from "../api/wire_types";
import { Observable } from "./observable";

export interface Job {
  id: string;
  name: string;
  done: number;
  total: number | null;
  /** Seconds since it started to run; null until its first slice. */
  seconds: number | null;
  /** Whether the server's events have named it; until then, its state may be older than the job. */
  known: boolean;
  /** Scores by slice, of the slices that are done. */
  scores: ReadonlyMap<number, number>;
  plane: PlaneName | null;
}

export interface JobsState {
  /** Objects of requests that the server has not answered yet. */
  readonly sending: readonly string[];
  /** Jobs that run or wait, in order: the first one runs. */
  readonly jobs: readonly Job[];
  /** Jobs that ended, the last ones: an answer may come after the end of its own job. */
  readonly ended: readonly string[];
  /** Whether the user has requested that the running job stops. */
  readonly stopping: boolean;
  /** Whether the server's events arrive. */
  readonly online: boolean;
}

export type Phase = "idle" | "sending" | "running" | "stopping" | "unknown";

export type JobsEvent =
  | { type: "sent"; name: string }
  | { type: "accepted"; name: string; jobs: readonly string[] }
  | { type: "refused"; name: string }
  | { type: "progress"; job: RunningJob & { seconds?: number } }
  | { type: "slice"; job: string; name: string; plane: PlaneName; index: number; score: number }
  | { type: "ended"; job: string }
  | { type: "stop" }
  | { type: "stop refused" }
  /** The server's state; `fresh` if it was requested after the connection came back. */
  | { type: "state"; busy: RunningJob | null; fresh?: boolean }
  | { type: "connection"; online: boolean };

export const NO_JOBS: JobsState = { sending: [], jobs: [], ended: [], stopping: false, online: true };

/** So many ends are remembered. */
const REMEMBERED = 64;

export function phaseOf({ sending, jobs, stopping, online }: JobsState): Phase {
  if (jobs.length) return !online ? "unknown" : stopping ? "stopping" : "running";
  return sending.length ? "sending" : "idle";
}

export function nextJobs(state: JobsState, event: JobsEvent): JobsState {
  switch (event.type) {
    case "sent":
      return { ...state, sending: [...state.sending, event.name] };
    case "refused":
      return { ...state, sending: without(state.sending, event.name) };
    case "accepted": {
      const waiting = event.jobs
        .filter((id) => !state.ended.includes(id) && !state.jobs.some((each) => each.id === id))
        .map((id) => newJob(id, event.name, false));
      return {
        ...state,
        sending: without(state.sending, event.name),
        jobs: [...state.jobs, ...waiting],
      };
    }
    case "progress": {
      const { job, name, done, total, seconds } = event.job;
      return withJob(state, job, name, (each) => ({
        ...each,
        done,
        total,
        seconds: seconds ?? each.seconds,
      }));
    }
    case "slice": {
      const { job, name, plane, index, score } = event;
      return withJob(state, job, name, (each) => ({
        ...each,
        plane,
        scores: new Map(each.scores).set(index, score),
      }));
    }
    case "ended": {
      const jobs = state.jobs.filter((each) => each.id !== event.job);
      const ended = [...state.ended, event.job].slice(-REMEMBERED);
      return { ...state, jobs, ended, stopping: state.stopping && jobs.length > 0 };
    }
    case "stop":
      return state.jobs.length ? { ...state, stopping: true } : state;
    case "stop refused":
      return { ...state, stopping: false };
    case "state":
      return withServerState(state, event.busy, event.fresh ?? false);
    case "connection":
      return { ...state, online: event.online };
  }
}

/** The server says which job runs: jobs that it once named and names no more have ended. */
function withServerState(state: JobsState, busy: RunningJob | null, fresh: boolean): JobsState {
  if (busy === null) {
    const jobs = fresh ? [] : state.jobs.filter((each) => !each.known);
    return { ...state, jobs, stopping: state.stopping && jobs.length > 0 };
  }
  if (state.ended.includes(busy.job)) return state; // the end of that job has already arrived
  const { job, name, done, total } = busy;
  const next = withJob(state, job, name, (each) => ({ ...each, done, total: total ?? each.total }));
  const at = next.jobs.findIndex((each) => each.id === job);
  // Those before it have ended, unless no event has named them yet; those after it wait.
  const others = next.jobs.filter((each, n) => n > at || (n < at && !each.known));
  return { ...next, jobs: [next.jobs[at], ...others] };
}

function withJob(state: JobsState, id: string, name: string, change: (job: Job) => Job): JobsState {
  if (state.ended.includes(id)) return state;
  const known = state.jobs.some((each) => each.id === id);
  const jobs = known ? state.jobs : [...state.jobs, newJob(id, name, true)];
  return {
    ...state,
    jobs: jobs.map((each) => (each.id === id ? { ...change(each), known: true } : each)),
  };
}

function newJob(id: string, name: string, known: boolean): Job {
  return { id, name, done: 0, total: null, seconds: null, known, scores: new Map(), plane: null };
}

function without(names: readonly string[], name: string): string[] {
  const at = names.indexOf(name);
  return at < 0 ? [...names] : [...names.slice(0, at), ...names.slice(at + 1)];
}

/** The state of the jobs, as the page shows it. */
export class Jobs extends Observable {
  state: JobsState = NO_JOBS;

  take(event: JobsEvent): void {
    const next = nextJobs(this.state, event);
    if (next === this.state) return;
    this.state = next;
    this.notify();
  }

  get phase(): Phase {
    return phaseOf(this.state);
  }

  /** The running job; null while a request is only on its way. */
  get running(): Job | null {
    const { jobs } = this.state;
    return jobs.find((each) => each.known) ?? jobs[0] ?? null;
  }

  /** The object that is being edited, once the request is sent. */
  get name(): string | null {
    return this.running?.name ?? this.state.sending[0] ?? null;
  }

  /** How many jobs wait behind the running one. */
  get waiting(): number {
    return Math.max(0, this.state.jobs.length - 1) + this.state.sending.length;
  }

  get busy(): boolean {
    return this.phase !== "idle";
  }
}
