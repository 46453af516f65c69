import { useState } from "preact/hooks";
import { Icon } from "./icons";

const SEEN = "radsam-hint-seen";

/** Shown until it was closed once in this browser. */
export function Hint() {
  const [open, setOpen] = useState(() => localStorage.getItem(SEEN) === null);
  if (!open) return null;
  const close = () => {
    localStorage.setItem(SEEN, "yes");
    setOpen(false);
  };
  return (
    <section class="hint" aria-label="How it works">
      <ol>
        <li>
          <Icon name="box" />
          <span>
            <b>Draw a box</b> around an organ or a tumour. The mask appears at once.
          </span>
        </li>
        <li>
          <Icon name="walk" />
          <span>
            Press <kbd>Enter</kbd>: the mask <b>walks</b> through the slices.
          </span>
        </li>
        <li>
          <Icon name="point" />
          <span>
            Where it is wrong, <b>click</b> (<kbd>P</kbd>): this belongs to it; <kbd>Shift</kbd>-click: this does not.
          </span>
        </li>
      </ol>
      <button type="button" class="primary" onClick={close}>
        Got it
      </button>
    </section>
  );
}
