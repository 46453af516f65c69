/**
 * Keeps the focus where it is of use.
 *
 * - With keys: where the browser lets it fall because its element went away, it goes to what took the place in a list,
 *   to what opened a dialog, or to the view in use. Arrow keys choose in a group of radio buttons.
 * - With the mouse: after a click on a button, arrow keys change the slice; after a choice from a list, letters are
 *   shortcuts again.
 */
import { chooseByArrow } from "./radio_keys";

const FOCUSABLE =
  "button:not(:disabled), a[href], input:not(:disabled), select:not(:disabled), textarea:not(:disabled), " +
  "summary, [tabindex]:not([tabindex='-1'])";

/** An element that had the focus, and where it was: each parent with the number of its child. */
interface Place {
  element: Element;
  way: [parent: Element, child: number][];
  /** Its dialog, and what had the focus when that was opened. */
  dialog: Element | null;
  opener: Place | null;
}

export function keepFocus(root: HTMLElement): () => void {
  let last: Place | null = null;
  let byKeys = false;
  /** Whether keys brought the focus to where it is. */
  let cameByKeys = false;
  const pressed = (event: KeyboardEvent) => {
    byKeys = true;
    if (!cameByKeys || !chooseByArrow(event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const clicked = () => {
    byKeys = false;
  };
  const focused = ({ target }: Event) => {
    if (!(target instanceof Element) || !root.contains(target)) return;
    cameByKeys = byKeys;
    const dialog = target.closest("dialog");
    const opener = !dialog ? null : last?.dialog === dialog ? last.opener : last;
    last = { element: target, way: wayTo(target, root), dialog, opener };
  };
  const chosen = ({ target }: Event) => {
    if (!byKeys && target instanceof HTMLSelectElement) target.blur();
  };
  const changes = new MutationObserver(() => {
    if (!byKeys || !last || last.element.isConnected || !isNowhere(document.activeElement)) return;
    const next = replacement(last, root);
    last = null;
    next?.focus({ preventScroll: true });
  });
  changes.observe(root, { childList: true, subtree: true });
  addEventListener("keydown", pressed, true);
  addEventListener("pointerdown", clicked, true);
  addEventListener("focusin", focused);
  addEventListener("change", chosen);
  return () => {
    changes.disconnect();
    removeEventListener("keydown", pressed, true);
    removeEventListener("pointerdown", clicked, true);
    removeEventListener("focusin", focused);
    removeEventListener("change", chosen);
  };
}

const isNowhere = (element: Element | null) => !element || element === document.body;

function wayTo(element: Element, root: Element): Place["way"] {
  const way: Place["way"] = [];
  for (let at = element; at !== root && at.parentElement; at = at.parentElement)
    way.push([at.parentElement, [...at.parentElement.children].indexOf(at)]);
  return way;
}

function replacement(place: Place, root: HTMLElement): HTMLElement | null {
  const { dialog, opener } = place;
  if (opener && !dialog?.isConnected)
    return opener.element.isConnected ? (opener.element as HTMLElement) : replacement(opener, root);
  const [parent, child] = place.way.find(([each]) => each.isConnected) ?? [root, 0];
  const list = parent.closest("li, ul, ol, table, dialog");
  const near = list && [parent.children[child], parent.children[child - 1], list];
  for (const each of near ?? []) {
    if (!each) continue;
    const control = each.matches(FOCUSABLE) ? each : each.querySelector(FOCUSABLE);
    if (control) return control as HTMLElement;
  }
  return root.querySelector<HTMLElement>(".pane.active [role=application]");
}
