/** The state of a label as a small mark: each has a shape and a colour of its own. */
import type { CaseLabel } from "../api/project";
import { isDone, labelText } from "../state/worklist";
import "./styles/state_mark.css";

type Mark = "new" | "proposed" | "begun" | "done" | "checked" | "absent" | "back";

const SHAPES: Record<Mark, string> = {
  new: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11",
  proposed:
    "M8 1.8 14.2 8 8 14.2 1.8 8zM6.5 6.3c.1-1 .8-1.4 1.5-1.4s1.5.5 1.5 1.3c0 1.1-1.5 1.2-1.5 2.4M8 10.8v.3",
  begun: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  done: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M5.3 8.2l2 2 3.5-4.2",
  checked: "M2.5 2.5h11v11h-11zM4.3 8.2l2 2 3.5-4.2M8.3 10.2l3.5-4.2",
  absent: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 11.8l7.6-7.6",
  back: "M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.5v.3",
};

function markOf({ state, absent, review }: Pick<CaseLabel, "state" | "absent" | "review">): Mark {
  if (isDone(state) && absent) return "absent";
  if (!isDone(state) && review === "sent back") return "back";
  return state === "in progress" ? "begun" : state;
}

export function StateMark({ label }: { label: Omit<CaseLabel, "note"> }) {
  const mark = markOf(label);
  const text = `${label.name}: ${mark === "back" ? "Sent back" : labelText(label)}`;
  return (
    <span class={`state-mark ${mark}`} role="img" aria-label={text} title={text}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={SHAPES[mark]} />
      </svg>
    </span>
  );
}
