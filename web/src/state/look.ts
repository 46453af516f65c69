/** How masks and slices look, whatever is shown: kept in the browser for all sessions, but for the inversion. */
import { Observable } from "./observable";

export type MaskStyle = "both" | "outline" | "fill";
export const MASK_STYLES: readonly MaskStyle[] = ["both", "outline", "fill"];

const KEY = "radsam-look";
/** Less would hide a mask that is only filled. */
const LEAST_OPACITY = 0.05;

export class Look extends Observable {
  style: MaskStyle = "both";
  /** Of the fill of the chosen object; others have less. */
  opacity = 0.2;
  /** Whether low values are white. */
  inverted = false;

  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem"> | null = storageOfPage()) {
    super();
    try {
      const { style, opacity } = JSON.parse(this.storage?.getItem(KEY) ?? "{}");
      if (MASK_STYLES.includes(style)) this.style = style;
      if (opacity >= LEAST_OPACITY && opacity <= 1) this.opacity = opacity;
    } catch {
      // What another version has left behind: the look stays the usual one.
    }
  }

  set(change: Partial<Pick<Look, "style" | "opacity" | "inverted">>): void {
    Object.assign(this, change);
    this.opacity = Math.min(1, Math.max(LEAST_OPACITY, this.opacity));
    const { style, opacity } = this;
    this.storage?.setItem(KEY, JSON.stringify({ style, opacity }));
    this.notify();
  }
}

/** None where the browser forbids it, and in tests without a page. */
function storageOfPage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
