import type { App } from "../state/app";
import type { Work } from "../state/open_session";
import { useStores } from "./use_observables";

/** What to do next, in one line. */
function advice(work: Work): string {
  const { draft, display } = work;
  const { tool } = display;
  if (work.job) return `${work.job.name} is growing through the slices. Esc stops it.`;
  if (draft?.asking) return "Looking at this slice …";
  if (draft?.problem) return draft.problem;
  if (draft)
    return "Enter walks this mask through the volume. A shows another of the four masks; [ and ] set the ends here.";
  if (tool === "measure") return "Drag to measure a distance in mm.";
  if (tool === "window") return "Drag: to the right widens the window, downwards darkens.";
  if (tool === "look") return "Click to move all planes there; double-click to enlarge a view.";
  if (tool === "point" || tool === "negative") {
    if (!work.selected) return "Click inside an organ to start an object.";
    return tool === "point"
      ? `Click what belongs to ${work.selected}; Shift-click or right-click what does not.`
      : `Click what does not belong to ${work.selected}.`;
  }
  const shape = { box: "Draw a box around", brush: "Paint roughly over", lasso: "Circle" }[tool];
  return `${shape} an object to start a new one.${work.selected ? ` Points (P) correct ${work.selected}.` : ""}`;
}

export function StatusBar({ app, work }: { app: App; work: Work }) {
  useStores(app, work, work.display);
  const plane = work.display.active;
  const grid = work.geometry.grids[plane];
  return (
    <footer class="status-bar">
      <span class="advice ellipsis" role="status">
        {advice(work)}
      </span>
      <span class="gap" />
      <span class="numbers" title="Slices that the model has looked at: prompts there are answered at once">
        {work.encoded[plane].size} / {grid.count} {plane} slices ready
      </span>
      <span title="The model">{app.info?.model.name}</span>
      <span class={work.online ? "online" : "offline"}>{work.online ? "Connected" : "Reconnecting …"}</span>
      <span class="disclaimer">Not for diagnostic use</span>
    </footer>
  );
}
