/** What a tool does from the press of a button (or of Space) to its release. */
import type { ShownStroke } from "../state/hand_edits";
import type { Pen, Xy } from "./overlay_pen";

export interface Gesture {
  /** The pointer moved by `dx` and `dy` CSS pixels to `xy`, in displayed pixels of the slice. */
  move(xy: Xy, dx: number, dy: number): void;
  /** The button was released; `moved` is false for a click. */
  end?(moved: boolean): void;
  /** It was given up: Esc, or a second finger. */
  cancel?(): void;
  draw?(pen: Pen): void;
  /** Whether the draft's own prompt is left out while this is drawn. */
  hidesPrompt?: boolean;
  /** The mouse cursor once the pointer has moved. */
  cursor?: string;
  /** The stroke by hand that is being drawn; it is shown as part of its object. */
  stroke?: ShownStroke;
}
