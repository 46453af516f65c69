/** A case of a project: its note, who is to do it, why it is excluded, and what happened to it. */
import { useRef } from "preact/hooks";
import type { ProjectCase } from "../api/project";
import type { App } from "../state/app";
import type { Project } from "../state/project";
import { labelText, timeOf } from "../state/worklist";
import { DialogFrame } from "./dialog_frame";
import { Waiting } from "./project_dialogs";
import { ProjectTable } from "./project_table";
import { useAnswer } from "./use_answer";
import { useObservables } from "./use_observables";
import "./styles/project_dialog.css";

export function CaseDialog({ app, project }: { app: App; project: Project }) {
  useObservables(project);
  const item = project.caseOf(project.shownCase ?? "");
  if (!item) return null;
  const change = (changes: Parameters<Project["requests"]["change"]>[1], done: string) =>
    project.change((requests) => requests.change(item.id, changes), done);
  return (
    <DialogFrame app={app} title={item.id}>
      <div class="project-dialog">
        <ProjectTable
          name="Labels"
          head={["Label", "State", "Who", "Actions", "Minutes", "Note"]}
          rows={item.labels.map((each) => [
            each.name,
            labelText(each),
            each.annotator,
            each.actions,
            (each.seconds / 60).toFixed(1),
            each.note,
          ])}
        />
        <TextForm
          label="Note, for everybody"
          value={item.note}
          button="Save the note"
          send={(note) => change({ note }, `The note of ${item.id} is saved.`)}
        />
        {project.may("owner") && <OwnerPart project={project} item={item} change={change} />}
      </div>
    </DialogFrame>
  );
}

interface OwnerProps {
  project: Project;
  item: ProjectCase;
  change: (changes: { excluded?: string; assigned?: string }, done: string) => Promise<unknown>;
}

function OwnerPart({ project, item, change }: OwnerProps) {
  const { answer: roles } = useAnswer(project.requests.roles);
  const { answer: lines, error } = useAnswer(() => project.requests.log(item.id, 200));
  const users = [...new Set([...Object.keys(roles ?? {}), ...(item.assigned ? [item.assigned] : [])])];
  return (
    <>
      <label class="field">
        <span>For whom it is</span>
        <select
          value={item.assigned}
          onChange={(event) => {
            const assigned = event.currentTarget.value;
            void change(
              { assigned },
              assigned ? `${item.id} is for ${assigned}.` : `${item.id} is for anybody.`,
            );
          }}
        >
          <option value="">Anybody</option>
          {users.map((user) => (
            <option key={user} value={user}>
              {user}
            </option>
          ))}
        </select>
      </label>
      {item.state === "excluded" ? (
        <p class="row spread">
          <span>Excluded: {item.excluded}</span>
          <button type="button" onClick={() => change({ excluded: "" }, `${item.id} is included again.`)}>
            Include it again
          </button>
        </p>
      ) : (
        <TextForm
          label="Exclude it, since"
          value=""
          button="Exclude"
          needed
          send={(excluded) => change({ excluded }, `${item.id} is excluded.`)}
        />
      )}
      <h3>What happened</h3>
      <Waiting answer={lines} error={error} />
      {lines && (
        <ProjectTable
          name="Log of the case"
          head={["Time", "Who", "What", "Label", "More"]}
          rows={lines.map((each) => [timeOf(each.time), each.by, each.what, each.label, each.detail])}
        />
      )}
    </>
  );
}

function TextForm(props: {
  label: string;
  value: string;
  button: string;
  needed?: boolean;
  send: (text: string) => Promise<unknown>;
}) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        const text = field.current!.value.trim();
        if (text || !props.needed) void props.send(text);
      }}
    >
      <label class="field grow">
        <span>{props.label}</span>
        <input ref={field} type="text" maxLength={2000} defaultValue={props.value} required={props.needed} />
      </label>
      <button type="submit">{props.button}</button>
    </form>
  );
}
