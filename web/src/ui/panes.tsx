import { useEffect, useRef, useState } from "preact/hooks";
import type { Display, PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import type { SlicePane } from "../view/slice_pane";
import { MasksHidden } from "./masks_hidden";
import { Scene3dPane } from "./scene_3d_pane";
import { SlicePaneView } from "./slice_pane_view";
import { Splitter } from "./splitter";
import "./styles/panes.css";
import { useObservables } from "./use_observables";

const PANES: PaneName[] = ["axial", "coronal", "sagittal", "3d"];

/** The views, in one of three layouts, with splitters between them. */
export function Panes({ session, panes }: { session: OpenSession; panes: Map<PaneName, SlicePane> }) {
  const { display } = session;
  useObservables(display, display.sizes);
  const host = useRef<HTMLElement>(null);
  const [tall, setTall] = useState(false);
  useEffect(() => {
    const { current } = host;
    const sizes = new ResizeObserver(() => setTall(current!.clientHeight > current!.clientWidth));
    sizes.observe(current!);
    return () => sizes.disconnect();
  }, []);
  let small = 0;
  return (
    <main
      ref={host}
      class={`panes layout-${display.layout} ${tall ? "tall" : ""}`}
      style={gridOf(display, tall)}
      aria-label="Views"
    >
      {PANES.map((name) => {
        const place = display.layout === "quad" ? name : name === display.large ? "large" : `small${++small}`;
        const hidden = display.layout === "single" && place !== "large";
        return name === "3d" ? (
          <Scene3dPane key={name} session={session} place={place} hidden={hidden} />
        ) : (
          <SlicePaneView
            key={name}
            session={session}
            plane={name}
            place={place}
            hidden={hidden}
            panes={panes}
          />
        );
      })}
      <MasksHidden display={display} />
      <Splitters display={display} tall={tall} />
    </main>
  );
}

function gridOf({ layout, sizes }: Display, tall: boolean) {
  const parts = (...ends: number[]) =>
    [...ends, 1].map((end, n) => `minmax(0, ${100 * (end - (n ? ends[n - 1] : 0))}fr)`).join(" ");
  if (layout === "single") return { gridTemplateColumns: parts(), gridTemplateRows: parts() };
  if (layout === "quad")
    return {
      gridTemplateColumns: parts(sizes.share("across")),
      gridTemplateRows: parts(sizes.share("down")),
    };
  const large = parts(sizes.share(tall ? "tall large" : "large"));
  const stack = tall
    ? parts(sizes.share("tall first"), sizes.share("tall second"))
    : parts(sizes.share("first"), sizes.share("second"));
  return tall
    ? { gridTemplateColumns: stack, gridTemplateRows: large }
    : { gridTemplateColumns: large, gridTemplateRows: stack };
}

function Splitters({ display: { layout, sizes }, tall }: { display: Display; tall: boolean }) {
  if (layout === "single") return null;
  if (layout === "quad")
    return (
      <>
        <Splitter
          sizes={sizes}
          name="across"
          label="Width of the left views"
          vertical
          area="1 / 1 / -1 / 2"
        />
        <Splitter
          sizes={sizes}
          name="down"
          label="Height of the upper views"
          vertical={false}
          area="1 / 1 / 2 / -1"
        />
      </>
    );
  const of = (name: "large" | "first" | "second") => (tall ? (`tall ${name}` as const) : name);
  return (
    <>
      <Splitter
        sizes={sizes}
        name={of("large")}
        label="Size of the large view"
        vertical={!tall}
        area="large"
      />
      <Splitter
        sizes={sizes}
        name={of("first")}
        label="Size of the first small view"
        vertical={tall}
        area="small1"
      />
      <Splitter
        sizes={sizes}
        name={of("second")}
        label="Size of the second small view"
        vertical={tall}
        area="small2"
      />
    </>
  );
}
