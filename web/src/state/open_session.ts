/** The open session: sends what the user does to the server, and holds what the page shows. */
import type { Client } from "../api/client";
import { type Correction, EditRequests, type Painting } from "../api/edit_requests";
import { followEvents } from "../api/event_stream";
import {
  type CleanUpStep,
  type EditOutcome,
  type OverlapPolicy,
  PLANES,
  type PlaneName,
  type Reach,
  type SegmentedObject,
  type ServerEvents,
  type SessionState,
  type VolumeInfo,
} from "../api/wire_types";
import { sliceWindow, volumeWindow } from "../volume/auto_window";
import { Geometry } from "../volume/coordinates";
import { LabelMap } from "../volume/label_map";
import { unitOf } from "../volume/measured_values";
import type { Voxels } from "../volume/voxel_block";
import { Display, type Tool } from "./display";
import { Ends } from "./ends";
import { Following } from "./following";
import { HandEdits, handLimitsOf, type ReachOption, type ShownStroke } from "./hand_edits";
import { Jobs } from "./jobs";
import { type LabelRules, lastEdited, NO_LABELS } from "./label_rules";
import { Look } from "./look";
import { colourOf, MaskSync } from "./mask_sync";
import { Measurements } from "./measurements";
import { ModalityChoice } from "./modality_choice";
import { ObjectNames } from "./object_names";
import { Observable } from "./observable";
import { promptAction } from "./prompt_action";
import { type DrawnPrompt, freeName, newDraft, type PromptDraft, withBound } from "./prompt_draft";
import { Statistics } from "./statistics";
import { followObjects, NEW_OBJECT, type Target, targetOfTool } from "./target";
import { VolumeLoading } from "./volume_loading";

export type ShowToast = (kind: "error" | "info" | "done", text: string) => void;

/** The server encodes ahead around the slice in view; a slice that is passed in a quick scroll is not reported. */
const VIEW_DELAY_MS = 150;

const NOTHING_MEASURED =
  "There is no measurement to undo. To undo an edit of an object, choose another tool first.";

const KEEPS_ITS_MODEL =
  "The objects that are there keep their masks, and this session keeps its model. " +
  "For the model of this modality, start a new session on the volume (Ctrl+O).";

export class OpenSession extends Observable {
  /** Moves the other planes to what is drawn and selected. */
  readonly following: Following;
  readonly geometry: Geometry;
  readonly display: Display;
  readonly labels: LabelMap;
  readonly measurements: Measurements;
  /** The names that an object may be given. */
  readonly names: ObjectNames;
  readonly look = new Look();
  readonly statistics: Statistics;
  readonly loading: VolumeLoading;
  /** The 3D view while it is drawn, for pictures of it. */
  scene: { picture(): HTMLCanvasElement } | null = null;
  draft: PromptDraft | null = null;
  /** The labels of the project's case that it is a session of. */
  rules: LabelRules = NO_LABELS;
  /** What the tools act on. Only the user changes it: see `setTarget`. */
  target: Target = NEW_OBJECT;
  /** The edits that run or wait on the server. */
  readonly jobs = new Jobs();
  /** The settings of the tools that draw, and the strokes that are under way. */
  readonly hand: HandEdits;
  /** What the volume is taken for. */
  readonly kind: ModalityChoice;
  /** The ends that can be moved. */
  readonly ends = new Ends(this);
  /** What the last edit did. */
  outcome: EditOutcome | null = null;
  online = true;
  /** Encoded slices: the model predicts at once there. */
  readonly encoded: Record<PlaneName, Set<number>> = {
    axial: new Set(),
    coronal: new Set(),
    sagittal: new Set(),
  };

  /** The tool in hand when the user chose the target. */
  private chosenFor: Tool | null = null;
  /** The draft whose propagation was requested, until that job ends. */
  private sent: { draft: PromptDraft; jobs: readonly string[] } | null = null;
  /** The last edit's request: edits are sent one after the other, so that they arrive in their order. */
  private lastRequest: Promise<unknown> = Promise.resolve();
  private reviewed: { name: string; cursor: string } | null = null;
  readonly requests: EditRequests;
  private readonly masks: MaskSync;
  private lastPreview: AbortController | null = null;
  private readonly closed = new AbortController();
  private viewTimer: ReturnType<typeof setTimeout> | undefined;
  private reportedView = "";

