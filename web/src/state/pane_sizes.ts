/** Where the splitters between the views stand, as shares of width or height; kept for the next time. */
import { keep, kept } from "./kept";
import { Observable } from "./observable";

/**
 * `large` parts the large view from the small ones, `first` and `second` part the small ones; upright screens
 * (`tall`) have values of their own. `across` and `down` part four equal views.
 */
const DEFAULTS = {
  large: 0.72,
  first: 1 / 3,
  second: 2 / 3,
  "tall large": 0.66,
  "tall first": 1 / 3,
  "tall second": 2 / 3,
  across: 0.5,
  down: 0.5,
};
export type Splitter = keyof typeof DEFAULTS;
/** The smallest share of a view. */
const LEAST = 0.1;
const NAME = "pane-sizes";

export class PaneSizes extends Observable {
  private shares: Record<Splitter, number> = { ...DEFAULTS };

  constructor() {
    super();
    const known = kept<Partial<Record<Splitter, unknown>>>(NAME, {});
    for (const each of Object.keys(DEFAULTS) as Splitter[]) {
      const share = known?.[each];
      if (typeof share === "number" && share >= LEAST && share <= 1 - LEAST) this.shares[each] = share;
    }
  }

  share(splitter: Splitter): number {
    return this.shares[splitter];
  }

  /** How far the splitter can go: every view stays large enough to be grabbed again. */
  range(splitter: Splitter): [number, number] {
    const pair = splitter.replace(/first|second/, (name) => (name === "first" ? "second" : "first"));
    if (splitter.endsWith("first")) return [LEAST, this.shares[pair as Splitter] - LEAST];
    if (splitter.endsWith("second")) return [this.shares[pair as Splitter] + LEAST, 1 - LEAST];
    return [LEAST, 1 - LEAST];
  }

  move(splitter: Splitter, share: number): void {
    const [low, high] = this.range(splitter);
    this.take({ ...this.shares, [splitter]: Math.min(high, Math.max(low, share)) });
  }

  reset(splitter: Splitter): void {
    this.move(splitter, DEFAULTS[splitter]);
  }

  resetAll(): void {
    this.take({ ...DEFAULTS });
  }

  private take(shares: Record<Splitter, number>): void {
    this.shares = shares;
    keep(NAME, shares);
    this.notify();
  }
}
