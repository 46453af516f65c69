/** The parts of the page that F6 goes through. */

const REGIONS = [".pane.active [role=application]", ".side-panel", ".top-bar", ".tool-strip"];
const CONTROL = "button:not(:disabled), input:not(:disabled), select:not(:disabled), a[href], [tabindex='0']";

/** Focus the first control of the next part of the page, or with `step` -1 of the one before. */
export function nextRegion(step: 1 | -1, page: ParentNode = document): void {
  const parts = REGIONS.map((selector) => page.querySelector<HTMLElement>(selector));
  // From elsewhere, the first one is the view.
  const found = parts.findIndex((part) => part?.contains(document.activeElement));
  const now = found === -1 && step === 1 ? -1 : Math.max(0, found);
  for (let n = 1; n <= parts.length; n++) {
    const part = parts[(now + step * n + 2 * parts.length) % parts.length];
    const control = part?.matches(CONTROL) ? part : part?.querySelector<HTMLElement>(CONTROL);
    if (!control) continue;
    control.focus();
    if (document.activeElement === control) return; // it is not hidden
  }
}
