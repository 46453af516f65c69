import type { App } from "../state/app";
import { CaseDialog } from "./case_dialog";
import { DialogFrame } from "./dialog_frame";
import { ImportDialog } from "./import_dialog";
import { MasksDialog, SeriesDialog } from "./intake_dialogs";
import { keyLabel } from "./keyboard";
import { PacsDialog } from "./pacs_dialog";
import { CurveDialog, LogDialog, RolesDialog, RoundsDialog } from "./project_dialogs";
import { PROJECT_SHORTCUTS, projectShortcut } from "./project_shortcuts";
import { SaveDialog } from "./save_dialog";
import { SHORTCUTS } from "./shortcuts";
import { Library } from "./start_page";
import { StatisticsDialog } from "./statistics_dialog";
import "./styles/shortcut_groups.css";

export function Dialogs({ app }: { app: App }) {
  if (app.dialog === "shortcuts") return <Shortcuts app={app} />;
  if (app.dialog === "pacs") return <PacsDialog app={app} pacs={app.pacs} />;
  if (app.dialog === "save") return <SaveDialog app={app} />;
  if (app.dialog === "series") return <SeriesDialog app={app} />;
  if (app.dialog === "masks") return <MasksDialog app={app} />;
  if (app.dialog === "statistics") return <StatisticsDialog app={app} />;
  const { project } = app;
  if (project && app.dialog === "curve") return <CurveDialog app={app} project={project} />;
  if (project && app.dialog === "rounds") return <RoundsDialog app={app} project={project} />;
  if (project && app.dialog === "log") return <LogDialog app={app} project={project} />;
  if (project && app.dialog === "roles") return <RolesDialog app={app} project={project} />;
  if (project && app.dialog === "case") return <CaseDialog app={app} project={project} />;
  if (app.dialog === "import" && app.maskImport) return <ImportDialog app={app} masks={app.maskImport} />;
  if (app.dialog === "open")
    return (
      <DialogFrame app={app} title="Open">
        <Library app={app} />
      </DialogFrame>
    );
  return null;
}

function Shortcuts({ app }: { app: App }) {
  const { project } = app;
  const groups = [...new Set(SHORTCUTS.map((each) => each.group))];
  return (
    <DialogFrame app={app} title="Keys and mouse" wide>
      <div class="shortcut-groups">
        {project && (
          <section>
            <h3>Cases of the project</h3>
            <KeyList keys={PROJECT_SHORTCUTS} />
          </section>
        )}
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <KeyList
              keys={SHORTCUTS.filter(
                (each) => each.group === group && !(project && isReplaced(each.bindings)),
              )}
            />
          </section>
        ))}
      </div>
    </DialogFrame>
  );
}

/** Whether the keys mean something else in a case of a project. */
const isReplaced = (bindings: readonly string[]) =>
  bindings.length > 0 && bindings.every((each) => projectShortcut(each));

function KeyList({ keys }: { keys: readonly { label: string; description: string }[] }) {
  return (
    <dl>
      {keys.map(({ label, description }) => (
        <div key={label}>
          <dt>
            <kbd>{keyLabel(label)}</kbd>
          </dt>
          <dd>{description}</dd>
        </div>
      ))}
    </dl>
  );
}
