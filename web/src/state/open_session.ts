/** The open session: sends what the user does to the server, and holds what the page shows. */
import type { Client } from "../api/client";
import { type Correction, EditRequests } from "../api/edit_requests";
import { followEvents } from "../api/event_stream";
import {
  PLANES,
  type PlaneName,
  type SegmentedObject,
  type ServerEvents,
  type SessionState,
  type VolumeInfo,
} from "../api/wire_types";
import { Geometry } from "../volume/coordinates";
import { LabelMap } from "../volume/label_map";
import { type Voxels, voxelsOfNifti } from "../volume/nifti_voxels";
import { Display } from "./display";
import { colourOf, MaskSync } from "./mask_sync";
import { Observable } from "./observable";
import { promptAction } from "./prompt_action";
import { type DrawnPrompt, freeName, newDraft, type PromptDraft, withBound } from "./prompt_draft";

export interface Job {
  name: string;
  done: number;
  total: number | null;
}
export type ShowToast = (kind: "error" | "info" | "done", text: string) => void;

/** The server encodes ahead around the slice in view; a slice that is passed in a quick scroll is not reported. */
const VIEW_DELAY_MS = 150;

export class OpenSession extends Observable {
  readonly geometry: Geometry;
  readonly display: Display;
  readonly labels: LabelMap;
  voxels: Voxels | null = null;
  /** The share of the image that has arrived. */
  loaded = 0;
  draft: PromptDraft | null = null;
  /** The draft whose propagation was requested, shown until its first slice arrives. */
  sentDraft: PromptDraft | null = null;
  selected: string | null = null;
  job: Job | null = null;
  online = true;
  /** Encoded slices: the model predicts at once there. */
  readonly encoded: Record<PlaneName, Set<number>> = {
    axial: new Set(),
    coronal: new Set(),
    sagittal: new Set(),
  };
  /** Scores by slice of the running propagation. */
  jobScores = new Map<number, number>();
  jobPlane: PlaneName | null = null;

  private reviewed: { name: string; cursor: string } | null = null;
  private readonly requests: EditRequests;
  private readonly masks: MaskSync;
  private lastPreview: AbortController | null = null;
  private readonly closed = new AbortController();
  private viewTimer: ReturnType<typeof setTimeout> | undefined;
  private reportedView = "";

  constructor(
    readonly client: Client,
    readonly volume: VolumeInfo,
    public state: SessionState,
    private readonly showToast: ShowToast,
  ) {
    super();
    this.geometry = new Geometry(volume);
    this.display = new Display(this.geometry, state.window_hu);
    this.labels = new LabelMap(this.geometry);
    this.requests = new EditRequests(client, state.id);
    this.masks = new MaskSync(client, this.labels);
    this.selected = state.objects.at(-1)?.name ?? null;
    if (state.busy) this.job = state.busy;
    this.display.subscribe(() => this.reportView());
  }

  /** Fetch the voxels and masks, and follow the server's events. */
  async start(): Promise<void> {
    this.reportView();
    void followEvents(
      this.client,
      this.state.id,
      (name, data) => this.receive(name, data),
      (online) => this.setOnline(online),
      this.closed.signal,
    ).catch((error: Error) => this.showToast("error", error.message));
    const buffer = await this.client.image(this.volume.id, (share) => {
      this.loaded = share;
      this.notify();
    });
    this.voxels = voxelsOfNifti(buffer, this.geometry.voxels);
    this.loaded = 1;
    this.notify();
    this.display.notify();
    await this.fetchMasks();
  }

  close(): void {
    this.closed.abort();
    clearTimeout(this.viewTimer);
  }

  get objects(): SegmentedObject[] {
    return this.state.objects;
  }

  object(name: string | null): SegmentedObject | null {
    return this.objects.find((each) => each.name === name) ?? null;
  }

  /** The colour that the draft will have as an object. */
  get draftColour(): string {
    const known = this.object((this.draft ?? this.sentDraft)?.name ?? null);
    return known?.color ?? colourOf(1 + Math.max(0, ...this.objects.map((each) => each.id)));
  }

  get busy(): boolean {
    return this.job !== null;
  }

  // Prompts and the draft

  /** Take a prompt that the user drew: every tool that draws ends here. */
  takePrompt(drawn: DrawnPrompt): void {
    const action = promptAction(drawn, this.draft, this.selected);
    if (action.kind === "start object") this.startDraft(drawn);
    else if (action.kind === "correct draft") this.correctDraft(action.correction);
    else if (action.kind === "correct object") void this.correct(action.name, [action.correction]);
    else this.showToast("info", action.message);
  }

