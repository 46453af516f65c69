import { useState } from "preact/hooks";
import type { App } from "../state/app";
import {
  CASE_ORDERS,
  type Case,
  type CaseOrder,
  type CaseSession,
  caseList,
  gridText,
  scanText,
  shownCases,
  sizeText,
} from "../state/case_list";
import { modalityName } from "../volume/modality";
import { CaseThumbnail } from "./case_thumbnail";
import { Icon, IconButton } from "./icons";
import "./styles/cases.css";

/** Cases on the page at first; more on request, so that a large archive does not slow the page. */
const SHOWN = 60;
/** Sessions of a case that are listed at first. */
const SHOWN_SESSIONS = 3;

/** Every volume with its sessions: searched, sorted, opened and deleted. */
export function CaseList({ app }: { app: App }) {
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<CaseOrder>("changed");
  const [most, setMost] = useState(SHOWN);
  const { cases, withoutVolume, damaged } = caseList(app.volumes, app.sessions, app.uploads);
  const shown = shownCases(cases, search, order);
  const used = app.uploads.reduce((sum, each) => sum + each.bytes, 0);
  return (
    <section class="cases" aria-label="Cases">
      <div class="cases-bar">
        <h2>Cases</h2>
        <input
          type="search"
          value={search}
          placeholder="Search"
          aria-label="Search cases by name, series, patient or object"
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <label class="row">
          <span class="dim">Sort by</span>
          <select value={order} onChange={(event) => setOrder(event.currentTarget.value as CaseOrder)}>
            {CASE_ORDERS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="dim" role="status">
        {shown.length === cases.length
          ? count(cases.length, "case")
          : `${shown.length} of ${count(cases.length, "case")}`}
        {used > 0 && ` · ${count(app.uploads.length, "upload")}, ${sizeText(used)} on the server's disk`}
      </p>
      {cases.length === 0 && <p class="dim">There are no cases yet. Drop a volume above.</p>}
      <ul class="case-grid">
        {shown.slice(0, most).map((each) => (
          <CaseItem key={each.volume.id} app={app} item={each} />
        ))}
      </ul>
      {shown.length > most && (
        <button type="button" onClick={() => setMost(most + SHOWN)}>
          Show more: {shown.length - most} are left
        </button>
      )}
      {damaged.length > 0 && (
        <>
          <h3>Uploads that can no longer be read</h3>
          <ul>
            {damaged.map((each) => (
              <li key={each.id} class="case-line">
                <span>
                  {each.name} · {sizeText(each.bytes)} · {dateText(each.created)}
                </span>
                <IconButton
                  icon="trash"
                  label={`Delete the upload ${each.name}`}
                  run={() => app.deleteUpload(each)}
                />
              </li>
            ))}
          </ul>
        </>
      )}
      {withoutVolume.length > 0 && (
        <>
          <h3>Sessions whose volume is not here now</h3>
          <ul>
            {withoutVolume.map((each) => (
              <li key={each.id} class="case-line">
                <span>
                  {each.name} · {objectsText(each)} · {dateText(each.changed)}
                </span>
                <IconButton
                  icon="trash"
                  label={`Delete the session on ${each.name}`}
                  run={() => app.deleteSession(each)}
                />
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function CaseItem({ app, item }: { app: App; item: Case }) {
  const [everySession, setEverySession] = useState(false);
  const { volume, sessions } = item;
  const modality = volume.modality ?? sessions[0]?.session.modality;
  const upload = app.uploads.find((each) => each.id === volume.upload);
  const listed = everySession ? sessions : sessions.slice(0, SHOWN_SESSIONS);
  return (
    <li class="case">
      <div class="case-head">
        <button
          type="button"
          class="case-open"
          title={sessions.length ? "Continue the latest session" : "Start a session"}
          onClick={() => app.openVolume(volume.id)}
        >
          <CaseThumbnail volume={volume} thumbnails={app.thumbnails} />
          <span class="case-text">
            <b>{volume.name}</b>
            {volume.patient && <span>{patientText(volume.patient)}</span>}
            {volume.labels && <span class="note">Looks like a label map</span>}
            <span class="dim">
              {modality && `${modalityName(modality)} · `}
              {gridText(volume)}
            </span>
            <span class="dim">
              {[scanText(volume), sizeText(volume.bytes), dateText(volume.added)].filter(Boolean).join(" · ")}
            </span>
          </span>
        </button>
        {volume.labels && (
          <button type="button" class="quiet" onClick={() => app.intake.chooseAgain(volume)}>
            Use as masks
          </button>
        )}
        {upload && (
          <IconButton
            icon="trash"
            label={`Delete the upload ${upload.name}`}
            disabled={app.session !== null && upload.volumes.includes(app.session.volume.id)}
            run={() => app.deleteUpload(upload)}
          />
        )}
      </div>
      {sessions.length > 0 && (
        <ul class="case-sessions">
          {listed.map((each) => (
            <SessionItem key={each.session.id} app={app} name={volume.name} item={each} />
          ))}
          <li class="case-line">
            <button type="button" class="quiet" onClick={() => app.openVolume(volume.id, true)}>
              <Icon name="plus" /> New session
            </button>
            {listed.length < sessions.length && (
              <button type="button" class="quiet" onClick={() => setEverySession(true)}>
                {sessions.length - listed.length} more
              </button>
            )}
          </li>
        </ul>
      )}
    </li>
  );
}

function SessionItem({ app, name, item }: { app: App; name: string; item: CaseSession }) {
  const { session, number } = item;
  const open = session.id === app.session?.state.id;
  return (
    <li class="case-line">
      <button type="button" class="quiet case-session" onClick={() => app.openSession(session.id)}>
        <Icon name="again" />
        <span>
          Session {number}
          {open && " (open)"}
          {session.interrupted && " (interrupted)"} · {objectsText(session)} · {timeText(session.changed)}
        </span>
      </button>
      <IconButton
        icon="trash"
        label={`Delete session ${number} on ${name}`}
        disabled={open}
        run={() => app.deleteSession(session)}
      />
    </li>
  );
}

function patientText(patient: { name: string; id: string; study_date: string; study: string }): string {
  const parts = [patient.name, patient.id, patient.study, patient.study_date];
  return [...new Set(parts)].filter(Boolean).join(" · "); // anonymised names are often the id
}

/** "liver, spleen and 3 more". */
function objectsText({ objects, object_names: names }: { objects: number; object_names: string[] }): string {
  if (objects === 0) return "no objects";
  if (names.length === 0) return count(objects, "object");
  const more = names.length - 3;
  return names.slice(0, 3).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
const dateText = (iso: string) => new Date(iso).toLocaleDateString([], { dateStyle: "medium" });
const timeText = (iso: string) =>
  new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
