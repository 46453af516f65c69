/** What the tools that draw are set to, and the strokes by hand that the server has not answered yet. */
import type { HandLimits } from "../api/edit_requests";
import type { PlaneName, Reach, VolumeInfo } from "../api/wire_types";
import { keep, kept } from "./kept";
import { Observable } from "./observable";

/** Who decides about the voxels of what is drawn. */
export type DecidedBy = "model" | "hand";

export interface HandOptions {
  /** Paint on a new object: a rough mask for the model, or its voxels. */
  paintNew: DecidedBy;
  /** Paint on an object that exists. */
  paintObject: DecidedBy;
  lasso: DecidedBy;
  /** The brush is a ball that reaches over neighbouring slices, not a disk. */
  ball: boolean;
  /** Set only values between these, both included. */
  withinOn: boolean;
  within: [number, number];
  /** Set only values within ± this of those where the stroke begins, connected to it. */
  alikeOn: boolean;
  alike: number;
  /** How far a stroke by hand, or a correction by the model, propagates. */
  reachByHand: Reach;
  reachOfModel: Reach;
  /** Either of them on an object of a project that began as a proposal: most of it is right already. */
  reachOnProposal: Reach;
  /** Show the target beside the cursor. */
  atCursor: boolean;
}

/** The option that says how far an edit propagates. */
export type ReachOption = "reachByHand" | "reachOfModel" | "reachOnProposal";

const OPTIONS: HandOptions = {
  paintNew: "model",
  paintObject: "hand",
  lasso: "model",
  ball: false,
  withinOn: false,
  within: [-20, 180],
  alikeOn: false,
  alike: 40,
  reachByHand: "slice",
  reachOfModel: "next",
  reachOnProposal: 2,
  atCursor: true,
};

/** A stroke by hand as it is shown until the server's slices arrive. */
export interface ShownStroke {
  plane: PlaneName;
  index: number;
  /** The object's number, which gives its colour. */
  id: number;
  positive: boolean;
  /** Its pixels on that slice, as stored. */
  mask: Uint8Array;
}

interface SentStroke extends ShownStroke {
  number: number;
  /** Its job; null until the server has accepted it. */
  job: string | null;
  /** It takes no propagation, so that its end comes at once. */
  quick: boolean;
}

/** The values between which a stroke sets voxels, and how alike they are, at first. */
export type LimitsOfValues = Pick<HandOptions, "within" | "alike">;

/** Of a CT, as the user set them last (null); of other volumes, from their window, since values of two differ. */
export function handLimitsOf({
  modality,
  default_window: [low, high],
}: Pick<VolumeInfo, "modality" | "default_window">): LimitsOfValues | null {
  if (modality === "CT") return null;
  const step = stepOf(high - low);
  const round = (value: number) => Number((Math.round(value / step) * step).toPrecision(6));
  return {
    within: [round(low + (high - low) / 4), round(high)],
    alike: Math.max(step, round((high - low) / 10)),
  };
}

/** A round step for a field of values: about a hundredth of their range. */
export function stepOf(range: number): number {
  return 10 ** Math.floor(Math.log10(range / 50));
}

export class HandEdits extends Observable {
  options: HandOptions = kept("hand", OPTIONS);
  /** Sent, and not yet shown by the server's slices; the oldest first. */
  strokes: readonly SentStroke[] = [];
  /** Shift is held: the tools take away what they add otherwise. */
  shift = false;
  /** Slices that an edit of the target would change, on its plane: from, to. */
  reached: [number, number] | null = null;
  private waiting: (() => void)[] = [];
  private last = 0;

  /** `own` are limits of this volume alone. */
  constructor(private own: LimitsOfValues | null = null) {
    super();
    this.setLimitsOf(own);
  }

  /** Take the limits that fit the volume, and switch them off. */
  setLimitsOf(own: LimitsOfValues | null): void {
    const { within, alike } = kept("hand", OPTIONS);
    if (own || this.own)
      this.options = { ...this.options, within, alike, ...own, withinOn: false, alikeOn: false };
    this.own = own;
    this.notify();
  }

  set(change: Partial<HandOptions>): void {
    this.options = { ...this.options, ...change };
    const { within, alike, withinOn, alikeOn } = kept("hand", OPTIONS);
    keep("hand", this.own ? { ...this.options, within, alike, withinOn, alikeOn } : this.options);
    this.notify();
  }

  setShift(shift: boolean): void {
    if (shift === this.shift) return;
    this.shift = shift;
    this.notify();
  }

  setReached(reached: [number, number] | null): void {
    if (reached?.join() === this.reached?.join()) return;
    this.reached = reached;
    this.notify();
  }

  /** Which voxels of a stroke count. */
  get limits(): HandLimits {
    const { withinOn, within, alikeOn, alike } = this.options;
    return {
      ...(withinOn ? { within: [Math.min(...within), Math.max(...within)] as [number, number] } : {}),
      ...(alikeOn ? { alike } : {}),
    };
  }

  /** How many strokes are under way that take no propagation. */
  get quick(): number {
    return this.strokes.filter((each) => each.quick).length;
  }

  on(plane: PlaneName, index: number): ShownStroke[] {
    return this.strokes.filter((each) => each.plane === plane && each.index === index);
  }

  /** Show a stroke that is being sent; returns its number. */
  show(stroke: ShownStroke, quick: boolean): number {
    const number = ++this.last;
    this.strokes = [...this.strokes, { ...stroke, number, job: null, quick }];
    this.notify();
    return number;
  }

  accept(number: number, job: string): void {
    this.strokes = this.strokes.map((each) => (each.number === number ? { ...each, job } : each));
    this.notify();
  }

  forget(gone: (stroke: SentStroke) => boolean): void {
    const left = this.strokes.filter((each) => !gone(each));
    if (left.length === this.strokes.length) return;
    this.strokes = left;
    if (!left.length) for (const done of this.waiting.splice(0)) done();
    this.notify();
  }

  /** Resolves once no stroke is under way. */
  settled(): Promise<void> {
    return this.strokes.length ? new Promise((done) => this.waiting.push(done)) : Promise.resolve();
  }
}