  /** Start a draft and preview it; it keeps the name and, where they fit, the bounds of the draft before. */
  startDraft(drawn: DrawnPrompt): void {
    const { draft } = this;
    const name = draft?.name ?? freeName(this.objects.map((each) => each.name));
    this.draft = newDraft(name, drawn);
    const { plane, index } = drawn;
    if (draft?.bounds && draft.plane === plane && draft.bounds[0] <= index && index <= draft.bounds[1])
      this.draft = { ...this.draft, bounds: draft.bounds, boundSet: draft.boundSet };
    this.selected = null;
    void this.preview();
  }

  private correctDraft(correction: Correction): void {
    const { draft } = this;
    if (!draft) return;
    this.draft = { ...draft, corrections: [...draft.corrections, correction], alternative: 0 };
    void this.preview();
  }

  changeDraft(change: Partial<PromptDraft>): void {
    if (!this.draft) return;
    this.draft = { ...this.draft, ...change };
    this.notify();
  }

  setBound(end: "low" | "high", index: number): void {
    if (!this.draft) return;
    this.draft = withBound(this.draft, this.geometry.grids[this.draft.plane], end, index);
    this.notify();
  }

  nextAlternative(step = 1): void {
    const { draft } = this;
    if (!draft?.masks.length) return;
    const alternative = (draft.alternative + step + draft.masks.length) % draft.masks.length;
    this.changeDraft({ alternative });
  }

  discardDraft(): void {
    this.lastPreview?.abort();
    this.draft = null;
    this.selected ??= this.objects.at(-1)?.name ?? null;
    this.notify();
  }

  private async preview(): Promise<void> {
    const { draft } = this;
    if (!draft) return;
    this.lastPreview?.abort();
    const request = new AbortController();
    this.lastPreview = request;
    this.changeDraft({ predicting: true, error: null });
    try {
      const existing = this.object(draft.name) ? draft.name : undefined;
      const { index, masks, ms } = await this.requests.preview(draft, existing, request.signal);
      this.encoded[draft.plane].add(index);
      if (this.lastPreview === request) this.changeDraft({ masks, ms, predicting: false });
    } catch (error) {
      if (this.lastPreview !== request || request.signal.aborted) return;
      this.changeDraft({ predicting: false, error: (error as Error).message, masks: [] });
      this.showToast("error", (error as Error).message);
    }
  }

  // Edits

  /** Propagate the draft through the volume. */
  async propagate(): Promise<void> {
    const { draft } = this;
    if (!draft) return;
    await this.attempt(async () => {
      if (!this.busy) this.begin(draft.name);
      await this.requests.segment(draft);
      this.lastPreview?.abort();
      if (this.busy && this.jobScores.size === 0) this.sentDraft = draft;
      this.draft = null;
      this.selected = draft.name;
    });
  }

  private async correct(name: string, corrections: Correction[]): Promise<void> {
    await this.attempt(async () => {
      if (!this.busy) this.begin(name);
      await this.requests.correct(name, corrections);
    });
  }

  async stop(): Promise<void> {
    await this.attempt(() => this.client.cancel(this.state.id));
  }

  async resume(): Promise<void> {
    const name = this.state.interrupted?.name;
    await this.attempt(async () => {
      if (name) this.begin(name);
      await this.client.resume(this.state.id);
    });
  }

  /** Take back the draft's last correction, the draft itself, or the session's last edit. */
  async undo(): Promise<void> {
    if (this.draft?.corrections.length) {
      this.draft = { ...this.draft, corrections: this.draft.corrections.slice(0, -1) };
      return this.preview();
    }
    if (this.draft) return this.discardDraft();
    if (!this.state.can_undo) return;
    await this.attempt(async () => this.takeState(await this.client.undo(this.state.id)));
  }

  async redo(): Promise<void> {
    if (!this.state.can_redo) return;
    await this.attempt(async () => this.takeState(await this.client.redo(this.state.id)));
  }

  async deletePrompt(number: number): Promise<void> {
    await this.attempt(async () => this.takeState(await this.client.deletePrompt(this.state.id, number)));
  }

  async deleteObject(name: string): Promise<void> {
    await this.attempt(async () => this.takeState(await this.client.deleteObject(this.state.id, name)));
  }

