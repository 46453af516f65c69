import { aimOf } from "../state/aim";
import type { App } from "../state/app";
import { NO_LABELS } from "../state/label_rules";
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
  if (session.working)
    return `Propagating ${jobs.name} through the volume. Esc stops it and keeps what is done.`;
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
  return drawingAdvice(session);
}

/** What the tool in hand does to its target. */
function drawingAdvice(session: OpenSession): string {
  const { tool } = session.display;
  const { name, begins, byHand, locked } = aimOf(session)!;
  if (locked)
    return session.rules === NO_LABELS
      ? `${name} is locked: unlock it (K), or start a new object (O).`
      : `${name} is done: press K to change it.`;
  if (tool === "brush" || tool === "erase" || tool === "lasso")
    return strokeAdvice(tool, begins, name, byHand);
  if (begins)
    return {
      box: name
        ? `Draw a box around ${name} to start it.`
        : "Draw a box around an organ or a tumour to start a new object.",
      point: `Click inside ${name ?? "an organ"} to start ${name ? "it" : "an object"}.`,
      negative: "Choose an object first (, and .): a negative point takes from it.",
      scribble: `Draw a line through ${name ?? "an organ"} to start ${name ? "it" : "an object"}.`,
    }[tool as "box"];
  return {
    box: `Draw a box around ${name} on a slice of its plane: the model predicts the slice anew.`,
    point: `Click what is missing from ${name}; Shift-click or right-click what is too much.`,
    negative: `Click what is too much in ${name}.`,
    scribble: `Draw a line through what is missing from ${name}; with Shift, through what is too much.`,
  }[tool as "box"];
}

function strokeAdvice(
  tool: "brush" | "erase" | "lasso",
  begins: boolean,
  name: string | null,
  byHand: boolean,
): string {
  if (tool === "erase")
    return begins
      ? "Choose an object to erase from (, and .)."
      : `Erase from ${name}: no propagation brings it back. Shift paints.`;
  const verb = tool === "brush" ? "Paint" : "Circle";
  if (byHand)
    return begins
      ? `${verb} ${name ?? "a new object"} by hand.`
      : `${verb} what belongs to ${name}: it stays as drawn. ${tool === "brush" ? "Shift erases" : "Shift or the right button cuts"}.`;
  if (begins) return `${verb} ${name ?? "an object"} roughly: the model finds its outline.`;
  return `${verb} what is missing from ${name} for the model; with Shift, what is too much.`;
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
  useObservables(app, session, session.display, session.hand, session.measurements);
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
      <span title="The model">{session.state.model}</span>
      <span class={session.online ? "online" : "offline"}>
        {session.online ? "Connected" : "Reconnecting …"}
      </span>
      <span class="disclaimer">Not for diagnostic use</span>
    </footer>
  );
}
