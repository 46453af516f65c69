/** The label that is worked on, at the top of the panel: what to do next, and what the user says of it. */
import { useRef } from "preact/hooks";
import type { CaseWork, LabelRow } from "../state/case_work";
import { isDone, labelText, percent } from "../state/worklist";
import { Icon } from "./icons";
import { settle } from "./project_shortcuts";
import { lastOutcome } from "./target_chip";
import { useObservables } from "./use_observables";
import "./styles/chosen_label.css";

export function ChosenLabel({ work }: { work: CaseWork }) {
  useObservables(work, work.session);
  const row = work.chosen;
  if (!row) return null;
  const { name } = row;
  const outcome = lastOutcome(work.session);
  return (
    <section class="chosen-label" aria-label={`Target: ${name}`} style={{ borderColor: row.color }}>
      <p>
        <b>{name}</b>: <span class="dim">{work.checks ? checkText(work, row) : nextStep(row)}</span>
      </p>
      {row.note && !isDone(row.state) && (
        <p class="note">
          <Icon name="undo" /> Sent back{row.note && `: ${row.note}`}
        </p>
      )}
      {outcome && !isDone(row.state) && (
        <p class="dim" role="status">
          {outcome}
        </p>
      )}
      {work.sendingBack === name ? (
        <NoteField work={work} name={name} />
      ) : (
        <div class="row buttons">
          {work.checks ? <CheckButtons work={work} row={row} /> : <Buttons work={work} row={row} />}
        </div>
      )}
    </section>
  );
}

/** What the annotator does next. */
export function nextStep(row: LabelRow): string {
  const { state, absent, certainty, object } = row;
  if (row.waiting) return "done as soon as its edits have ended.";
  if (row.edited) return "being computed. Done waits for that.";
  if (row.previewed) return "press Enter to propagate the preview.";
  if (isDone(state)) return absent ? "not in this case." : "done. Reopen it to change it.";
  if (state === "proposed") {
    const sure = certainty === null ? "proposed" : `proposed, ${percent(certainty)} sure`;
    return `${sure}. Correct what is wrong, then press Done; delete it if it does not help.`;
  }
  if (object) return "correct it where it is wrong, then press Done.";
  if (certainty !== null)
    return `not found, ${percent(certainty)} sure. Draw a box around it, or say that it is not here.`;
  return "draw a box around it, or say that it is not here.";
}

function checkText(work: CaseWork, row: LabelRow): string {
  const by = row.annotator && ` by ${row.annotator}`;
  if (row.state === "checked") return `${labelText(row).toLowerCase()} (${row.review || "agreed"}).`;
  if (row.state !== "done") return row.review === "sent back" ? "sent back." : "not done yet.";
  if (work.changed(row)) return `done${by}, corrected by you.`;
  return row.absent
    ? `not in this case${by && `, says ${row.annotator}`}. Is that right?`
    : `done${by}. Is it right?`;
}

function Buttons({ work, row }: { work: CaseWork; row: LabelRow }) {
  const { name } = row;
  if (isDone(row.state))
    return (
      <button type="button" onClick={() => work.reopen(name)}>
        Reopen <kbd>K</kbd>
      </button>
    );
  return (
    <>
      <button
        type="button"
        class="primary"
        disabled={row.waiting || !(row.object || row.edited)}
        onClick={() => work.finish(name)}
      >
        Done <kbd>Shift+D</kbd>
      </button>
      <button type="button" disabled={row.waiting} onClick={() => work.setAbsent(name)}>
        Not here <kbd>Shift+X</kbd>
      </button>
    </>
  );
}

function CheckButtons({ work, row }: { work: CaseWork; row: LabelRow }) {
  const { name, object } = row;
  if (!isDone(row.state)) return null;
  return (
    <>
      {row.state === "done" && (
        <button type="button" class="primary" disabled={row.waiting} onClick={() => settle(work)}>
          {work.changed(row) ? "Corrected" : "Agree"} <kbd>Shift+D</kbd>
        </button>
      )}
      {object?.locked && row.state === "done" && (
        <button type="button" title="Unlock it, to correct it" onClick={() => work.unlock(name)}>
          Correct <kbd>K</kbd>
        </button>
      )}
      <button type="button" onClick={() => work.writeNote(name)}>
        Send back <kbd>Shift+B</kbd>
      </button>
    </>
  );
}

function NoteField({ work, name }: { work: CaseWork; name: string }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="note-field"
      onSubmit={(event) => {
        event.preventDefault();
        void work.review(name, "sent back", field.current!.value.trim());
      }}
    >
      <label class="field">
        <span>What should change?</span>
        <input
          ref={(element) => {
            field.current = element;
            if (element && document.activeElement !== element) element.focus();
          }}
          type="text"
          maxLength={2000}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            event.stopPropagation();
            work.writeNote(null);
          }}
        />
      </label>
      <div class="row buttons">
        <button type="submit" class="primary">
          Send back <kbd>Enter</kbd>
        </button>
        <button type="button" onClick={() => work.writeNote(null)}>
          Cancel <kbd>Esc</kbd>
        </button>
      </div>
    </form>
  );
}
