import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { OpenSession } from "../state/open_session";
import { Icon, type IconName } from "./icons";
import "./styles/first_steps.css";

const SEEN = "radsam-first-steps";

/** The three steps of segmenting, the next one highlighted; shown until they are done or closed once. */
export function FirstSteps({ session }: { session: OpenSession }) {
  const [seen, setSeen] = useState(() => localStorage.getItem(SEEN) !== null);
  const corrected = session.objects.some((each) => each.prompts.length > 1);
  if (seen || (corrected && !session.draft)) return null;
  const now = session.draft || session.busy ? 1 : session.objects.length ? 2 : 0;
  const close = () => {
    localStorage.setItem(SEEN, "yes");
    setSeen(true);
  };
  return (
    <section class="first-steps" aria-label="How it works">
      <ol>
        <Step icon="box" lit={now === 0}>
          <b>Draw a box</b> around an organ or a tumour. The mask appears at once.
        </Step>
        <Step icon="propagate" lit={now === 1}>
          Press <kbd>Enter</kbd> to <b>propagate</b> the mask through the slices.
        </Step>
        <Step icon="point" lit={now === 2}>
          Where it is wrong, <b>click</b> with the point tool (<kbd>P</kbd>) what is missing, <kbd>Shift</kbd>
          -click what is too much; or <b>paint</b> (<kbd>D</kbd>) and <b>erase</b> (<kbd>E</kbd>) by hand.
        </Step>
      </ol>
      <p class="row spread dim">
        <span>
          All keys: <kbd>?</kbd>
        </span>
        <button type="button" class="quiet" onClick={close}>
          Got it
        </button>
      </p>
    </section>
  );
}

function Step(props: { icon: IconName; lit: boolean; children: ComponentChildren }) {
  return (
    <li class={props.lit ? "lit" : ""} aria-current={props.lit ? "step" : undefined}>
      <Icon name={props.icon} />
      <span>{props.children}</span>
    </li>
  );
}
