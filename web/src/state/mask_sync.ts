/** Keeps the page's label map equal to the server's: fetches the slices that changed since the last time. */

import { parseChangedMasks, runsFromBase64 } from "../api/changed_masks";
import type { Client } from "../api/client";
import type { ServerEvents, SessionState } from "../api/wire_types";
import type { LabelMap } from "../volume/label_map";

/** The id of an interrupted edit's slices in the label map; objects count from 1. */
const INTERRUPTED_ID = 0xffff;
const INTERRUPTED_COLOUR = "#f0e442";
/** The palette of the preview pictures: Okabe and Ito's, with dark tones lightened for a black page. */
const COLOURS = ["#56b4e9", "#e69f00", "#00be8c", "#de87be", "#eb6e32", "#7896ff", "#bec878", "#c8c8d2"];

/** The colour that the server will give to object `id`. */
export function colourOf(id: number): string {
  return id === INTERRUPTED_ID ? INTERRUPTED_COLOUR : COLOURS[(id - 1) % COLOURS.length];
}

/** Thousands of slices come with a session: after so long, the page draws and listens before the next ones. */
const BUSY_MS = 20;

export class MaskSync {
  private revision = 0;
  private interruptedShown = false;
  /** The last fetch: the next one waits for it, since it fetches what changed after it. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: Client,
    private readonly labels: LabelMap,
  ) {}

  isBehind(state: SessionState): boolean {
    return state.revision !== this.revision || (state.interrupted !== null) !== this.interruptedShown;
  }

  /** Fetch what changed, or everything: after a failed propagation, its slices have to go. */
  fetch(state: () => SessionState, everything = false): Promise<void> {
    this.last = this.last.catch(() => undefined).then(() => this.fetchNow(state(), everything));
    return this.last;
  }

  private async fetchNow(state: SessionState, everything: boolean): Promise<void> {
    const since = everything ? 0 : this.revision;
    const { revision, slices } = parseChangedMasks(await this.client.masks(state.id, since));
    if (since === 0) {
      this.labels.clear();
      this.interruptedShown = false;
    }
    let pause = performance.now() + BUSY_MS;
    for (const { objectId, plane, index, runs } of slices) {
      this.labels.putSlice(objectId, plane, index, runs);
      if (performance.now() < pause) continue;
      await new Promise((resolve) => setTimeout(resolve));
      pause = performance.now() + BUSY_MS;
    }
    this.revision = revision;
    await this.showInterrupted(state);
  }

  /** Show the slices of an interrupted edit where no object is, until it is resumed or discarded. */
  private async showInterrupted(state: SessionState): Promise<void> {
    const waits = state.interrupted !== null;
    if (waits === this.interruptedShown) return;
    this.interruptedShown = waits;
    if (!waits) return this.labels.drop(INTERRUPTED_ID);
    const others = new Set(state.objects.map((each) => each.id));
    const { slices } = parseChangedMasks(await this.client.interruptedMasks(state.id));
    for (const { plane, index, runs } of slices)
      this.labels.putSlice(INTERRUPTED_ID, plane, index, runs, others);
  }

  /** Show a slice of the running propagation; locked objects keep their voxels. */
  putSlice(slice: ServerEvents["slice"], state: SessionState): void {
    const locked = new Set(state.objects.filter((each) => each.locked).map((each) => each.id));
    this.labels.putSlice(slice.object_id, slice.plane, slice.index, runsFromBase64(slice.runs_b64), locked);
  }
}
