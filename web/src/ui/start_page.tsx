import { useRef, useState } from "preact/hooks";
import type { App } from "../state/app";
import { chosenFiles } from "../state/dropped_files";
import { CaseList } from "./case_list";
import { Icon } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/library.css";
import "./styles/start.css";
import "./styles/token_form.css";

export function StartPage({ app }: { app: App }) {
  return (
    <main class="start">
      <h1>RadSAM</h1>
      <p class="lead">
        Segment an organ or a tumour in a CT, MR or PET with one prompt on one slice, and correct it with a
        click.
      </p>
      <Library app={app} />
      <p class="dim">Not for diagnostic use. Everything stays on this server.</p>
    </main>
  );
}

/** The area to drop files on, and the list of cases. */
export function Library({ app }: { app: App }) {
  useObservables(app.intake);
  return (
    <div class="library">
      <div class="drop-zone">
        <Icon name="upload" />
        <p>
          <b>Drop a CT, MR or PET here</b>: files, folders, or its masks
        </p>
        <p class="dim">
          DICOM files, folders or a .zip of them; .nii, .nii.gz, .nrrd, .mha; DICOM SEG or RTSTRUCT; a .radsam
          session
        </p>
        <div class="row">
          <Choose app={app} label="File to upload" text="Choose files" />
          <Choose app={app} label="Folder to upload" text="Choose a folder" folder />
          {app.info?.pacs && (
            <button type="button" onClick={() => app.show("pacs")}>
              Search the PACS
            </button>
          )}
        </div>
      </div>
      <CaseList app={app} />
    </div>
  );
}

/** A button that lets the user choose files, or a folder. */
function Choose({ app, label, text, folder }: { app: App; label: string; text: string; folder?: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" disabled={app.intake.upload !== null} onClick={() => field.current?.click()}>
        {text}
      </button>
      <input
        ref={field}
        type="file"
        class="sr-only"
        tabIndex={-1}
        aria-label={label}
        multiple
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={(event) => {
          const files = chosenFiles(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
          app.show(null);
          void app.intake.take(files);
        }}
      />
    </>
  );
}

export function TokenPage({ app }: { app: App }) {
  const [token, setToken] = useState("");
  return (
    <main class="start">
      <h1>RadSAM</h1>
      <form
        class="token-form"
        onSubmit={(event) => {
          event.preventDefault();
          void app.useToken(token.trim());
        }}
      >
        <label class="field">
          <span>Access token</span>
          <input
            type="password"
            value={token}
            autocomplete="off"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p class="dim">{app.tokenError} Ask the person who runs this server for one.</p>
        <button type="submit" class="primary" disabled={!token.trim()}>
          Continue
        </button>
      </form>
    </main>
  );
}
