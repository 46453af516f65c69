import type { App } from "../state/app";
import type { Work } from "../state/open_session";
import { FirstSteps } from "./first_steps";
import { Icon } from "./icons";
import { ObjectList } from "./object_list";
import { DraftCard } from "./prompt_draft_card";
import { useStores } from "./use_observables";

export function SidePanel({ app, work }: { app: App; work: Work }) {
  useStores(app, work);
  return (
    <aside class="side-panel" aria-label="Objects">
      {work.session.interrupted && !work.busy && <Interrupted work={work} />}
      <div class="card-slot">
        {work.job ? (
          <JobCard work={work} />
        ) : work.draft ? (
          <DraftCard work={work} draft={work.draft} />
        ) : null}
      </div>
      <ObjectList work={work} />
      <FirstSteps work={work} />
    </aside>
  );
}

function Interrupted({ work }: { work: Work }) {
  const { name, finished, what } = work.session.interrupted!;
  return (
    <section class="card warning" aria-label="Interrupted work">
      <h2>Interrupted</h2>
      <p>
        {what === "segment" ? "Segmenting" : "Correcting"} <b>{name}</b> stopped after {finished.length}{" "}
        {finished.length === 1 ? "slice" : "slices"}. Those are kept; going on takes only the rest.
      </p>
      <div class="row">
        <button type="button" class="primary" onClick={() => work.resume()}>
          <Icon name="walk" /> Resume
        </button>
        <button type="button" onClick={() => work.stop()}>
          Discard
        </button>
      </div>
    </section>
  );
}

function JobCard({ work }: { work: Work }) {
  const { name, done, total } = work.job!;
  const scores = [...work.walked.values()];
  const sure = scores.length ? scores.reduce((sum, each) => sum + each, 0) / scores.length : null;
  return (
    <section class="card" aria-label="Running">
      <h2 class="ellipsis">{name}</h2>
      <progress {...(total ? { max: total, value: done } : {})} aria-label={`Slices of ${name}`} />
      <p class="row spread">
        <span class="numbers">
          {done}
          {total ? ` of ${total}` : ""} slices
        </span>
        {sure !== null && <span class="numbers dim">{Math.round(100 * sure)} % sure</span>}
      </p>
      <button type="button" onClick={() => work.stop()}>
        <Icon name="stop" /> Stop <kbd>Esc</kbd>
      </button>
    </section>
  );
}
