/** A server without a network: records the requests of the page, and sends the events that a test wants. */
import type { Client } from "../src/api/client";
import { ApiError } from "../src/api/client";
import type { LabelList } from "../src/api/labels";
import type { Measurement } from "../src/api/measurements";
import type {
  Preview,
  SegmentedObject,
  ServerEvents,
  SessionState,
  StartOfObject,
  VolumeInfo,
} from "../src/api/wire_types";
import { OpenSession } from "../src/state/open_session";
import type { Voxels } from "../src/volume/voxel_block";
import grids from "./fixtures/grids.json";

export const VOLUME = {
  id: "v1",
  name: "ct.nii.gz",
  modality: "CT",
  modality_source: "header",
  modality_doubt: "",
  unit: "HU",
  notes: [],
  dicom: false,
  default_window: [-160, 240],
  ...(grids.usual as object),
} as unknown as VolumeInfo;

export function objectOf(name: string, id: number, change: Partial<SegmentedObject> = {}): SegmentedObject {
  return {
    id,
    name,
    color: "#56b4e9",
    visible: true,
    locked: false,
    plane: "axial",
    bounds: [0, 3],
    low_end: "user",
    high_end: "user",
    slices: [0, 3],
    volume_ml: 1,
    voxels: 100,
    whole_volume_ml: 1,
    whole_voxels: 100,
    prompts: [{ number: 0, index: 1, kind: "box", box: { k: 1, i0: 0, j0: 0, i1: 1, j1: 1 } }],
    scores: { 0: 0.9, 1: 0.8 },
    expected_dice: { 0: 0.9, 1: 0.8 },
    by_hand: false,
    unfollowed: [],
    start: "segment",
    confirmed: [],
    unfinished: {},
    edits: [{ number: 0, kind: "segment", slices: [1] }],
    ...change,
  };
}

export function stateOf(objects: SegmentedObject[] = [], change: Partial<SessionState> = {}): SessionState {
  return {
    id: "s1",
    volume: "v1",
    revision: 0,
    window: [-160, 240],
    model: "radsam-lite",
    modality: "CT",
    unit: "HU",
    can_undo: objects.length > 0,
    can_redo: false,
    overlap: "last wins",
    order: [],
    overlaps: [],
    notes: [],
    busy: null,
    interrupted: null,
    objects,
    ...change,
  };
}

const PREVIEW: Preview = {
  index: 2,
  masks: [0.9, 0.8, 0.7, 0.6].map((score) => ({ index: 2, score, shape: [1, 4], runs: [1, 2, 1] })),
  reach: null,
  ms: 30,
};

const sct = (value: string, meaning: string, side: string | null = null) => ({
  scheme: "SCT",
  value,
  meaning,
  side,
});

export const LABELS: LabelList = {
  set_name: "Abdomen",
  labels: [
    { name: "stent", value: 2, color: "#0080ff", code: null },
    { name: "liver", value: 5, color: "#dd8265", code: sct("10200004", "Liver") },
  ],
  coded: [
    { name: "liver", others: ["hepar"], color: "#dd8265", code: sct("10200004", "Liver") },
    { name: "kidney_left", others: ["kidneys"], color: "#b96653", code: sct("64033007", "Kidney", "Left") },
    { name: "kidney_right", others: ["kidneys"], color: "#b96653", code: sct("64033007", "Kidney", "Right") },
    { name: "inferior_vena_cava", others: ["ivc"], color: null, code: sct("64131007", "Inferior vena cava") },
  ],
};

export interface Request {
  method: string;
  path: string;
  body: unknown;
}

/** Answers as the server does; `failing` makes the next requests fail with a message. */
export class FakeServer {
  readonly requests: Request[] = [];
  state: SessionState;
  preview: Preview = PREVIEW;
  start: StartOfObject | null = null;
  measurements: Measurement[] = [];
  failing: string | null = null;
  /** What the volume is, for the routes that describe and correct it. */
  volume: VolumeInfo = VOLUME;
  private jobs = 0;

  constructor(objects: SegmentedObject[] = []) {
    this.state = stateOf(objects);
  }

  /** The paths of the requests since the last call, without the reports of the slice in view. */
  taken(): string[] {
    const seen = this.requests.splice(0).filter((each) => !each.path.endsWith("/view"));
    return seen.map((each) => `${each.method} ${each.path.replace("/sessions/s1", "")}`);
  }

