/** The ends of what is being made or corrected, as handles and edges show and move them. */
import type { PlaneName, SegmentedObject } from "../api/wire_types";
import type { Geometry } from "../volume/coordinates";
import type { Display } from "./display";
import { Observable } from "./observable";
import type { PromptDraft } from "./prompt_draft";

export type EndName = "low" | "high";
export const ENDS: readonly EndName[] = ["low", "high"];

export interface ShownEnds {
  name: string;
  plane: PlaneName;
  colour: string;
  low: number;
  high: number;
  /** How far each end may go: an end that cuts off the first prompt, or the whole object, is refused. */
  range: Record<EndName, [number, number]>;
  /** Whether the user, not a guess or the stop rule, has set them. */
  set: Record<EndName, boolean>;
  /** Whether they are those of a prompt that is not propagated yet. */
  draft: boolean;
}

/** What this file needs of an `OpenSession`. */
interface Owner {
  readonly geometry: Geometry;
  readonly display: Display;
  readonly draft: PromptDraft | null;
  readonly draftColour: string;
  readonly selected: string | null;
  readonly busy: boolean;
  object(name: string | null): SegmentedObject | null | undefined;
  setBound(end: EndName, slice: number): void;
  setEnds(name: string, low: number | null, high: number | null): Promise<readonly string[]>;
}

interface Moved {
  name: string;
  end: EndName;
  at: number;
}

export class Ends extends Observable {
  /** The end that the pointer or a key moves. */
  private moved: Moved | null = null;
  /** The end that was requested, until the server's answer shows. */
  private requested: Moved | null = null;

  constructor(private readonly session: Owner) {
    super();
  }

  /** The ends of the draft, or else of the target; null where there is none to move. */
  get shown(): ShownEnds | null {
    return this.ofDraft() ?? this.ofTarget();
  }

  /** Whether an end of the target is being moved. */
  get moving(): boolean {
    return this.moved !== null;
  }

  /** Move an end to a slice and show it; nothing is requested of the server before `release`. */
  move(end: EndName, slice: number): void {
    const shown = this.shown;
    if (!shown) return;
    const [first, last] = shown.range[end];
    const at = Math.min(last, Math.max(first, Math.round(slice)));
    if (shown.draft) this.session.setBound(end, at);
    else this.moved = { name: shown.name, end, at };
    this.session.display.goTo(shown.plane, at);
    this.notify();
  }

  /** Trim or extend the target to where its end was moved: one request. */
  release(): void {
    const { moved } = this;
    this.moved = null;
    const object = moved && this.session.object(moved.name);
    if (moved && object && endOf(object, moved.end) !== moved.at) this.request(moved);
    this.notify();
  }

  /** Leave the end where it was. */
  cancel(): void {
    this.moved = null;
    this.notify();
  }

  /** Set an end of the draft or of the target to a slice, in one step; the server refuses what is not possible. */
  set(end: EndName, slice: number): void {
    const shown = this.shown;
    if (!shown) return;
    if (shown.draft) this.session.setBound(end, slice);
    else this.request({ name: shown.name, end, at: slice });
  }

  private request(moved: Moved): void {
    const { name, end, at } = moved;
    this.requested = moved;
    void this.session
      .setEnds(name, end === "low" ? at : null, end === "high" ? at : null)
      .then((jobs) => this.ended(moved, jobs));
  }

  private ended(moved: Moved, jobs: readonly string[]): void {
    if (this.requested !== moved || jobs.length) return;
    this.requested = null; // it was refused
    this.notify();
  }

  private ofDraft(): ShownEnds | null {
    const { draft, draftColour, geometry } = this.session;
    if (!draft?.bounds) return null;
    const [low, high] = draft.bounds;
    const last = geometry.grids[draft.plane].count - 1;
    return {
      ...{ name: draft.name, plane: draft.plane, colour: draftColour, low, high, set: draft.boundSet },
      range: { low: [0, draft.index], high: [draft.index, last] },
      draft: true,
    };
  }

  private ofTarget(): ShownEnds | null {
    const { session } = this;
    const object = session.draft ? null : session.object(session.selected);
    if (!object?.slices || !object.visible || object.locked) return null;
    const now = { low: endOf(object, "low"), high: endOf(object, "high") };
    const last = session.geometry.grids[object.plane].count - 1;
    const prompted = object.start === "segment" ? object.prompts[0]?.index : undefined;
    if (!session.busy) this.requested = null;
    for (const each of [this.requested, this.moved]) if (each?.name === object.name) now[each.end] = each.at;
    return {
      ...{ name: object.name, plane: object.plane, colour: object.color, ...now },
      range: { low: [0, prompted ?? endOf(object, "high")], high: [prompted ?? endOf(object, "low"), last] },
      set: { low: object.low_end === "bound", high: object.high_end === "bound" },
      draft: false,
    };
  }
}

/** The first or the last slice of an object. */
export function endOf(object: Pick<SegmentedObject, "bounds" | "slices">, end: EndName): number {
  const [low, high] = object.bounds ?? object.slices ?? [0, 0];
  return end === "low" ? low : high;
}
