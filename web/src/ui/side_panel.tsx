import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { FirstSteps } from "./first_steps";
import { InterruptedCard, JobCard } from "./job_card";
import { MeasurementList } from "./measurement_list";
import { ObjectList } from "./object_list";
import { PromptDraftCard } from "./prompt_draft_card";
import { TargetChip } from "./target_chip";
import { useObservables } from "./use_observables";
import "./styles/side_panel.css";

export function SidePanel({ app, session }: { app: App; session: OpenSession }) {
  useObservables(app, session);
  return (
    <aside class="side-panel" aria-label="Objects">
      <TargetChip session={session} />
      {session.state.interrupted && !session.busy && <InterruptedCard session={session} />}
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
