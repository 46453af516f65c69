import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { App } from "../state/app";
import { Icon, IconButton } from "./icons";
import { keyLabel } from "./keyboard";
import { SHORTCUTS } from "./shortcuts";
import { Library } from "./start_page";
import "./styles/choices.css";
import "./styles/dialog.css";
import "./styles/shortcut_groups.css";

export function Dialogs({ app }: { app: App }) {
  if (app.dialog === "shortcuts") return <Shortcuts app={app} />;
  if (app.dialog === "save") return <Save app={app} />;
  if (app.dialog === "open")
    return (
      <Frame app={app} title="Open">
        <Library app={app} />
      </Frame>
    );
  return null;
}

interface FrameProps {
  app: App;
  title: string;
  wide?: boolean;
  children: ComponentChildren;
}

/** A modal dialog; the browser holds the focus inside and gives it back. */
function Frame({ app, title, wide, children }: FrameProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the browser closes it on Esc
    <dialog
      ref={dialog}
      aria-label={title}
      class={`dialog ${wide ? "wide" : ""}`}
      onClose={() => app.show(null)}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="dialog-body">
        <header class="row spread">
          <h2>{title}</h2>
          <IconButton icon="close" label="Close" run={() => dialog.current?.close()} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

function Shortcuts({ app }: { app: App }) {
  const groups = [...new Set(SHORTCUTS.map((each) => each.group))];
  return (
    <Frame app={app} title="Keys and mouse" wide>
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
    </Frame>
  );
}

const FORMATS: { format: string; name: string; description: string; dicom?: boolean }[] = [
  { format: "nii.gz", name: "NIfTI", description: "Label map on the grid of the CT (.nii.gz)" },
  { format: "nrrd", name: "NRRD", description: "The same, with names and colours (.nrrd)" },
  {
    format: "seg",
    name: "DICOM SEG",
    description: "Label map that refers to the original images",
    dicom: true,
  },
  { format: "rtstruct", name: "DICOM RTSTRUCT", description: "Contours on the original images", dicom: true },
  {
    format: "session",
    name: "Session",
    description: "Prompts, masks and history, to continue later (.radsam)",
  },
];

function Save({ app }: { app: App }) {
  const session = app.session!;
  const empty = session.objects.length === 0;
  return (
    <Frame app={app} title="Save">
      {empty && <p class="note">There are no objects to save yet.</p>}
      <ul class="choices">
        {FORMATS.filter(({ format }) => !app.info || app.info.formats.includes(format)).map(
          ({ format, name, description, dicom }) => {
            const missing = dicom && !session.volume.dicom;
            return (
              <li key={format}>
                <button
                  type="button"
                  disabled={empty || missing}
                  onClick={() => {
                    app.show(null);
                    void app.save(format);
                  }}
                >
                  <Icon name="save" />
                  <span>
                    <b>{name}</b>
                    <span class="dim">{missing ? "Needs a CT opened from DICOM" : description}</span>
                  </span>
                </button>
              </li>
            );
          },
        )}
      </ul>
      <p class="dim">
        The server saves the session after every edit. Files are only needed outside of RadSAM.
      </p>
    </Frame>
  );
}