  constructor(
    readonly client: Client,
    volume: VolumeInfo,
    public state: SessionState,
    readonly showToast: ShowToast,
  ) {
    super();
    this.kind = new ModalityChoice(client, volume, showToast, (next) => this.takeModality(next));
    this.hand = new HandEdits(handLimitsOf(volume));
    this.geometry = new Geometry(volume);
    this.display = new Display(this.geometry, state.window);
    this.labels = new LabelMap(this.geometry);
    this.measurements = new Measurements(client, state.id, (message) => showToast("error", message));
    this.statistics = new Statistics(client, state.id, this.labels, (text) => showToast("error", text));
    this.subscribe(() => this.statistics.follow(this.objects, this.busy));
    this.names = new ObjectNames(client);
    this.loading = new VolumeLoading(client, volume, this.geometry, this.display);
    this.requests = new EditRequests(client, state.id);
    this.masks = new MaskSync(client, this.labels);
    const last = state.objects.at(-1);
    if (last) this.target = { kind: "object", name: last.name, id: last.id };
    this.jobs.take({ type: "state", busy: state.busy });
    this.jobs.subscribe(() => this.notify());
    this.following = new Following(this);
    this.display.subscribe(() => this.reportView());
  }

  /** Fetch the voxels and masks, and follow the server's events. */
  async start(): Promise<void> {
    this.reportView();
    void this.measurements.load();
    void this.names.load();
    void followEvents(
      this.client,
      this.state.id,
      (name, data) => this.receive(name, data),
      (online) => this.setOnline(online),
      this.closed.signal,
    ).catch((error: Error) => this.showToast("error", error.message));
    const loaded = this.loading
      .start(this.closed.signal)
      .catch((error: Error) => this.showToast("error", error.message));
    // Slices first: putting thousands of masks would delay them.
    await Promise.race([this.loading.usable, loaded]);
    await this.fetchMasks();
  }

  close(): void {
    this.closed.abort();
    clearTimeout(this.viewTimer);
  }

  get volume(): VolumeInfo {
    return this.kind.volume;
  }

  get isCt(): boolean {
    return this.volume.modality === "CT";
  }

  /** The unit of the values after a space; nothing where they have none. */
  get unit(): string {
    return unitOf(this.volume);
  }

  /** The volume is taken for something else: what follows from its values starts anew. */
  private takeModality(volume: VolumeInfo): void {
    for (const plane of PLANES) this.encoded[plane].clear();
    this.reportedView = "";
    this.hand.setLimitsOf(handLimitsOf(volume));
    this.display.set({ window: volume.default_window });
    if (this.objects.length) this.showToast("info", KEEPS_ITS_MODEL);
    this.notify();
  }

  /** Set the window from the values of the slice in view, or of the whole volume. */
  autoWindow(of: "slice" | "volume"): void {
    const { display, loading, isCt } = this;
    const plane = display.active;
    const slice = loading.valuesOn(plane, display.index(plane));
    const volume = loading.allValues();
    if (of === "slice" && slice)
      display.set({ window: sliceWindow(slice.voxels, slice.geometry.grids[plane], slice.index, isCt) });
    if (of === "volume" && volume)
      display.set({ window: volumeWindow(volume.voxels, volume.geometry, isCt) });
  }

  /** The voxels that have arrived: `loading.has` tells which. */
  get voxels(): Voxels | null {
    return this.loading.voxels;
  }

  get objects(): SegmentedObject[] {
    return this.state.objects;
  }

  object(name: string | null): SegmentedObject | null {
    return this.objects.find((each) => each.name === name) ?? null;
  }

  /** The colour that the draft will have as an object. */
  get draftColour(): string {
    return this.colourOf((this.draft ?? this.sentDraft)?.name ?? null);
  }

  /** The id of an object, or the one that the next new object gets. */
  idOf(name: string | null): number {
    return this.object(name)?.id ?? 1 + Math.max(0, ...this.objects.map((each) => each.id));
  }

  /** The colour of an object, or of the next new one. */
  colourOf(name: string | null): string {
    const chosen = this.object(name)?.color ?? this.names.colourOf(name ?? "");
    return chosen ?? colourOf(this.idOf(name));
  }

  /** The colour of what the masks hold as `id`: of an object, or of the one that an edit under way makes. */
  colourOfId(id: number): string {
    const { name } = this.jobs;
    const made = name !== null && this.idOf(name) === id ? name : null;
    return this.objects.find((each) => each.id === id)?.color ?? (made ? this.colourOf(made) : colourOf(id));
  }

  get busy(): boolean {
    return this.jobs.busy;
  }

