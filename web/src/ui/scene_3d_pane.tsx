import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { OpenSession } from "../state/open_session";
import { Surfaces } from "../state/surfaces";
import type { Direction, SceneObject, Viewer3d } from "../view/viewer_3d";
import { surroundingsOf } from "../volume/surroundings";
import { PaneHeader } from "./pane_header";
import { useObservables } from "./use_observables";
import "./styles/pane.css";
import "./styles/scene_3d.css";

const SIDES: Record<Direction, string> = {
  A: "anterior",
  P: "posterior",
  R: "right",
  L: "left",
  S: "superior",
  I: "inferior",
};

/** Whether WebGL runs on the CPU: the first 3D picture then blocks the page for seconds, so it waits for a click. */
function withoutGpu(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl && names ? String(gl.getParameter(names.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software/i.test(renderer);
}

/** Surfaces are recomputed when the masks have not changed for this long. */
const SURFACE_DELAY_MS = 250;

export function Scene3dPane({
  session,
  place,
  hidden,
}: {
  session: OpenSession;
  place: string;
  hidden: boolean;
}) {
  const { display } = session;
  useObservables(session, session.kind, display);
  const choices = surroundingsOf(session.volume);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [viewer, setViewer] = useState<Viewer3d | null>(null);
  const [around, setAround] = useState<string | null>(null);
  const chosen = choices.find((each) => each.name === around) ?? choices[0];
  const [error, setError] = useState<string | null>(null);
  const [side, setSide] = useState<Direction>("A");
  const [requested, setRequested] = useState(false);
  const [usable, setUsable] = useState(false);

  useEffect(() => {
    let current = true;
    void session.loading.usable.then(() => {
      if (!current) return;
      setUsable(true);
      setRequested(!withoutGpu());
    });
    return () => {
      current = false;
    };
  }, [session]);

  useEffect(() => {
    if (hidden || viewer || !requested) return;
    // NiiVue is most of the page's code, and only the 3D view needs it.
    import("../view/viewer_3d")
      .then((module) => setViewer(new module.Viewer3d(canvas.current!)))
      .catch(() =>
        setError("The 3D view needs WebGL2, which this browser does not have. Slices work without it."),
      );
  }, [hidden, viewer, requested]);
  useEffect(() => () => viewer?.dispose(), [viewer]);
  useEffect(() => {
    session.scene = hidden ? null : viewer;
    return () => {
      session.scene = null;
    };
  }, [session, viewer, hidden]);
  useEffect(() => {
    if (!viewer) return;
    session.loading
      .scene()
      .then((copy) => viewer.setVolume(copy, chosen.shown))
      .catch(() => setError("The picture around the objects did not arrive. Reload the page."));
  }, [viewer, chosen.name, session.volume]);

  const surfaces = useMemo(() => new Surfaces(session.labels), [session]);
  const shown = session.objects.filter((each) => each.visible && display.masks);
  const wanted = shown.map(({ id, color }) => `${id} ${color} ${session.labels.versionOf(id)}`);
  useEffect(() => {
    if (!viewer || hidden || session.busy) return;
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const made = await Promise.all(shown.map(({ id }) => surfaces.of(id)));
        if (!current) return;
        const objects = shown.map(({ color }, n) => ({ key: wanted[n], surface: made[n], colour: color }));
        await viewer.setObjects(objects.filter((each): each is SceneObject => each.surface !== null));
      } catch (problem) {
        setError((problem as Error).message);
      }
    }, SURFACE_DELAY_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [viewer, wanted.join(), hidden, session.busy]);

  return (
    <section class="pane scene-3d" data-place={place} hidden={hidden} aria-label="3D view">
      <PaneHeader display={display} pane="3d" name="3D">
        <b>3D</b>
        <select
          value={chosen.name}
          aria-label="Shown around the objects"
          onChange={(event) => setAround(event.currentTarget.value)}
        >
          {choices.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </PaneHeader>
      <div class="pane-view">
        <canvas
          ref={canvas}
          class="scene"
          tabIndex={0}
          aria-label="3D view of the objects; Shift and arrow keys turn it"
          onKeyDown={(event) => {
            const turn = { ArrowLeft: [-15, 0], ArrowRight: [15, 0], ArrowUp: [0, 15], ArrowDown: [0, -15] }[
              event.key
            ];
            if (!turn || !event.shiftKey) return;
            event.preventDefault();
            viewer?.turn(turn[0], turn[1]);
          }}
        />
        {usable && !requested && (
          <div class="scene-start">
            <button type="button" onClick={() => setRequested(true)}>
              Show 3D
            </button>
            <span>Without a GPU, the first picture takes some seconds.</span>
          </div>
        )}
        {error && <p class="pane-problem">{error}</p>}
      </div>
      {viewer && (
        <div class="view-from" role="group" aria-label="View from">
          {(Object.keys(SIDES) as Direction[]).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={side === each}
              aria-label={`View from ${SIDES[each]}`}
              title={`View from ${SIDES[each]}`}
              onClick={() => {
                viewer.viewFrom(each);
                setSide(each);
              }}
            >
              {each}
            </button>
          ))}
        </div>
      )}
    </section>
  );
}
