import { useEffect, useRef } from "preact/hooks";
import type { PlaneName } from "../api/wire_types";
import type { PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { listen } from "../view/pane_input";
import { SlicePane } from "../view/slice_pane";
import { PaneHeader } from "./pane_header";
import { PaneLoading } from "./pane_loading";
import { SliceBar } from "./slice_bar";
import { useObservables } from "./use_observables";
import "./styles/pane.css";

interface Props {
  session: OpenSession;
  plane: PlaneName;
  place: string;
  hidden: boolean;
  panes: Map<PaneName, SlicePane>;
}

export function SlicePaneView({ session, plane, place, hidden, panes }: Props) {
  const { display } = session;
  useObservables(session, display);
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const pane = new SlicePane(host.current!, session, plane);
    const stop = listen(pane);
    panes.set(plane, pane);
    return () => {
      stop();
      pane.dispose();
      panes.delete(plane);
    };
  }, [session, plane]);
  const grid = session.geometry.grids[plane];
  const index = display.index(plane);
  const { tiltDeg, letters } = grid;
  const title = tiltDeg ? `Near ${plane}` : plane[0].toUpperCase() + plane.slice(1);
  return (
    <section class={`pane ${display.active === plane ? "active" : ""}`} data-place={place} hidden={hidden}>
      <PaneHeader display={display} pane={plane} name={plane}>
        <b>{title}</b>
        <span class="numbers">
          {index}
          <span class="pane-total"> / {grid.count - 1}</span>
        </span>
        <span class="pane-mm numbers">{grid.position(index)}</span>
        {tiltDeg > 0 && (
          <span
            class="pane-oblique"
            title={`The volume is stored at an angle: these slices are ${tiltDeg}° from ${plane}. They are shown as stored.`}
          >
            <span class="pane-from">oblique: </span>
            {tiltDeg}°<span class="pane-from"> from {plane}</span>
          </span>
        )}
      </PaneHeader>
      <div
        ref={host}
        class="pane-view"
        role="application"
        data-plane={plane}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application region, where keys scroll and draw
        tabIndex={0}
        aria-label={`${title} view, slice ${index} of ${grid.count}. Arrow keys change the slice; ? shows all keys.`}
        onFocus={() => display.set({ active: plane })}
      >
        {(["left", "right", "top", "bottom"] as const).map((side) => (
          <span key={side} class={`letter ${side}`}>
            {letters[side]}
          </span>
        ))}
        <PaneLoading session={session} plane={plane} />
      </div>
      <SliceBar session={session} plane={plane} />
    </section>
  );
}
