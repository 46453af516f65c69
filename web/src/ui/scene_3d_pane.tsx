import { useEffect, useRef, useState } from "preact/hooks";
import type { OpenSession } from "../state/open_session";
import type { Around, Direction, SceneObject, Viewer } from "../view/viewer_3d";
import { surfaceOf } from "../volume/object_surface";
import { IconButton } from "./top_bar";
import { useStores } from "./use_observables";

const SIDES: Record<Direction, string> = {
  A: "anterior",
  P: "posterior",
  R: "right",
  L: "left",
  S: "superior",
  I: "inferior",
};

/** Whether WebGL runs on the CPU: then the first 3D picture stops the page for seconds, and is made on demand. */
function withoutGpu(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl && names ? String(gl.getParameter(names.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software/i.test(renderer);
}

/** Surfaces are made again when the masks have been still for this long. */
const STILL_MS = 250;

export function ScenePane({
  session,
  place,
  hidden,
}: {
  session: OpenSession;
  place: string;
  hidden: boolean;
}) {
  const { display } = session;
  useStores(session, display);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [around, setAround] = useState<Around>("bones");
  const [problem, setProblem] = useState<string | null>(null);
  const [from, setFrom] = useState<Direction>("A");
  const [wanted, setWanted] = useState(false);
  const loaded = session.voxels !== null;

  useEffect(() => {
    if (loaded) setWanted(!withoutGpu());
  }, [loaded]);

  useEffect(() => {
    if (!loaded || hidden || viewer || !wanted) return;
    // NiiVue is most of the page's code and nothing before this needs it.
    import("../view/viewer_3d")
      .then((module) => setViewer(new module.Viewer(canvas.current!)))
      .catch(() => setProblem("3D needs WebGL2, which this browser does not offer."));
  }, [loaded, hidden, viewer, wanted]);
  useEffect(() => () => viewer?.dispose(), [viewer]);
  useEffect(() => {
    if (viewer && session.voxels) void viewer.setVolume(session.voxels, session.geometry, around);
  }, [viewer, around]);

  const version = session.busy ? -1 : session.labels.version;
  const shown = session.objects.filter((each) => each.visible && display.masks);
  const look = shown.map((each) => `${each.id} ${each.color}`).join();
  useEffect(() => {
    if (!viewer || hidden || session.busy) return;
    const timer = setTimeout(() => {
      void viewer.setObjects(shown.map(sceneObject(session)).filter((each) => each !== null));
    }, STILL_MS);
    return () => clearTimeout(timer);
  }, [viewer, version, look, hidden]);

  return (
    <section class="pane" data-place={place} hidden={hidden} aria-label="3D view">
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
        {loaded && !wanted && (
          <div class="scene-start">
            <button type="button" onClick={() => setWanted(true)}>
              Show 3D
            </button>
            <span>There is no GPU here, so this takes a moment.</span>
          </div>
        )}
        {problem && <p class="pane-problem">{problem}</p>}
      </div>
      <div class="pane-title">
        <b>3D</b>
        <select
          value={around}
          aria-label="Shown around the objects"
          onChange={(event) => setAround(event.currentTarget.value as Around)}
        >
          <option value="bones">with bones</option>
          <option value="skin">with body</option>
          <option value="nothing">objects only</option>
        </select>
      </div>
      {viewer && (
        <div class="view-from" role="group" aria-label="Look from">
          {(Object.keys(SIDES) as Direction[]).map((side) => (
            <button
              key={side}
              type="button"
              aria-pressed={from === side}
              aria-label={`Look from ${SIDES[side]}`}
              title={`Look from ${SIDES[side]}`}
              onClick={() => {
                viewer.lookFrom(side);
                setFrom(side);
              }}
            >
              {side}
            </button>
          ))}
        </div>
      )}
      <IconButton icon="enlarge" label="3D alone, or back" run={() => display.enlarge("3d")} />
    </section>
  );
}

/** The surface of an object, made again only when its masks have changed. */
function sceneObject(session: OpenSession): (object: OpenSession["objects"][number]) => SceneObject | null {
  return (object) => {
    const surface = surfaceOf(session.labels, object.id);
    return (
      surface && {
        key: `${object.id} ${object.color} ${session.labels.version}`,
        surface,
        colour: object.color,
      }
    );
  };
}
