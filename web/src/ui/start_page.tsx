import { useRef, useState } from "preact/hooks";
import type { App } from "../state/app";
import { Icon, IconButton } from "./icons";
import "./styles/choices.css";
import "./styles/library.css";
import "./styles/start.css";
import "./styles/token_form.css";

export function StartPage({ app }: { app: App }) {
  return (
    <main class="start">
      <h1>RadSAM</h1>
      <p class="lead">
        Segment an organ or a tumour in a CT with one prompt on one slice, and correct it with a click.
      </p>
      <Library app={app} />
      <p class="dim">Not for diagnostic use. Everything stays on this server.</p>
    </main>
  );
}

/** Volumes, sessions and the area to drop files on. */
export function Library({ app }: { app: App }) {
  const field = useRef<HTMLInputElement>(null);
  const sessions = [...app.sessions].sort((a, b) => b.changed.localeCompare(a.changed));
  const nameOf = (id: string) => app.volumes.find((each) => each.id === id)?.name ?? id;
  return (
    <div class="library">
      <button
        type="button"
        class="drop-zone"
        disabled={app.upload !== null}
        onClick={() => field.current?.click()}
      >
        <Icon name="upload" />
        <span>
          <b>Drop a CT here</b>, or choose a file
        </span>
        <span class="dim">.nii, .nii.gz, .nrrd, .mha, or a .zip with a DICOM series; a .radsam session</span>
      </button>
      <input
        ref={field}
        type="file"
        class="sr-only"
        tabIndex={-1}
        aria-label="File to upload"
        accept=".nii,.gz,.nrrd,.mha,.zip,.radsam"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          app.show(null);
          void app.takeFiles(files);
        }}
      />
      {sessions.length > 0 && (
        <section>
          <h2>Continue a session</h2>
          <ul class="choices">
            {sessions.slice(0, 12).map((each) => (
              <li key={each.id} class="row tight">
                <button type="button" class="grow" onClick={() => app.openSession(each.id)}>
                  <Icon name="again" />
                  <span>
                    <b>{nameOf(each.volume)}</b>
                    <span class="dim">
                      {each.objects} {each.objects === 1 ? "object" : "objects"} ·{" "}
                      {new Date(each.changed).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}
                      {each.interrupted && " · interrupted"}
                    </span>
                  </span>
                </button>
                <IconButton
                  icon="trash"
                  label={`Delete this session on ${nameOf(each.volume)}`}
                  disabled={each.id === app.session?.state.id}
                  run={() => app.deleteSession(each.id)}
                />
              </li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h2>Start a new session</h2>
        {app.volumes.length === 0 && <p class="dim">This server has no volumes yet. Drop a CT above.</p>}
        <ul class="choices">
          {app.volumes.map((each) => (
            <li key={each.id}>
              <button type="button" onClick={() => app.openVolume(each.id, true)}>
                <Icon name="open" />
                <span>
                  <b>{each.name}</b>
                  <span class="dim numbers">
                    {each.modality} · {each.shape_ijk.join(" × ")} ·{" "}
                    {each.spacing_mm_ijk.map((mm) => Number(mm.toFixed(2))).join(" × ")} mm
                  </span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      </section>
    </div>
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
        <p class="dim">{app.tokenError} `radsam serve` prints the token when it starts.</p>
        <button type="submit" class="primary" disabled={!token.trim()}>
          Continue
        </button>
      </form>
    </main>
  );
}
