import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { useStores } from "./use_observables";

/** What to do next, in one line. */
function advice(session: OpenSession): string {
  const { draft, display } = session;
  const { tool } = display;
  if (session.job) return `${session.job.name} is growing through the slices. Esc stops it.`;
  if (draft?.asking) return "Looking at this slice …";
  if (draft?.problem) return draft.problem;
  if (draft)
    return "Enter walks this mask through the volume. A shows another of the four masks; [ and ] set the ends here.";
  if (tool === "measure") return "Drag to measure a distance in mm.";
  if (tool === "window") return "Drag: to the right widens the window, downwards darkens.";
  if (tool === "look") return "Click to move all planes there; double-click to enlarge a view.";
  if (tool === "point" || tool === "negative") {
    if (!session.selected) return "Click inside an organ to start an object.";
    return tool === "point"
      ? `Click what belongs to ${session.selected}; Shift-click or right-click what does not.`
      : `Click what does not belong to ${session.selected}.`;
  }
  const shape = { box: "Draw a box around", brush: "Paint roughly over", lasso: "Circle" }[tool];
  return `${shape} an object to start a new one.${session.selected ? ` Points (P) correct ${session.selected}.` : ""}`;
}

export function StatusBar({ app, session }: { app: App; session: OpenSession }) {
  useStores(app, session, session.display);
  const plane = session.display.active;
  const grid = session.geometry.grids[plane];
  return (
    <footer class="status-bar">
      <span class="advice ellipsis" role="status">
        {advice(session)}
      </span>
      <span class="gap" />
      <span class="numbers" title="Slices that the model has looked at: prompts there are answered at once">
        {session.encoded[plane].size} / {grid.count} {plane} slices ready
      </span>
      <span title="The model">{app.info?.model.name}</span>
      <span class={session.online ? "online" : "offline"}>
        {session.online ? "Connected" : "Reconnecting …"}
      </span>
      <span class="disclaimer">Not for diagnostic use</span>
    </footer>
  );
}
