import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { keyLabel } from "./keyboard";
import { useObservables } from "./use_observables";
import "./styles/status_bar.css";

/** The next step, in one line. */
function advice(session: OpenSession): string {
  const { draft, display } = session;
  const { tool } = display;
  const { jobs } = session;
  if (jobs.phase === "unknown")
    return `The connection to the server is lost, while it worked on ${jobs.name}. Waiting for it …`;
  if (jobs.busy) return `Propagating ${jobs.name} through the volume. Esc stops it.`;
  if (draft?.predicting) return "Predicting on this slice …";
  if (draft?.error) return draft.error;
  if (draft)
    return (
      "Enter propagates this mask through the volume. A shows another of the four masks; " +
      `${keyLabel("[")} and ${keyLabel("]")} set the bounds.`
    );
  if (tool === "measure") return measuringAdvice(session);
  if (tool === "window") return "Drag to the right to widen the window, downwards to darken.";
  if (tool === "navigate") return "Click to move all planes there; double-click to enlarge a view.";
  if (tool === "point" || tool === "negative") {
    if (!session.selected) return "Click inside an organ to start an object.";
    return tool === "point"
      ? `Click what is missing from ${session.selected}; Shift-click or right-click what is too much.`
      : `Click what is too much in ${session.selected}.`;
  }
  const shape = { box: "Draw a box around", brush: "Paint over", lasso: "Circle" }[tool];
  return `${shape} an object to start a new one.${session.selected ? ` Points (P) correct ${session.selected}.` : ""}`;
}

function measuringAdvice({ measurements }: OpenSession): string {
  const { kind, started, selected } = measurements;
  if (started) return "Click the end of the angle's second side. Esc gives it up.";
  if (selected) return "Drag the line or its ends to change it; Delete removes it, Ctrl+Z undoes.";
  if (kind === "length") return "Drag to measure a length in mm.";
  if (kind === "angle") return "Drag the first side of the angle towards its vertex.";
  return `Drag ${kind === "ellipse" ? "an ellipse" : "a rectangle"} to measure its mean and area.`;
}

export function StatusBar({ app, session }: { app: App; session: OpenSession }) {
  useObservables(app, session, session.display, session.measurements);
  const plane = session.display.active;
  const grid = session.geometry.grids[plane];
  return (
    <footer class="status-bar">
      <span class="advice ellipsis" role="status">
        {advice(session)}
      </span>
      <span class="gap" />
      <span class="numbers" title="Encoded slices: the model predicts at once there">
        {session.encoded[plane].size} / {grid.count} {plane} slices encoded
      </span>
      <span title="The model">{app.info?.model.name}</span>
      <span class={session.online ? "online" : "offline"}>
        {session.online ? "Connected" : "Reconnecting …"}
      </span>
      <span class="disclaimer">Not for diagnostic use</span>
    </footer>
  );
}