  async changeObject(name: string, change: Parameters<Client["changeObject"]>[2]): Promise<void> {
    await this.attempt(async () => {
      const state = await this.client.changeObject(this.state.id, name, change);
      if (change.new_name && this.selected === name) this.selected = change.new_name;
      this.takeState(state);
    });
  }

  /** Go to the slice with the lowest score, then to the next lowest, and so on. */
  async reviewNext(): Promise<void> {
    await this.attempt(async () => {
      const name = this.selected;
      const after = this.reviewed && this.reviewed.name === name ? this.reviewed.cursor : null;
      this.reviewed = null; // after the last slice, the first comes again
      const next = await this.client.next(this.state.id, name, after);
      this.reviewed = { name: next.name, cursor: next.cursor };
      this.selected = next.name;
      this.display.set({
        active: next.plane,
        ...(this.display.layout === "quad" ? {} : { large: next.plane }),
      });
      this.display.goTo(next.plane, next.index);
      this.showToast("info", `Slice ${next.index} of ${next.name}: score ${Math.round(100 * next.score)} %.`);
    });
  }

  select(name: string | null): void {
    this.selected = name;
    this.notify();
  }

  private begin(name: string): void {
    this.job = { name, done: 0, total: null };
    this.jobScores.clear();
    this.notify();
  }

  private async attempt(request: () => Promise<unknown>): Promise<void> {
    const jobBefore = this.job;
    try {
      await request();
    } catch (error) {
      this.job = jobBefore;
      this.showToast("error", (error as Error).message);
    }
    this.notify();
  }

  // Events of the server

  private setOnline(online: boolean): void {
    const back = online && !this.online;
    this.online = online;
    this.notify();
    // No event came while the connection was broken.
    if (back) void this.attempt(async () => this.takeState(await this.client.session(this.state.id)));
  }

  private takeState(state: SessionState): void {
    this.state = state;
    for (const plane of PLANES)
      for (const index of state.encoded?.[plane] ?? []) this.encoded[plane].add(index);
    if (!state.busy && this.job && this.job.done > 0) this.job = null;
    if (this.selected && !this.object(this.selected) && !this.busy)
      this.selected = state.objects.at(-1)?.name ?? null;
    if (this.masks.isBehind(state)) void this.fetchMasks();
    this.notify();
  }

  private async fetchMasks(everything = false): Promise<void> {
    await this.masks
      .fetch(() => this.state, everything)
      .catch((error: Error) => this.showToast("error", error.message));
    this.notify();
  }

  private receive<K extends keyof ServerEvents>(name: K, data: ServerEvents[K]): void {
    const handlers: { [E in keyof ServerEvents]: (data: ServerEvents[E]) => void } = {
      state: (state) => this.takeState(state),
      progress: ({ name, done, total }) => {
        this.job = { name, done, total };
        this.notify();
      },
      slice: (slice) => this.receiveSlice(slice),
      ended: (end) => this.receiveEnd(end),
      failed: ({ message }) => {
        this.finish();
        this.showToast("error", message);
        void this.fetchMasks(true);
      },
      cancelled: () => {
        this.finish();
        this.showToast("info", "Stopped. The object is as it was before.");
        void this.fetchMasks(true);
      },
      encoded: ({ plane, index }) => {
        this.encoded[plane].add(index);
        this.notify();
      },
    };
    handlers[name]?.(data);
  }

  private receiveSlice(slice: ServerEvents["slice"]): void {
    this.masks.putSlice(slice, this.state);
    this.encoded[slice.plane].add(slice.index);
    this.jobScores.set(slice.index, slice.score);
    this.jobPlane = slice.plane;
    this.sentDraft = null;
    this.notify();
  }

  private receiveEnd(end: ServerEvents["ended"]): void {
    this.finish();
    this.selected = end.name;
    for (const warning of end.warnings) this.showToast("info", warning);
  }

  private finish(): void {
    this.job = null;
    this.sentDraft = null;
    this.jobScores.clear();
    this.notify();
  }

  private reportView(): void {
    const plane = this.display.active;
    const index = this.display.index(plane);
    const view = `${plane} ${index}`;
    if (view === this.reportedView) return;
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => {
      this.reportedView = view;
      this.client.view(this.state.id, plane, index).catch(() => undefined); // only a hint: nothing is lost
    }, VIEW_DELAY_MS);
  }
}
