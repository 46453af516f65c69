import { useEffect, useState } from "preact/hooks";
import type { PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import type { SlicePane } from "../view/slice_pane";
import { shortNumber } from "../volume/measured_values";

/** Says the slice once keys rest: a key that is held down would say every slice. */
const REST_MS = 400;

/** Tells a screen reader where the keys have led in the view that has the focus. */
export function Announcer({ session, panes }: { session: OpenSession; panes: Map<PaneName, SlicePane> }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const { display } = session;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let before = where(session, panes.get(display.active));
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const now = where(session, panes.get(display.active));
        const inView = document.activeElement?.matches("[role=application]") ?? false;
        if (now !== before && inView) setText(now);
        before = now;
      }, REST_MS);
    };
    const stops = [display.subscribe(changed), display.pointing.subscribe(changed)];
    return () => {
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, [session, panes]);
  return (
    <p class="sr-only" role="status" aria-label="Position">
      {text}
    </p>
  );
}

/** The slice of a view, and the voxel under the cursor that keys move. */
function where(session: OpenSession, pane: SlicePane | undefined): string {
  if (!pane) return "";
  const slice = `${pane.plane} slice ${pane.index}, ${pane.grid.position(pane.index)}`;
  const { pointer } = session.display;
  if (!pane.byKeys || pointer?.plane !== pane.plane) return slice;
  const ijk = pane.grid.xyToIjk(pane.index, Math.round(pointer.x), Math.round(pointer.y));
  const value = session.loading.valueAt(ijk);
  return `${slice}. Voxel ${ijk.join(", ")}${value === null ? "" : `: ${shortNumber(value)}${session.unit}`}`;
}
