/** What a project has besides its worklist: the curve, rounds of learning, people, the log. */
import type { Role, Round } from "../api/project";
import type { App } from "../state/app";
import type { Project } from "../state/project";
import { timeOf } from "../state/worklist";
import { CurveView, changed, weightsText } from "./curve_view";
import { DialogFrame } from "./dialog_frame";
import { comparisonText } from "./learning_card";
import { ProjectTable } from "./project_table";
import { useAnswer } from "./use_answer";
import "./styles/project_dialog.css";

interface Props {
  app: App;
  project: Project;
}

export function CurveDialog({ app, project }: Props) {
  const { answer: points, error } = useAnswer(project.requests.curve);
  const minutes = (seconds: number) => (seconds / 60).toFixed(1);
  return (
    <DialogFrame app={app} title="Actions and time" wide>
      <div class="project-dialog">
        <Waiting answer={points} error={error} />
        {points?.length === 0 && <p class="dim">No case is done yet.</p>}
        {points && points.length > 0 && (
          <>
            <div class="curves">
              <CurveView title="Actions per case" points={points} value={(each) => each.actions} />
              <CurveView title="Minutes per case" points={points} value={(each) => each.seconds / 60} />
            </div>
            <p class="dim">
              A dot is a case; the line is the mean of five. Undo counts as an action, too. Time counts while
              the page is in view and used.
            </p>
            <ProjectTable
              name="Actions and minutes of each case"
              head={["", "Case", "Labels", "Actions", "Minutes", "Weights"]}
              rows={points.map((each, n) => [
                each.order,
                each.case,
                each.labels,
                each.actions,
                minutes(each.seconds),
                `${weightsText(each.round)}${changed(points, n) ? " (new)" : ""}`,
              ])}
            />
          </>
        )}
      </div>
    </DialogFrame>
  );
}

const ROUND_STATES: Record<Round["state"], string> = {
  running: "Running",
  offered: "Offered",
  accepted: "Accepted",
  declined: "Declined",
  dropped: "Dropped",
};

export function RoundsDialog({ app, project }: Props) {
  const { answer: rounds, error } = useAnswer(project.requests.rounds);
  return (
    <DialogFrame app={app} title="Rounds of learning" wide>
      <div class="project-dialog">
        <Waiting answer={rounds} error={error} />
        {rounds?.length === 0 && <p class="dim">Nothing was learned yet.</p>}
        {rounds && rounds.length > 0 && (
          <ProjectTable
            name="Rounds"
            head={["Round", "State", "Began", "Learned from", "What it gave"]}
            rows={[...rounds]
              .reverse()
              .map((each) => [
                each.number,
                ROUND_STATES[each.state] + (project.info.weights.round === each.number ? ", in use" : ""),
                timeOf(each.started),
                `${each.trained_on.length} cases`,
                comparisonText(each.scores, each.compared_on.length) ?? each.message,
              ])}
          />
        )}
      </div>
    </DialogFrame>
  );
}

export function LogDialog({ app, project }: Props) {
  const { answer: lines, error } = useAnswer(() => project.requests.log(null, 500));
  return (
    <DialogFrame app={app} title="Log" wide>
      <div class="project-dialog">
        <Waiting answer={lines} error={error} />
        {lines && (
          <ProjectTable
            name="Log, the latest line first"
            head={["Time", "Who", "What", "Case", "Label", "More"]}
            rows={lines.map((each) => [
              timeOf(each.time),
              each.by,
              each.what,
              each.case,
              each.label,
              each.detail,
            ])}
          />
        )}
        {lines?.length === 500 && <p class="dim">The last 500 lines. `radsam project log` shows all.</p>}
      </div>
    </DialogFrame>
  );
}

const ROLES: readonly [Role, string][] = [
  ["annotator", "annotator: works on cases"],
  ["reviewer", "reviewer: checks, too"],
  ["owner", "owner: decides, too"],
];

export function RolesDialog({ app, project }: Props) {
  const { answer: roles, error, again } = useAnswer(project.requests.roles);
  const { answer: agreement } = useAnswer(project.requests.agreement);
  const set = async (user: string, role: Role) => {
    await project.change((requests) => requests.setRole(user, role), `${user} is ${role} now.`);
    again();
  };
  return (
    <DialogFrame app={app} title="People">
      <div class="project-dialog">
        <Waiting answer={roles} error={error} />
        {roles && (
          <ProjectTable
            name="Roles"
            head={["Who", "Role"]}
            rows={Object.entries(roles).map(([user, role]) => [
              user,
              <select
                key={user}
                aria-label={`Role of ${user}`}
                value={role}
                onChange={(event) => set(user, event.currentTarget.value as Role)}
              >
                {ROLES.map(([each, text]) => (
                  <option key={each} value={each}>
                    {text}
                  </option>
                ))}
              </select>,
            ])}
          />
        )}
        <AddPerson add={set} />
        {agreement?.some((each) => each.cases > 0) && (
          <>
            <h3>Agreement of two readers</h3>
            <ProjectTable
              name="Agreement"
              head={["Label", "Cases", "Mean Dice"]}
              rows={agreement.map((each) => [each.label, each.cases, each.dice?.toFixed(3) ?? "–"])}
            />
          </>
        )}
      </div>
    </DialogFrame>
  );
}

function AddPerson({ add }: { add: (user: string, role: Role) => Promise<void> }) {
  return (
    <form
      class="row"
      onSubmit={async (event) => {
        event.preventDefault();
        const form = event.currentTarget;
        const user = String(new FormData(form).get("user") ?? "").trim();
        if (!user) return;
        await add(user, "annotator");
        form.reset();
      }}
    >
      <label class="field grow">
        <span>User, as the server knows him or her (`radsam serve --tokens`)</span>
        <input type="text" name="user" maxLength={64} autocomplete="off" />
      </label>
      <button type="submit">Add as annotator</button>
    </form>
  );
}

export function Waiting({ answer, error }: { answer: unknown; error: string | null }) {
  if (error) return <p role="alert">{error}</p>;
  return answer === null ? <p class="dim">One moment …</p> : null;
}
