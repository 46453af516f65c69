/** A project without a server: its cases, and the requests about them. */
import { ApiError, type Client } from "../src/api/client";
import {
  type CaseLabel,
  type OpenedCase,
  type Outcome,
  type ProjectCase,
  type ProjectInfo,
  ProjectRequests,
} from "../src/api/project";
import type { SegmentedObject } from "../src/api/wire_types";
import type { OpenSession } from "../src/state/open_session";
import { Project } from "../src/state/project";
import { type Opened, openSession, type Request, settled } from "./fake_client";

export function infoOf(change: Partial<ProjectInfo> = {}): ProjectInfo {
  return {
    name: "Livers",
    user: "ada",
    role: "owner",
    labels: [
      { name: "liver", value: 1, color: "#dd8265" },
      { name: "spleen", value: 2, color: "#9d6ca2" },
      { name: "aorta", value: 3, color: "#d06556" },
    ],
    order: "teaching",
    goal_dice: 0.85,
    progress: { cases: 4, done: 1, checked: 0, excluded: 0 },
    weights: { round: null },
    learning: { state: "waiting", progress: 0, message: "", next_after: 4 },
    offer: null,
    ...change,
  };
}

export function labelOf(name: string, change: Partial<CaseLabel> = {}): CaseLabel {
  return {
    name,
    state: "new",
    annotator: "",
    actions: 0,
    seconds: 0,
    certainty: null,
    absent: false,
    note: "",
    review: "",
    ...change,
  };
}

export function caseOf(id: string, change: Partial<ProjectCase> = {}): ProjectCase {
  return {
    id,
    volume: `v-${id}`,
    state: "new",
    reading: 1,
    position: 1,
    assigned: "",
    excluded: "",
    note: "",
    locked_by: null,
    locked_until: null,
    mine: false,
    teaches: null,
    labels: ["liver", "spleen", "aorta"].map((name) => labelOf(name)),
    ...change,
  };
}

/** Answers `/project…` as the server does; `refusing` makes the requests to a path fail. */
export class FakeProject {
  readonly requests: Request[] = [];
  readonly refusing = new Map<string, ApiError>();
  readonly answers = new Map<string, unknown>();
  next: OpenedCase | null = { case: "c1", volume: "v1", session: "s1" };

  constructor(
    public info: ProjectInfo = infoOf(),
    public cases: ProjectCase[] = [caseOf("c1"), caseOf("c2", { position: 2 })],
  ) {}

  get client(): Client {
    return {
      json: async (...request: [string, string, unknown]) => this.answer(...request),
    } as unknown as Client;
  }

  /** The requests that change something since the last call, without heartbeats. */
  taken(): string[] {
    return this.requests
      .splice(0)
      .filter(({ method, path }) => method !== "GET" && !path.endsWith("/heartbeat"))
      .map(({ method, path }) => `${method} ${path.replace("/project", "")}`);
  }

  refuse(path: string, status: number, message: string): void {
    this.refusing.set(path, new ApiError(status, "project", message));
  }

  private answer(method: string, path: string, body: unknown): unknown {
    this.requests.push({ method, path, body });
    const refused = this.refusing.get(path.replace("/project", ""));
    if (refused) throw refused;
    if (this.answers.has(path)) return this.answers.get(path);
    if (path === "/project") return this.info;
    if (path === "/project/cases") return this.cases;
    if (path === "/project/next") {
      if (!this.next) throw new ApiError(404, "project", "Every case is done.");
      return this.next;
    }
    const [, caseId, label, action] = /cases\/(\w+)\/labels\/(.+)\/(\w+)$/.exec(path) ?? [];
    if (label)
      this.change(caseId, label, action, body as { absent?: boolean; outcome?: Outcome; note?: string });
    if (path.endsWith("/open")) return { ...this.next, case: decodeURIComponent(path.split("/")[3]) };
    return {};
  }

  private change(
    caseId: string,
    label: string,
    action: string,
    { absent = false, outcome, note = "" }: { absent?: boolean; outcome?: Outcome; note?: string },
  ): void {
    const checked = outcome && outcome !== "sent back";
    const state = checked ? "checked" : action === "done" ? "done" : "in progress";
    this.cases = this.cases.map((each) => ({
      ...each,
      labels: each.labels.map((one) =>
        each.id === caseId && one.name === label
          ? { ...one, state, absent, note, review: outcome ?? "" }
          : one,
      ),
    }));
  }
}

export interface OpenedProject extends Opened {
  fake: FakeProject;
  project: Project;
  /** The project's own messages, as "kind: text"; those of the session are in `toasts`. */
  messages: string[];
}

/** A project whose cases open a session with these objects. */
export async function openProject(
  fake = new FakeProject(),
  objects: SegmentedObject[] = [],
): Promise<OpenedProject> {
  const opened = openSession(objects);
  const messages: string[] = [];
  const host = {
    screen: "start",
    showToast: (kind: string, text: string) => void messages.push(`${kind}: ${text}`),
    openCase: async (_: OpenedCase, __: boolean, begin: (session: OpenSession) => void) => {
      host.screen = "session";
      begin(opened.session);
    },
    closeCase: () => {
      host.screen = "start";
    },
  };
  const project = new Project(fake.info, new ProjectRequests(fake.client), host);
  await project.refreshCases();
  return { ...opened, fake, project, messages };
}

/** The same, with its first case open. */
export async function openWork(fake = new FakeProject(), objects: SegmentedObject[] = [], check = false) {
  const opened = await openProject(fake, objects);
  await opened.project.openCase("c1", check);
  await settled();
  fake.taken();
  const work = opened.project.work!;
  return { ...opened, work };
}
