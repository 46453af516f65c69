/** Where an object ends, why, and what else is possible. */
import type { SegmentedObject } from "../api/wire_types";
import { type EndName, endOf } from "../state/ends";
import type { OpenSession } from "../state/open_session";
import { endReason, endWord } from "./end_words";
import { Icon } from "./icons";
import "./styles/ends_to_do.css";
import "./styles/object_ends.css";

interface Props {
  session: OpenSession;
  object: SegmentedObject;
}

/** The ends in words; each leads to its slice. */
export function ObjectEnds({ session, object }: Props) {
  const grid = session.geometry.grids[object.plane];
  const inOrder: EndName[] = grid.topIsLast ? ["high", "low"] : ["low", "high"];
  return (
    <ul class="object-ends" aria-label={`Ends of ${object.name}`}>
      {inOrder.map((end) => {
        const slice = endOf(object, end);
        const word = endWord(grid, end);
        return (
          <li key={end}>
            <button
              type="button"
              class="quiet"
              onClick={() => session.following.slice(object.name, object.plane, slice)}
            >
              {word[0].toUpperCase()}
              {word.slice(1)} {slice}:
            </button>{" "}
            <span class="dim">{endReason(object, end)}</span>
          </li>
        );
      })}
    </ul>
  );
}

/** Continue an object that was stopped; choose where the stop rule was unsure. */
export function EndsToDo({ session, object }: Props) {
  const grid = session.geometry.grids[object.plane];
  if (object.locked || session.working) return null;
  const unfinished = Object.entries(object.unfinished ?? {}) as [EndName, number | null][];
  return (
    <>
      {unfinished.length > 0 && (
        <section class="ends-to-do" aria-label={`${object.name} is unfinished`}>
          <p>
            Stopped at the {unfinished.map(([end]) => endWord(grid, end)).join(" and the ")}. The slices that
            are done are kept.
          </p>
          <button type="button" class="primary" onClick={() => session.continueObject(object.name)}>
            <Icon name="propagate" /> Continue
          </button>
        </section>
      )}
      {(Object.entries(object.other_ends ?? {}) as [EndName, number[]][])
        .filter(([, others]) => others.length > 0)
        .map(([end, others]) => (
          <EndQuestion key={end} session={session} object={object} end={end} others={others} />
        ))}
    </>
  );
}

/** The stop rule was unsure: both ends to look at and to choose. */
function EndQuestion({ session, object, end, others }: Props & { end: EndName; others: number[] }) {
  const grid = session.geometry.grids[object.plane];
  const found = endOf(object, end);
  const choices = [found, ...others].sort((a, b) => (grid.topIsLast ? b - a : a - b));
  const show = (slice: number) => session.display.goTo(object.plane, slice);
  return (
    <section class="ends-to-do" aria-label={`Where is the ${endWord(grid, end)} end of ${object.name}?`}>
      <p>
        The {endWord(grid, end)} end was found at slice {found}; it may also be at slice {others.join(" or ")}
        . Which one is right?
      </p>
      <div class="row wrap">
        {choices.map((slice) => (
          <button
            key={slice}
            type="button"
            class={slice === found ? "" : "other"}
            aria-label={`End at slice ${slice}`}
            title={slice === found ? "Keep it as it is" : "Move the end there"}
            onPointerEnter={() => show(slice)}
            onFocus={() => show(slice)}
            onClick={() => session.ends.set(end, slice)}
          >
            {slice}
          </button>
        ))}
        <span class="dim">or drag the end on the slice bar</span>
      </div>
    </section>
  );
}