  /** Whether something is under way that takes longer than a stroke. */
  get working(): boolean {
    const { sending, jobs } = this.jobs.state;
    return sending.length + jobs.length > this.hand.quick;
  }

  /** The target's object by name; null for a new object. */
  get selected(): string | null {
    return this.target.kind === "object" ? this.target.name : null;
  }

  /** The draft whose propagation was requested, shown until its first slice arrives. */
  get sentDraft(): PromptDraft | null {
    if (!this.sent || this.jobs.running?.scores.size) return null;
    return this.sent.draft;
  }

  /** Whether an edit of this object is under way. */
  isExpected(name: string): boolean {
    return this.expected.includes(name);
  }

  /** The objects that edits under way make or change. */
  private get expected(): string[] {
    const { sending, jobs } = this.jobs.state;
    return [...sending, ...jobs.map((each) => each.name)];
  }

  // The target

  /** Choose what the tools act on: an object, or null for a new one. A label without an object is begun. */
  setTarget(name: string | null): void {
    const object = this.object(name);
    const begins = !object && this.rules.names.includes(name ?? "") && !this.expected.includes(name!);
    if (name === null) this.target = NEW_OBJECT;
    else this.target = begins ? { kind: "new", name } : { kind: "object", name, id: object?.id ?? null };
    this.chosenFor = this.display.tool;
    if (object) this.following.selected(object.name);
    this.notify();
  }

  /** What a tool acts on: a box starts a new object, unless the target was chosen with the box in hand. */
  targetOf(tool: Tool = this.display.tool): Target {
    if (this.rules.names.includes(this.target.name ?? "")) return this.target;
    return targetOfTool(tool, this.target, this.chosenFor);
  }

  /** The option that says how far an edit of an object propagates; without an object, of a new one. */
  reachOption(name: string | null, byHand: boolean): ReachOption {
    const proposal = this.rules !== NO_LABELS && this.object(name)?.start === "start_from_mask";
    if (proposal) return "reachOnProposal";
    return byHand ? "reachByHand" : "reachOfModel";
  }

  // Prompts and the draft

  /** Take a prompt that the user drew: every tool that draws ends here. */
  takePrompt(drawn: DrawnPrompt): void {
    this.following.drawn(drawn);
    const target = this.targetOf();
    const object = target.kind === "object" ? this.object(target.name) : null;
    const action = promptAction(drawn, this.draft, target, object);
    if (action.kind === "start object") this.startDraft(drawn);
    else if (action.kind === "correct draft") this.correctDraft(action.correction);
    else if (action.kind === "correct object")
      void this.correct(
        action.name,
        [action.correction],
        this.hand.options[this.reachOption(action.name, false)],
      );
    else this.tell(action.message);
  }

  /** Say why nothing happens, or what happened. */
  tell(message: string): void {
    this.showToast("info", message);
  }

  /** Start a draft and preview it; it keeps the name and, where they fit, the bounds of the draft before. */
  startDraft(drawn: DrawnPrompt): void {
    const { draft } = this;
    const { target } = this;
    const named = target.kind === "new" ? target.name : undefined;
    const name = draft?.name ?? named ?? freeName(this.objects.map((each) => each.name));
    this.draft = newDraft(name, drawn);
    const { plane, index } = drawn;
    if (draft?.bounds && draft.plane === plane && draft.bounds[0] <= index && index <= draft.bounds[1])
      this.draft = { ...this.draft, bounds: draft.bounds, boundSet: draft.boundSet };
    this.target = named === name ? target : NEW_OBJECT;
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
    const { draft } = this;
    this.draft = null;
    if (draft && this.rules.names.includes(draft.name)) this.setTarget(draft.name);
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
    await this.edit(draft.name, async () => {
      const jobs = await this.requests.segment(draft);
      this.lastPreview?.abort();
      this.sent = { draft, jobs };
      if (this.draft === draft || this.draft?.name === draft.name) this.draft = null;
      this.setTarget(draft.name);
      this.chosenFor = null; // the next box starts a new object
      return jobs;
    });
  }

  correct(name: string, corrections: readonly Correction[], reach: Reach = "next"): Promise<unknown> {
    return this.edit(name, () => this.requests.correct(name, corrections, reach));
  }

