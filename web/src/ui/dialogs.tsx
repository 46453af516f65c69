import type { App } from "../state/app";
import { DialogFrame } from "./dialog_frame";
import { ImportDialog } from "./import_dialog";
import { MasksDialog, SeriesDialog } from "./intake_dialogs";
import { keyLabel } from "./keyboard";
import { PacsDialog } from "./pacs_dialog";
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
  const groups = [...new Set(SHORTCUTS.map((each) => each.group))];
  return (
    <DialogFrame app={app} title="Keys and mouse" wide>
      <div class="shortcut-groups">
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {SHORTCUTS.filter((each) => each.group === group).map(({ label, description }) => (
                <div key={label}>
                  <dt>
                    <kbd>{keyLabel(label)}</kbd>
                  </dt>
                  <dd>{description}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </DialogFrame>
  );
}
