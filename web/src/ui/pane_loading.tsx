import type { PlaneName } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import "./styles/pane_loading.css";
import { useObservables } from "./use_observables";

/** How much of the volume has arrived, and whether this slice is still its coarse copy; nothing once all is here. */
export function PaneLoading({ session, plane }: { session: OpenSession; plane: PlaneName }) {
  const { loading, display } = session;
  useObservables(loading, display);
  if (loading.complete) return null;
  const coarse = !loading.hasSlice(plane, display.index(plane));
  const percent = Math.floor(100 * loading.share);
  return (
    <span class="pane-loading" data-coarse={coarse}>
      {coarse && <b role="status">{loading.coarse ? "Coarse picture" : "Loading"}</b>}
      <span>{loading.waits ? "Waiting for the server" : `${percent} % loaded`}</span>
    </span>
  );
}