  /**
   * Paint or erase by hand: no propagation changes these voxels afterwards. `stroke` is shown until the server's
   * slices arrive. A new object becomes the target, so that the next stroke adds to it.
   */
  async paint(painting: Painting, stroke?: ShownStroke): Promise<void> {
    const { name } = painting;
    this.following.painted(painting.shape);
    const begins = !this.object(name) && this.selected !== name;
    if (begins) this.target = { kind: "object", name, id: null };
    const shown = stroke ? this.hand.show(stroke, painting.reach === "slice") : 0;
    const job = (await this.edit(name, () => this.requests.paint(painting))).at(-1);
    if (job && !this.jobs.state.ended.includes(job)) this.hand.accept(shown, job);
    else this.hand.forget(({ number }) => number === shown);
    if (!job && begins && !this.object(name)) this.setTarget(null);
  }

  deleteSlices(name: string, slices: readonly number[]): Promise<unknown> {
    return this.edit(name, () => this.requests.deleteSlices(name, slices));
  }

  /** Trim or extend a finished object; null leaves an end as it is. */
  setEnds(name: string, low: number | null, high: number | null): Promise<readonly string[]> {
    return this.edit(name, () => this.requests.bounds(name, low, high));
  }

  /** Compute the rest of an object that was stopped. */
  continueObject(name: string): Promise<unknown> {
    return this.edit(name, () => this.requests.continueObject(name));
  }

  confirm(name: string, slices: readonly number[], confirmed = true): Promise<unknown> {
    return this.edit(name, () => this.requests.confirm(name, slices, confirmed));
  }

  cleanUp(name: string, step: CleanUpStep): Promise<readonly string[]> {
    return this.edit(name, () => this.requests.cleanUp(name, step));
  }

  /** Stop what runs, and keep what is done of it or not. Without a job, the same for what a crash interrupted. */
  async stop(keep: boolean): Promise<void> {
    this.jobs.take({ type: "stop" });
    await this.attempt(() => this.client.cancel(this.state.id, keep)).then((done) => {
      if (!done) this.jobs.take({ type: "stop refused" });
    });
  }

  resume(): Promise<unknown> {
    const name = this.state.interrupted?.name ?? "";
    return this.edit(name, async () => (await this.client.resume(this.state.id)).job);
  }

  /** What undo and redo take back: with the tool Measure what was measured, with any other tool prompts and edits. */
  get canUndo(): boolean {
    if (this.display.tool === "measure") return this.measurements.canUndo;
    return this.state.can_undo || this.draft !== null;
  }

  get canRedo(): boolean {
    return this.display.tool === "measure" ? this.measurements.canRedo : this.state.can_redo;
  }

  /** Take back the last measurement (with that tool), the draft's last correction, the draft, or the last edit. */
  async undo(): Promise<void> {
    if (this.display.tool === "measure") {
      if (!this.measurements.undo()) this.showToast("info", NOTHING_MEASURED);
      return;
    }
    if (this.draft?.corrections.length) {
      this.draft = { ...this.draft, corrections: this.draft.corrections.slice(0, -1) };
      return this.preview();
    }
    if (this.draft) return this.discardDraft();
    const drawn = !this.working && this.hand.quick > 0;
    if (drawn) await this.hand.settled(); // the server undoes nothing while an edit is under way
    if (!this.state.can_undo && !drawn) return;
    const closed = lastEdited(this.objects);
    if (closed && this.rules.closed.has(closed))
      return this.tell(`The last edit is of ${closed}, which is done. Reopen it (K) to undo that.`);
    await this.attempt(async () => this.takeState(await this.client.undo(this.state.id)));
  }

  async redo(): Promise<void> {
    if (this.display.tool === "measure") {
      this.measurements.redo();
      return;
    }
    if (!this.state.can_redo) return;
    await this.attempt(async () => this.takeState(await this.client.redo(this.state.id)));
  }

  async deletePrompt(number: number): Promise<void> {
    await this.attempt(async () => this.takeState(await this.requests.deleteEdit(number)));
  }

  async deleteObject(name: string): Promise<void> {
    await this.attempt(async () => this.takeState(await this.client.deleteObject(this.state.id, name)));
  }

  async setOverlap(change: { overlap?: OverlapPolicy; order?: readonly string[] }): Promise<void> {
    await this.attempt(async () => this.takeState(await this.requests.setOverlap(change)));
  }

  /** Show the object's first prompt as a draft, to start the object again from it. */
  async restart(name: string): Promise<void> {
    await this.attempt(async () => {
      const { plane, index, prompt, bounds } = await this.client.startOf(this.state.id, name);
      this.display.set({ active: plane });
      this.display.goTo(plane, index);
      this.startDraft({ plane, index, prompt });
      this.changeDraft({ name, bounds, boundSet: { low: bounds !== null, high: bounds !== null } });
    });
  }

