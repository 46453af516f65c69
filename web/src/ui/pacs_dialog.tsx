import { useEffect } from "preact/hooks";
import type { App } from "../state/app";
import { dayOf, type PacsBrowser } from "../state/pacs_browser";
import { DialogFrame } from "./dialog_frame";
import { useObservables } from "./use_observables";
import "./styles/pacs_dialog.css";

/** Search the server's PACS, list series, and open one. */
export function PacsDialog({ app, pacs }: { app: App; pacs: PacsBrowser }) {
  useObservables(pacs);
  useEffect(() => () => void pacs.cancel(), [pacs]);
  return (
    <DialogFrame app={app} title={`PACS ${app.info?.pacs ?? ""}`} wide>
      <div class="pacs-dialog" aria-busy={pacs.busy}>
        <SearchForm pacs={pacs} />
        {pacs.error && (
          <p class="note" role="alert">
            {pacs.error}
          </p>
        )}
        {pacs.retrieving && <Progress pacs={pacs} />}
        {pacs.studies && <Studies pacs={pacs} />}
      </div>
    </DialogFrame>
  );
}

function SearchForm({ pacs }: { pacs: PacsBrowser }) {
  const text = (name: "patient_id" | "patient_name", label: string) => (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        value={pacs.wanted[name]}
        maxLength={64}
        autocomplete="off"
        onInput={(event) => pacs.want({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  const day = (name: "date_from" | "date_to", label: string) => (
    <label class="field">
      <span>{label}</span>
      <input
        type="date"
        value={dayOf(pacs.wanted[name])}
        onInput={(event) => pacs.want({ [name]: event.currentTarget.value.replaceAll("-", "") })}
      />
    </label>
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void pacs.search();
      }}
    >
      {text("patient_id", "Patient ID")}
      {text("patient_name", "Patient name (its beginning)")}
      {day("date_from", "From")}
      {day("date_to", "To")}
      <label class="field">
        <span>Modality</span>
        <select
          value={pacs.wanted.modality}
          onChange={(event) => pacs.want({ modality: event.currentTarget.value })}
        >
          <option value="">Any</option>
          {["CT", "MR", "PT"].map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary" disabled={pacs.busy}>
        Search
      </button>
    </form>
  );
}

function Progress({ pacs }: { pacs: PacsBrowser }) {
  const { done, total } = pacs.retrieving!;
  return (
    <div class="row progress" role="status">
      <progress value={done} max={total ?? undefined} aria-label="Images that have arrived" />
      <span class="numbers">
        {done} of {total ?? "…"} images
      </span>
      <button type="button" onClick={() => void pacs.cancel()}>
        Stop
      </button>
    </div>
  );
}

function Studies({ pacs }: { pacs: PacsBrowser }) {
  const { found, more } = pacs.studies!;
  return (
    <>
      {found.length === 0 && <p>Nothing was found. Try fewer or other values.</p>}
      {more && <p class="note">There are more studies than these {found.length}: narrow the search.</p>}
      <ul class="studies">
        {found.map((each) => (
          <li key={each.uid}>
            <button
              type="button"
              class="study"
              aria-expanded={pacs.study === each.uid}
              disabled={pacs.busy}
              onClick={() => void pacs.show(each.uid)}
            >
              <b>{each.patient_name ?? "No name"}</b>
              <span>{each.patient_id}</span>
              <span class="numbers">{dayOf(each.date)}</span>
              <span>{each.modalities}</span>
              <span class="ellipsis">{each.description}</span>
            </button>
            {pacs.study === each.uid && pacs.series && <SeriesList pacs={pacs} />}
          </li>
        ))}
      </ul>
    </>
  );
}

function SeriesList({ pacs }: { pacs: PacsBrowser }) {
  return (
    <ul class="series" aria-label="Series of the study">
      {pacs.series!.found.map((each) => (
        <li key={each.uid} class="row">
          <span class="numbers">{each.number}</span>
          <span>{each.modality}</span>
          <span class="grow ellipsis">{each.description ?? "No description"}</span>
          <span class="numbers dim">{each.instances === null ? "" : `${each.instances} images`}</span>
          <button type="button" disabled={pacs.busy} onClick={() => void pacs.retrieve(each.uid)}>
            Open
          </button>
        </li>
      ))}
    </ul>
  );
}
