import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { FirstSteps } from "./first_steps";
import { Icon } from "./icons";
import { MeasurementList } from "./measurement_list";
import { ObjectList } from "./object_list";
import { PromptDraftCard } from "./prompt_draft_card";
import { TargetChip } from "./target_chip";
import { useObservables } from "./use_observables";
import "./styles/card.css";
import "./styles/side_panel.css";

export function SidePanel({ app, session }: { app: App; session: OpenSession }) {
  useObservables(app, session);
  return (
    <aside class="side-panel" aria-label="Objects">
      <TargetChip session={session} />
      {session.state.interrupted && !session.busy && <Interrupted session={session} />}
      <div class="card-slot">
        {session.working ? (
          <JobCard session={session} />
        ) : session.draft ? (
          <PromptDraftCard session={session} draft={session.draft} />
        ) : null}
      </div>
      <ObjectList session={session} />
      <MeasurementList session={session} />
      <FirstSteps session={session} />
    </aside>
  );
}

function Interrupted({ session }: { session: OpenSession }) {
  const { name, finished, what } = session.state.interrupted!;
  return (
    <section class="card warning" aria-label="Interrupted edit">
      <h2>Interrupted</h2>
      <p>
        {what === "segment" ? "Segmenting" : "Correcting"} <b>{name}</b> stopped after {finished.length}{" "}
        {finished.length === 1 ? "slice" : "slices"}. Those are saved; Resume computes only the rest.
      </p>
      <div class="row">
        <button type="button" class="primary" onClick={() => session.resume()}>
          <Icon name="propagate" /> Resume
        </button>
        <button type="button" onClick={() => session.stop()}>
          Discard
        </button>
      </div>
    </section>
  );
}

function JobCard({ session }: { session: OpenSession }) {
  const { jobs } = session;
  const { running } = jobs;
  const { done, total } = running ?? { done: 0, total: null };
  const name = jobs.name;
  const scores = [...(running?.scores.values() ?? [])];
  const score = scores.length ? scores.reduce((sum, each) => sum + each, 0) / scores.length : null;
  return (
    <section class="card" aria-label="Running">
      <h2 class="ellipsis">{name}</h2>
      <progress {...(total ? { max: total, value: done } : {})} aria-label={`Slices of ${name}`} />
      <p class="row spread">
        <span class="numbers">
          {done}
          {total ? ` of ${total}` : ""} slices
        </span>
        {score !== null && <span class="numbers dim">score {Math.round(100 * score)} %</span>}
      </p>
      <button type="button" onClick={() => session.stop()}>
        <Icon name="stop" /> Stop <kbd>Esc</kbd>
      </button>
    </section>
  );
}
