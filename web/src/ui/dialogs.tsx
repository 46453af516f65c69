import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { App } from "../state/app";
import { Icon } from "./icons";
import { SHORTCUTS } from "./shortcuts";
import { Library } from "./start_page";
import { IconButton } from "./top_bar";

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

/** A modal dialog; the browser keeps the focus inside and gives it back. */
function Frame({ app, title, wide, children }: FrameProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: keys close it by Esc, which the browser does
    <dialog
      ref={dialog}
      aria-label={title}
      class={wide ? "wide" : ""}
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
              {SHORTCUTS.filter((each) => each.group === group).map(({ keys, what }) => (
                <div key={keys}>
                  <dt>
                    <kbd>{keys}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Frame>
  );
}

const FORMATS: { format: string; name: string; what: string; dicom?: boolean }[] = [
  { format: "nii.gz", name: "NIfTI", what: "Label map on the grid of the CT (.nii.gz)" },
  { format: "nrrd", name: "NRRD", what: "The same, with names and colours (.nrrd)" },
  { format: "seg", name: "DICOM SEG", what: "Refers to the original images", dicom: true },
  { format: "rtstruct", name: "DICOM RTSTRUCT", what: "Contours on the original images", dicom: true },
  { format: "session", name: "Session", what: "Prompts, masks and history, to go on later (.radsam)" },
];

function Save({ app }: { app: App }) {
  const session = app.session!;
  const empty = session.objects.length === 0;
  return (
    <Frame app={app} title="Save">
      {empty && <p class="note">There are no objects to save yet.</p>}
      <ul class="choices">
        {FORMATS.filter(({ format }) => !app.info || app.info.formats.includes(format)).map(
          ({ format, name, what, dicom }) => {
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
                    <span class="dim">{missing ? "Needs a CT that came as DICOM" : what}</span>
                  </span>
                </button>
              </li>
            );
          },
        )}
      </ul>
      <p class="dim">
        The session itself is kept by the server after every step; nothing has to be saved to be safe.
      </p>
    </Frame>
  );
}
