import { useEffect, useState } from "preact/hooks";
import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { ChosenLabel } from "./chosen_label";
import { FirstSteps } from "./first_steps";
import { Icon } from "./icons";
import { InterruptedCard, JobCard } from "./job_card";
import { LabelList } from "./label_list";
import { MeasurementList } from "./measurement_list";
import { ObjectList } from "./object_list";
import { PromptDraftCard } from "./prompt_draft_card";
import { TargetChip } from "./target_chip";
import { useObservables } from "./use_observables";
import "./styles/side_panel.css";

/** Beside the views; on an upright tablet a sheet at the lower edge, which opens for whatever needs an answer. */
export function SidePanel({ app, session }: { app: App; session: OpenSession }) {
  useObservables(app, session, session.display);
  const [open, setOpen] = useState(true);
  const asks = session.draft !== null || session.busy;
  useEffect(() => {
    if (asks) setOpen(true);
  }, [asks]);
  const work = app.project?.work ?? null;
  const objects = work ? (
    <LabelList key="labels" app={app} project={app.project!} work={work} />
  ) : (
    <ObjectList key="objects" session={session} />
  );
  const measurements = <MeasurementList key="measurements" session={session} />;
  return (
    <aside class="side-panel" aria-label="Objects">
      <div class="sheet-head">
        {work?.chosen ? <ChosenLabel work={work} /> : <TargetChip session={session} />}
        <button
          type="button"
          class="sheet-toggle"
          aria-expanded={open}
          aria-controls="side-sheet"
          onClick={() => setOpen(!open)}
        >
          <Icon name="sheet" /> {work ? "Labels" : "Objects"}{" "}
          <span class="dim numbers">{work?.rows.length ?? session.objects.length}</span>
        </button>
      </div>
      <div id="side-sheet" class={`sheet ${open ? "" : "closed"}`}>
        {session.state.interrupted && !session.busy && <InterruptedCard session={session} />}
        <div class="card-slot">
          {session.working ? (
            <JobCard session={session} />
          ) : session.draft ? (
            <PromptDraftCard session={session} draft={session.draft} />
          ) : null}
        </div>
        {session.display.tool === "measure" ? [measurements, objects] : [objects, measurements]}
        <FirstSteps session={session} />
      </div>
    </aside>
  );
}