  get client(): Client {
    const answer = async (method: string, path: string, body?: unknown) => this.answer(method, path, body);
    const post = (action: string, id: string, body?: unknown) =>
      answer("POST", `/sessions/${id}/${action}`, body);
    return {
      json: answer,
      post,
      view: async () => undefined,
      fetch: (_: string, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))),
        ),
      session: (id: string) => answer("GET", `/sessions/${id}`),
      undo: (id: string) => post("undo", id),
      redo: (id: string) => post("redo", id),
      cancel: (id: string, keep: boolean) => post(keep ? "cancel?keep=true" : "cancel", id),
      resume: (id: string) => post("resume", id),
      changeObject: (id: string, name: string, change: unknown) =>
        answer("PATCH", `/sessions/${id}/objects/${name}`, change),
      deleteObject: (id: string, name: string) => answer("DELETE", `/sessions/${id}/objects/${name}`),
      startOf: (id: string, name: string) => answer("GET", `/sessions/${id}/objects/${name}/start`),
      masks: async () => emptyMasks(this.state.revision),
      interruptedMasks: async () => emptyMasks(this.state.revision),
    } as unknown as Client;
  }

  private answer(method: string, path: string, body: unknown): unknown {
    this.requests.push({ method, path, body });
    if (this.failing !== null) throw new ApiError(409, "session", this.failing);
    if (path === "/labels") return LABELS;
    if (path.endsWith("/preview")) return this.preview;
    if (path.endsWith("/measurements")) {
      if (method === "PUT") this.measurements = (body as { measurements: Measurement[] }).measurements;
      return { measurements: this.measurements };
    }
    if (path.endsWith("/start")) return this.start;
    if (path === `/volumes/${VOLUME.id}`) {
      if (method === "PATCH")
        this.volume = { ...this.volume, ...corrected((body as { modality: string }).modality) };
      return this.volume;
    }
    const edits = /\/(segment|correct|paint|delete-slices|bounds|continue|confirm|clean-up|resume)$/;
    if (method === "POST" && edits.test(path)) return { job: `j${++this.jobs}` };
    if (method === "PATCH" && body && "new_name" in (body as object)) {
      const old = path.split("/").at(-1);
      const name = (body as { new_name: string }).new_name;
      this.state = {
        ...this.state,
        objects: this.state.objects.map((each) => (each.name === old ? { ...each, name } : each)),
      };
    }
    return this.state;
  }
}

function corrected(name: string): Partial<VolumeInfo> {
  const modality = { ct: "CT", mr: "MR", pet: "PET" }[name] ?? "other";
  return {
    modality: modality as VolumeInfo["modality"],
    modality_source: "given",
    modality_doubt: "",
    unit: modality === "CT" ? "HU" : null,
    default_window: modality === "CT" ? [-160, 240] : [30, 830],
  };
}

function emptyMasks(revision: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint32(0, 0x314d5352, true);
  view.setUint32(4, revision, true);
  return view.buffer;
}

export interface Opened {
  session: OpenSession;
  server: FakeServer;
  /** What was shown to the user, as "kind: text". */
  toasts: string[];
  send<K extends keyof ServerEvents>(name: K, data: ServerEvents[K]): void;
  setOnline(online: boolean): void;
}

/** An open session on a fake server. */
export function openSession(objects: SegmentedObject[] = [], volume: VolumeInfo = VOLUME): Opened {
  const server = new FakeServer(objects);
  server.volume = volume;
  const toasts: string[] = [];
  const session = new OpenSession(server.client, volume, server.state, (kind, text) => {
    toasts.push(`${kind}: ${text}`);
  });
  // Events and the connection come through the stream, which the session reads itself.
  const inside = session as unknown as {
    receive: Opened["send"];
    setOnline(online: boolean): void;
  };
  return {
    session,
    server,
    toasts,
    send: (name, data) => inside.receive(name, data),
    setOnline: (online) => inside.setOnline(online),
  };
}

/** Let all voxels of the volume arrive. */
export function giveVoxels(session: OpenSession, voxels: Voxels): void {
  Object.assign(session.loading, { voxels, left: 0 });
}

/** Wait until the requests that are under way have their answers. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}
