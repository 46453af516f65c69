/** What the project learns: a quiet line, and new weights that are offered to its owner. */
import type { Comparison, Learning, Offer } from "../api/project";
import type { Project } from "../state/project";
import { percent } from "../state/worklist";
import { PopoverMenu } from "./popover_menu";
import { useObservables } from "./use_observables";
import "./styles/learning_card.css";

export function learningText({ state, progress, message, next_after }: Learning): string {
  const what = message || "Learning";
  if (state === "running") return `${what} … ${percent(progress)}`;
  if (state === "paused") return `${what} … ${percent(progress)}, paused while you click`;
  if (state === "unavailable") return message || "This server does not learn.";
  if (next_after > 0)
    return `Learns after ${next_after === 1 ? "one more finished case" : `${next_after} more finished cases`}.`;
  return message || "Learns when cases are finished.";
}

const one = (value: number | null | undefined) => value?.toFixed(1).replace("-", "−") ?? "?";
const signed = (value: number | null | undefined) => `${value && value > 0 ? "+" : ""}${one(value)}`;

/** "3.1 instead of 4.6 actions per object, on 4 cases …"; null where nothing was compared. */
export function comparisonText(scores: Partial<Comparison>, cases: number): string | null {
  const { actions_before, actions_after, difference, low, high } = scores;
  if (typeof actions_after !== "number") return null;
  // Two patients have no interval.
  const interval = typeof low === "number" ? ` [${signed(low)}, ${signed(high)}]` : "";
  return (
    `${one(actions_after)} instead of ${one(actions_before)} actions per object, on ${cases} ` +
    `${cases === 1 ? "case" : "cases"} that they did not learn from ` +
    `(${signed(difference)}${interval})`
  );
}

export function offerText(offer: Offer): string {
  const compared = comparisonText(offer, offer.compared_on);
  return compared ? `New weights: ${compared}.` : "There are new weights.";
}

export function LearningLine({ project }: { project: Project }) {
  useObservables(project);
  const { learning } = project.info;
  const runs = learning.state === "running" || learning.state === "paused";
  return (
    <p class={`learning-card dim ${learning.state}`} role="status">
      {runs && <progress max={1} value={learning.progress} aria-label="Learning" />}
      {learningText(learning)}
    </p>
  );
}

/** New weights that need fewer actions; only the owner decides on them. */
export function OfferCard({ project }: { project: Project }) {
  useObservables(project);
  const { offer } = project.info;
  if (!offer || !project.may("owner")) return null;
  const decide = (answer: "accept" | "decline", done: string) =>
    project.change((requests) => requests.decide(offer.round, answer), done);
  return (
    <section class="card learning-card" aria-label="New weights">
      <p>
        {offerText(offer)} They learned from {offer.trained_on} finished cases.
      </p>
      <div class="row">
        <button type="button" class="primary" onClick={() => decide("accept", "The new weights are in use.")}>
          Accept
        </button>
        <button type="button" onClick={() => decide("decline", "The present weights stay in use.")}>
          Keep the present ones
        </button>
      </div>
    </section>
  );
}

/** Which weights are in use, and what their owner can do about it. */
export function WeightsMenu({ project, showRounds }: { project: Project; showRounds: () => void }) {
  const { round } = project.info.weights;
  const name = round === null ? "the default ones" : `round ${round}`;
  const busy = ["running", "paused"].includes(project.info.learning.state);
  return (
    <PopoverMenu text={`Weights: ${name} ▾`} label={`Weights: ${name} ▾`}>
      {(close) => (
        <div class="learning-card menu">
          <button
            type="button"
            disabled={round === null}
            onClick={() => {
              close();
              void project.change((requests) => requests.goBack(), "The weights before are in use again.");
            }}
          >
            Go back to the weights before
          </button>
          <button
            type="button"
            disabled={busy || project.info.learning.state === "unavailable"}
            onClick={() => {
              close();
              void project.change((requests) => requests.learn(), "A round of learning begins.");
            }}
          >
            Learn now
          </button>
          <button
            type="button"
            onClick={() => {
              close();
              showRounds();
            }}
          >
            Rounds of learning …
          </button>
        </div>
      )}
    </PopoverMenu>
  );
}
