/** What runs on the server, and what a crash interrupted: stop it and keep what is done, or discard it. */
import type { OpenSession } from "../state/open_session";
import { timeLeft } from "./end_words";
import { Icon } from "./icons";
import "./styles/card.css";
import "./styles/job_card.css";

const slices = (count: number) => `${count} ${count === 1 ? "slice" : "slices"}`;

export function JobCard({ session }: { session: OpenSession }) {
  const { jobs } = session;
  const { done, total, seconds } = jobs.running ?? { done: 0, total: null, seconds: null };
  const { name, phase, waiting } = jobs;
  const left = timeLeft(done, total, seconds);
  return (
    <section class="card job-card" aria-label="Running">
      <h2 class="ellipsis">{name}</h2>
      <progress {...(total ? { max: total, value: done } : {})} aria-label={`Slices of ${name}`} />
      <p class="row spread">
        <span class="numbers">
          {done}
          {total ? ` of ${total}` : ""} {(total || done) === 1 ? "slice" : "slices"}
        </span>
        <span class="dim" role="status">
          {phase === "stopping"
            ? "stopping after this slice …"
            : phase === "unknown"
              ? "not connected"
              : left}
        </span>
      </p>
      {waiting > 0 && (
        <p class="dim">
          {waiting} more {waiting === 1 ? "edit waits" : "edits wait"}.
        </p>
      )}
      <div class="row wrap">
        <button
          type="button"
          class="primary"
          disabled={phase !== "running"}
          title="The slices that are done stay, and can be continued later (Esc)"
          onClick={() => session.stop(true)}
        >
          <Icon name="stop" /> Stop and keep <kbd>Esc</kbd>
        </button>
        <button
          type="button"
          disabled={phase !== "running" && phase !== "stopping"}
          title="Stop, and leave everything as it was before"
          onClick={() => session.stop(false)}
        >
          Discard
        </button>
      </div>
    </section>
  );
}

export function InterruptedCard({ session }: { session: OpenSession }) {
  const { name, finished, what } = session.state.interrupted!;
  return (
    <section class="card job-card warning" aria-label="Interrupted edit">
      <h2>Interrupted</h2>
      <p>
        {what === "segment" ? "Segmenting" : "Correcting"} <b>{name}</b> was interrupted after{" "}
        {slices(finished.length)}. They are saved.
      </p>
      <div class="row wrap">
        <button type="button" class="primary" onClick={() => session.resume()}>
          <Icon name="propagate" /> Resume
        </button>
        <button
          type="button"
          title="What is done becomes an object, which can be corrected and continued"
          onClick={() => session.stop(true)}
        >
          Keep what is done
        </button>
        <button type="button" onClick={() => session.stop(false)}>
          Discard
        </button>
      </div>
    </section>
  );
}
