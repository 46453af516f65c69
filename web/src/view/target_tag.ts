/** The target beside the cursor: "+ liver" in the colour of the object. */
import { aimOf } from "../state/aim";
import type { OpenSession } from "../state/open_session";

/** From the pointer to the text, in CSS pixels. */
const OFFSET = { x: 14, y: 12 };

export class TargetTag {
  private readonly element = document.createElement("div");

  constructor(
    host: HTMLElement,
    private readonly session: OpenSession,
  ) {
    this.element.className = "target-tag";
    this.element.setAttribute("aria-hidden", "true"); // the side panel says the same
    this.element.hidden = true;
    host.append(this.element);
  }

  dispose(): void {
    this.element.remove();
  }

  /** Show it at a position in the pane; null hides it. */
  show(at: readonly [number, number] | null): void {
    const { element, session } = this;
    const aim = at && session.hand.options.atCursor ? aimOf(session) : null;
    element.hidden = aim === null;
    if (!at || !aim) return;
    const text = `${aim.positive ? "+" : "−"} ${aim.name ?? "new object"}`;
    if (element.textContent !== text) element.textContent = text;
    element.style.color = aim.colour;
    element.style.transform = `translate(${Math.round(at[0] + OFFSET.x)}px, ${Math.round(at[1] + OFFSET.y)}px)`;
  }
}
