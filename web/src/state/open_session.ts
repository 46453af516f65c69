/** One session on one volume: what the user does, sent to the server, and what comes back, kept for the page. */
import type { Client } from "../api/client";
import { followEvents } from "../api/event_stream";
import {
  PLANES,
  type PlaneName,
  type PointPrompt,
  type Prompt,
  type SegmentedObject,
  type ServerEvents,
  type SessionState,
  type VolumeInfo,
} from "../api/wire_types";
import { Geometry } from "../volume/coordinates";
import { LabelMap } from "../volume/label_map";
import { type Voxels, voxelsOfNifti } from "../volume/nifti_voxels";
import { Display } from "./display";
import { colourOf, MaskKeeper } from "./mask_sync";
import { Store } from "./observable";
import { type Draft, freeName, newDraft, withBound } from "./prompt_draft";

export interface Job {
  name: string;
  done: number;
  total: number | null;
}
export type Say = (kind: "error" | "info" | "done", text: string) => void;

/** Waiting this long before telling the server what is in view keeps a quick scroll from asking for everything. */
const VIEW_DELAY_MS = 150;

export class OpenSession extends Store {
  readonly geometry: Geometry;
  readonly display: Display;
  readonly labels: LabelMap;
  voxels: Voxels | null = null;
  loaded = 0;
  draft: Draft | null = null;
  /** The draft that was sent off, shown until its first slice comes back. */
  sent: Draft | null = null;
  selected: string | null = null;
  job: Job | null = null;
  online = true;
  /** Slices that the model has looked at, so that a prompt there is answered at once. */
  readonly encoded: Record<PlaneName, Set<number>> = {
    axial: new Set(),
    coronal: new Set(),
    sagittal: new Set(),
  };
  /** How sure the model was on the slices of the walk that runs. */
  walked = new Map<number, number>();
  walkedPlane: PlaneName | null = null;
  reviewed: { name: string; cursor: string } | null = null;

  private readonly masks: MaskKeeper;
  private asked: AbortController | null = null;
  private readonly closed = new AbortController();
  private viewTimer: ReturnType<typeof setTimeout> | undefined;
  private viewed = "";

  constructor(
    readonly client: Client,
    readonly volume: VolumeInfo,
    public state: SessionState,
    private readonly say: Say,
  ) {
    super();
    this.geometry = new Geometry(volume);
    this.display = new Display(this.geometry, state.window_hu);
    this.labels = new LabelMap(this.geometry);
    this.masks = new MaskKeeper(client, this.labels);
    this.selected = state.objects.at(-1)?.name ?? null;
    if (state.busy) this.job = state.busy;
    this.display.subscribe(() => this.tellView());
  }

