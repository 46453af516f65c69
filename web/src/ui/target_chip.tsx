/** Says what the tools change, at the top of the side panel, and changes it. */
import { aimOf } from "../state/aim";
import type { OpenSession } from "../state/open_session";
import { outcomeText } from "../state/outcome_text";
import { Icon, IconButton } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/target_chip.css";
import "./styles/target_tag.css";

const NEW = "";

export function TargetChip({ session }: { session: OpenSession }) {
  useObservables(session, session.display, session.hand);
  const { objects, draft, display } = session;
  // A tool that draws nothing does not change the target.
  const aim = aimOf(session) ?? { ...aimOf(session, "point")!, positive: true, byHand: false };
  const options = draft
    ? [draft.name]
    : [...new Set([...session.rules.names, ...objects.map((each) => each.name)])];
  const chosen = aim.name ?? NEW;
  const outcome = lastOutcome(session);
  const other = !draft && aim.name === null && display.tool === "box" ? session.selected : null;
  return (
    <section class="target-chip" aria-label="Target" style={{ borderColor: aim.colour }}>
      <div class="row">
        <i class="target-colour" style={{ background: aim.colour }} />
        <label class="grow row">
          <span>
            {draft ? "Preview of:" : aim.begins ? (aim.name ? "Starting:" : "Target:") : "Correcting:"}
          </span>
          <select
            class="grow"
            value={chosen}
            disabled={draft !== null}
            title="What the tools change. O: a new object; , and .: through the objects"
            onChange={(event) => session.setTarget(event.currentTarget.value || null)}
          >
            {!draft && <option value={NEW}>New object</option>}
            {options.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
            {chosen !== NEW && !options.includes(chosen) && <option value={chosen}>{chosen}</option>}
          </select>
        </label>
        <IconButton
          icon={session.hand.options.atCursor ? "eye" : "hidden"}
          label="Show the target at the cursor"
          pressed={session.hand.options.atCursor}
          run={() => session.hand.set({ atCursor: !session.hand.options.atCursor })}
        />
      </div>
      {aim.locked && (
        <p class="note">
          <Icon name="lock" /> {aim.name} is locked: to change it, unlock it: <kbd>K</kbd>
        </p>
      )}
      {other && (
        <p class="row spread wrap">
          <span class="dim">A box starts a new object.</span>
          <button type="button" class="quiet ellipsis" onClick={() => session.setTarget(other)}>
            Correct {other}
          </button>
        </p>
      )}
      {outcome && (
        <p class="dim" role="status">
          {outcome}
        </p>
      )}
    </section>
  );
}

/** What the last edit did; marks on slices change nothing. */
export function lastOutcome(session: OpenSession): string | null {
  const outcome = session.working ? null : session.outcome;
  const last = session.object(outcome?.name ?? null)?.edits.at(-1);
  return outcome && last?.kind !== "confirm" ? outcomeText(outcome, session) : null;
}