  async changeObject(name: string, change: Parameters<Client["changeObject"]>[2]): Promise<void> {
    await this.attempt(async () => {
      this.takeState(await this.client.changeObject(this.state.id, name, change));
    });
  }

  /** Go to the slice that is most likely wrong, then to the next, and so on. */
  async reviewNext(): Promise<void> {
    await this.attempt(async () => {
      const name = this.selected;
      const after = this.reviewed && this.reviewed.name === name ? this.reviewed.cursor : null;
      this.reviewed = null; // after the last slice, the first comes again
      const next = await this.client.next(this.state.id, name, after);
      this.reviewed = { name: next.name, cursor: next.cursor };
      this.setTarget(next.name);
      this.display.set({
        active: next.plane,
        ...(this.display.layout === "quad" ? {} : { large: next.plane }),
      });
      this.following.slice(next.name, next.plane, next.index);
      this.showToast(
        "info",
        `Slice ${next.index} of ${next.name}: expected Dice ${Math.round(100 * next.score)} %.`,
      );
    });
  }

  /** Send an edit, after those before it; its events follow. Returns its jobs, none if it was refused. */
  private async edit(
    name: string,
    request: () => Promise<string | readonly string[]>,
  ): Promise<readonly string[]> {
    this.jobs.take({ type: "sent", name });
    let jobs: readonly string[] = [];
    const sent = this.lastRequest.then(() =>
      this.attempt(async () => {
        jobs = [await request()].flat();
        this.jobs.take({ type: "accepted", name, jobs });
      }),
    );
    this.lastRequest = sent;
    if (!(await sent)) this.jobs.take({ type: "refused", name });
    return jobs;
  }

  /** Show what went wrong; return whether it went well. */
  private async attempt(request: () => Promise<unknown>): Promise<boolean> {
    try {
      await request();
      return true;
    } catch (error) {
      this.showToast("error", (error as Error).message);
      return false;
    } finally {
      this.notify();
    }
  }

  // Events of the server

  private setOnline(online: boolean): void {
    const back = online && !this.online;
    this.online = online;
    this.jobs.take({ type: "connection", online });
    this.notify();
    if (!back) return;
    // No event came while the connection was broken.
    void this.attempt(async () => {
      const state = await this.client.session(this.state.id);
      this.takeState(state, true);
      this.hand.forget(({ job }) => job !== null); // their ends may have been missed
    });
    if (this.draft?.error) void this.preview();
  }

  private takeState(state: SessionState, fresh = false): void {
    if (state.modality !== this.state.modality) this.kind.follow(state.modality);
    this.state = state;
    for (const plane of PLANES)
      for (const index of state.encoded?.[plane] ?? []) this.encoded[plane].add(index);
    this.jobs.take({ type: "state", busy: state.busy, fresh });
    if (this.sent && !this.jobs.busy) this.sent = null;
    this.target = followObjects(this.target, state.objects, this.expected, this.rules.names);
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
      progress: (progress) => this.jobs.take({ type: "progress", job: progress }),
      slice: (slice) => this.receiveSlice(slice),
      ended: (end) => this.receiveEnd(end),
      failed: ({ job, message }) => {
        this.endJob(job);
        this.returnDraft(job, message);
        this.showToast("error", message);
        void this.fetchMasks(true);
      },
      cancelled: ({ job }) => {
        this.endJob(job);
        this.returnDraft(job, null);
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
    this.jobs.take({ type: "slice", ...slice });
    this.notify();
  }

  private receiveEnd({ job, name, warnings, outcome, stopped }: ServerEvents["ended"]): void {
    this.endJob(job);
    if (this.sent?.jobs.at(-1) === job) this.sent = null;
    this.outcome = outcome;
    for (const warning of warnings)
      if (warning !== this.volume.modality_doubt) this.showToast("info", warning); // the top bar shows it
    if (stopped) this.showToast("info", `Stopped. What is done of ${name} is kept.`);
    this.notify();
  }

  private endJob(job: string): void {
    this.jobs.take({ type: "ended", job });
    this.hand.forget((stroke) => stroke.job === job);
  }

  /** A propagation that did not come to its end gives its prompt back. */
  private returnDraft(job: string, error: string | null): void {
    if (this.sent?.jobs[0] !== job) return;
    this.draft ??= { ...this.sent.draft, error };
    this.sent = null;
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
