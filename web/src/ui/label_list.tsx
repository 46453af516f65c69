/** The labels of a project's case with their states, and the slices and edits of the chosen one. */
import type { App } from "../state/app";
import type { CaseWork, LabelRow } from "../state/case_work";
import type { Project } from "../state/project";
import { isDone, percent } from "../state/worklist";
import { IconButton } from "./icons";
import { ObjectDetails } from "./object_details";
import { ObjectList } from "./object_list";
import { StateMark } from "./state_mark";
import { useObservables } from "./use_observables";
import "./styles/label_list.css";

export function LabelList({ app, project, work }: { app: App; project: Project; work: CaseWork }) {
  const { session } = work;
  useObservables(work, project, session);
  const { rows, chosen, left } = work;
  const others = session.objects.filter((each) => !session.rules.names.includes(each.name));
  return (
    <section class="label-list" aria-label="Labels">
      <header class="row spread">
        <h2>{work.checks ? "Check" : "Labels"}</h2>
        <span class="dim numbers">
          {rows.length - left.length} of {rows.length} {work.checks ? "checked" : "done"}
        </span>
        <IconButton
          icon="more"
          label="Notes and history of this case"
          run={() => {
            project.shownCase = work.caseId;
            app.show("case");
          }}
        />
      </header>
      <ul>
        {rows.map((row, n) => (
          <Row key={row.name} work={work} row={row} number={n + 1} chosen={row.name === chosen?.name} />
        ))}
      </ul>
      <button
        type="button"
        class={left.length ? "" : "primary"}
        disabled={project.opening !== null}
        onClick={() => project.next()}
      >
        Next case <kbd>Shift+N</kbd>
      </button>
      <p class="sr-only" role="status">
        {work.message}
      </p>
      {chosen?.object && !isClosed(work, chosen) && !session.draft && (
        <section class="label-details" aria-label={`Slices and edits of ${chosen.name}`}>
          <ObjectDetails session={session} object={chosen.object} />
        </section>
      )}
      {others.length > 0 && <ObjectList session={session} objects={others} title="Other objects" />}
    </section>
  );
}

const isClosed = (work: CaseWork, row: LabelRow) => work.session.rules.closed.has(row.name);

interface RowProps {
  work: CaseWork;
  row: LabelRow;
  number: number;
  chosen: boolean;
}

function Row({ work, row, number, chosen }: RowProps) {
  const { name, object } = row;
  const { session } = work;
  return (
    <li class={`label-line ${chosen ? "chosen" : ""}`}>
      <button
        type="button"
        class="label-name"
        aria-pressed={chosen}
        aria-keyshortcuts={number <= 9 ? `${number}` : undefined}
        title={number <= 9 ? `Choose ${name} (${number})` : `Choose ${name}`}
        onClick={() => work.choose(name)}
      >
        <i class={`swatch ${row.state === "proposed" ? "dashed" : ""}`} style={{ "--colour": row.color }} />
        {number <= 9 && <kbd aria-hidden="true">{number}</kbd>}
        <span class="ellipsis">{name}</span>
        <span class="gap" />
        <span class="dim state">{shortText(row)}</span>
        <StateMark label={row} />
      </button>
      {object && (
        <IconButton
          icon={object.visible ? "eye" : "hidden"}
          label={`${object.visible ? "Hide" : "Show"} ${name}`}
          run={() => session.changeObject(name, { visible: !object.visible })}
        />
      )}
    </li>
  );
}

/** The state in a word or two. */
function shortText(row: LabelRow): string {
  if (row.waiting) return "waits for its edits";
  if (row.state === "proposed" && row.certainty !== null) return percent(row.certainty);
  if (isDone(row.state)) return row.absent ? "absent" : row.state;
  if (row.review === "sent back") return "sent back";
  return row.state === "in progress" ? "begun" : row.state;
}
