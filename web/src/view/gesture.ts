/** One press of a button (or of Space) until its release. */
import type { Pen, Xy } from "./overlay_pen";

export interface Gesture {
  /** The pointer went to `xy` of the displayed slice, `dx` and `dy` CSS pixels from where it was. */
  move(xy: Xy, dx: number, dy: number): void;
  /** The button was released; `moved` is false for a click. */
  end?(moved: boolean): void;
  draw?(pen: Pen): void;
  /** Whether the draft's own prompt is left out while this is drawn. */
  hidesPrompt?: boolean;
}