  /** Fetch the voxels and masks, and follow what happens from here on. */
  async start(): Promise<void> {
    this.tellView();
    void followEvents(
      this.client,
      this.state.id,
      (name, data) => this.receive(name, data),
      (online) => this.setOnline(online),
      this.closed.signal,
    ).catch((error: Error) => this.say("error", error.message));
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

  // What is there

  get objects(): SegmentedObject[] {
    return this.state.objects;
  }

  object(name: string | null): SegmentedObject | null {
    return this.objects.find((each) => each.name === name) ?? null;
  }

  /** The colour that the draft will have as an object. */
  get draftColour(): string {
    const known = this.object((this.draft ?? this.sent)?.name ?? null);
    return known?.color ?? colourOf(1 + Math.max(0, ...this.objects.map((each) => each.id)));
  }

  get busy(): boolean {
    return this.job !== null;
  }

  // What the user draws

  /** Start over with a prompt on one slice, and ask for a preview. */
  prompt(plane: PlaneName, index: number, prompt: Prompt): void {
    const before = this.draft;
    const name = before?.name ?? freeName(this.objects.map((each) => each.name));
    this.draft = newDraft(name, plane, index, prompt);
    if (
      before &&
      before.plane === plane &&
      before.bounds &&
      before.bounds[0] <= index &&
      index <= before.bounds[1]
    )
      this.draft = { ...this.draft, bounds: before.bounds, said: before.said };
    this.selected = null;
    void this.askPreview();
  }

  /** A point: refines the draft on its slice, corrects the selected object, or starts an object. */
  point(plane: PlaneName, index: number, point: PointPrompt): void {
    if (this.draft && this.draft.plane === plane && this.draft.index === index) {
      this.draft = { ...this.draft, points: [...this.draft.points, point], choice: 0 };
      void this.askPreview();
    } else if (this.draft) {
      this.say(
        "info",
        `The preview is on ${this.draft.plane} slice ${this.draft.index}. Press Enter to walk it through the volume ` +
          "first, then correct it anywhere; or Esc to drop it.",
      );
    } else if (this.selected) void this.correct(this.selected, [point]);
    else if (point.positive) this.prompt(plane, index, point);
    else
      this.say(
        "info",
        "Select the object that this point does not belong to, or start with a point inside one.",
      );
  }

  changeDraft(change: Partial<Draft>): void {
    if (!this.draft) return;
    this.draft = { ...this.draft, ...change };
    this.notify();
  }

  bound(end: "low" | "high", index: number): void {
    if (!this.draft) return;
    this.draft = withBound(this.draft, this.geometry.grids[this.draft.plane], end, index);
    this.notify();
  }

  nextAlternative(step = 1): void {
    const { draft } = this;
    if (!draft?.masks.length) return;
    this.changeDraft({ choice: (draft.choice + step + draft.masks.length) % draft.masks.length });
  }

  dropDraft(): void {
    this.asked?.abort();
    this.draft = null;
    this.selected ??= this.objects.at(-1)?.name ?? null;
    this.notify();
  }

  private async askPreview(): Promise<void> {
    const { draft } = this;
    if (!draft) return;
    this.asked?.abort();
    const asked = new AbortController();
    this.asked = asked;
    this.changeDraft({ asking: true, problem: null });
    const { prompt, plane, points, name } = draft;
    try {
      const existing = this.object(name) ? name : undefined;
      const answer = await this.client.preview(
        this.state.id,
        { prompt, plane, ...(points.length ? { points } : {}), name: existing },
        asked.signal,
      );
      this.encoded[plane].add(answer.index);
      if (this.asked === asked) this.changeDraft({ masks: answer.masks, ms: answer.ms, asking: false });
    } catch (error) {
      if (this.asked !== asked || asked.signal.aborted) return;
      this.changeDraft({ asking: false, problem: (error as Error).message, masks: [] });
      this.say("error", (error as Error).message);
    }
  }

  // What changes the session

  /** Walk the draft through the volume. */
  async walk(): Promise<void> {
    const { draft } = this;
    if (!draft) return;
    await this.attempt(async () => {
      const { name, prompt, bounds, plane, choice, points } = draft;
      if (!this.busy) this.begin(name);
      await this.client.segment(this.state.id, {
        name,
        prompt,
        bounds,
        plane,
        alternative: points.length ? 0 : choice,
      });
      if (points.length) await this.client.correct(this.state.id, name, points); // queued behind the walk
      this.asked?.abort();
      if (this.busy && this.walked.size === 0) this.sent = draft;
      this.draft = null;
      this.selected = name;
    });
  }

  async correct(name: string, points: PointPrompt[]): Promise<void> {
    await this.attempt(async () => {
      if (!this.busy) this.begin(name);
      await this.client.correct(this.state.id, name, points);
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

  async undo(): Promise<void> {
    if (this.draft?.points.length) {
      this.draft = { ...this.draft, points: this.draft.points.slice(0, -1) };
      return this.askPreview();
    }
    if (this.draft) return this.dropDraft();
    if (!this.state.can_undo) return;
    await this.attempt(async () => this.take(await this.client.undo(this.state.id)));
  }

  async redo(): Promise<void> {
    if (!this.state.can_redo) return;
    await this.attempt(async () => this.take(await this.client.redo(this.state.id)));
  }

  async deletePrompt(number: number): Promise<void> {
    await this.attempt(async () => this.take(await this.client.deletePrompt(this.state.id, number)));
  }

  async deleteObject(name: string): Promise<void> {
    await this.attempt(async () => this.take(await this.client.deleteObject(this.state.id, name)));
  }

  async changeObject(name: string, change: Parameters<Client["changeObject"]>[2]): Promise<void> {
    await this.attempt(async () => {
      const state = await this.client.changeObject(this.state.id, name, change);
      if (change.new_name && this.selected === name) this.selected = change.new_name;
      this.take(state);
    });
  }

  /** Go to the slice where the model is least sure, then to the next least, and so on. */
  async reviewNext(): Promise<void> {
    await this.attempt(async () => {
      const name = this.selected;
      const after = this.reviewed && this.reviewed.name === name ? this.reviewed.cursor : null;
      this.reviewed = null; // past the last slice, it starts with the first again
      const next = await this.client.next(this.state.id, name, after);
      this.reviewed = { name: next.name, cursor: next.cursor };
      this.selected = next.name;
      this.display.set({
        active: next.plane,
        ...(this.display.layout === "quad" ? {} : { large: next.plane }),
      });
      this.display.goTo(next.plane, next.index);
      this.say(
        "info",
        `Slice ${next.index} of ${next.name}: the model is ${Math.round(100 * next.score)} % sure here.`,
      );
    });
  }

  select(name: string | null): void {
    this.selected = name;
    this.notify();
  }

  private begin(name: string): void {
    this.job = { name, done: 0, total: null };
    this.walked.clear();
    this.notify();
  }

  private async attempt(step: () => Promise<unknown>): Promise<void> {
    const jobBefore = this.job;
    try {
      await step();
    } catch (error) {
      this.job = jobBefore;
      this.say("error", (error as Error).message);
    }
    this.notify();
  }

  // What the server tells

  private setOnline(online: boolean): void {
    const back = online && !this.online;
    this.online = online;
    this.notify();
    // What happened meanwhile was told to nobody.
    if (back) void this.attempt(async () => this.take(await this.client.session(this.state.id)));
  }

  private take(state: SessionState): void {
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
      .catch((error: Error) => this.say("error", error.message));
    this.notify();
  }

  private receive<K extends keyof ServerEvents>(name: K, data: ServerEvents[K]): void {
    const handlers: { [E in keyof ServerEvents]: (data: ServerEvents[E]) => void } = {
      state: (state) => this.take(state),
      progress: ({ name, done, total }) => {
        this.job = { name, done, total };
        this.notify();
      },
      slice: (slice) => this.receiveSlice(slice),
      ended: (end) => this.receiveEnd(end),
      failed: ({ message }) => {
        this.finish();
        this.say("error", message);
        void this.fetchMasks(true);
      },
      cancelled: () => {
        this.finish();
        this.say("info", "Stopped. Everything is as it was before.");
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
    this.masks.putWalked(slice, this.state);
    this.encoded[slice.plane].add(slice.index);
    this.walked.set(slice.index, slice.score);
    this.walkedPlane = slice.plane;
    this.sent = null;
    this.notify();
  }

  private receiveEnd(end: ServerEvents["ended"]): void {
    this.finish();
    this.selected = end.name;
    for (const warning of end.warnings) this.say("info", warning);
  }

  private finish(): void {
    this.job = null;
    this.sent = null;
    this.walked.clear();
    this.notify();
  }

  private tellView(): void {
    const plane = this.display.active;
    const index = this.display.index(plane);
    const seen = `${plane} ${index}`;
    if (seen === this.viewed) return;
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => {
      this.viewed = seen;
      this.client.view(this.state.id, plane, index).catch(() => undefined); // only a hint: nothing is lost
    }, VIEW_DELAY_MS);
  }
}
