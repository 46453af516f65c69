import { useEffect, useRef } from "preact/hooks";
import type { PlaneName } from "../api/wire_types";
import { ENDS, type EndName, type ShownEnds } from "../state/ends";
import type { OpenSession } from "../state/open_session";
import { paintMarks } from "../view/slice_bar_marks";
import { endReason, endWord } from "./end_words";
import { useObservables } from "./use_observables";
import "./styles/slice_bar.css";

/** Slices of a lower expected Dice have a colour of their own; `SUSPECT` in Python. */
const LOW_DICE = 0.7;
/** Likewise of a lower score, while they are computed: about this score promises that Dice. */
const LOW_SCORE = 0.5;

/** Shows the slice in view, encoded slices, slices with masks and their scores, and the bounds. */
export function SliceBar({ session, plane }: { session: OpenSession; plane: PlaneName }) {
  const { display } = session;
  const grid = session.geometry.grids[plane];
  const index = display.index(plane);
  const track = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useObservables(session.ends);
  const { shown } = session.ends;
  useEffect(() => paint(canvas.current, session, plane));
  useEffect(() => {
    const sizes = new ResizeObserver(() => paint(canvas.current, session, plane));
    sizes.observe(canvas.current!);
    return () => sizes.disconnect();
  }, [session, plane]);

  /** The position of a slice's middle on the bar, from its top, 0 to 1. */
  const share = (slice: number) => (grid.topIsLast ? grid.count - 0.5 - slice : slice + 0.5) / grid.count;
  const sliceAt = (clientY: number) => {
    const { top, height } = track.current!.getBoundingClientRect();
    const from = Math.floor(Math.min(0.9999, Math.max(0, (clientY - top) / height)) * grid.count);
    return grid.topIsLast ? grid.count - 1 - from : from;
  };
  const dragging = (move: (slice: number) => void, release?: () => void) => (event: PointerEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const target = event.currentTarget as HTMLElement;
    target.setPointerCapture(event.pointerId);
    target.focus({ preventScroll: true });
    move(sliceAt(event.clientY));
    const follow = (next: PointerEvent) => move(sliceAt(next.clientY));
    const stop = () => {
      target.removeEventListener("pointermove", follow);
      target.removeEventListener("pointerup", stop);
      target.removeEventListener("pointercancel", stop);
      release?.();
    };
    target.addEventListener("pointermove", follow);
    target.addEventListener("pointerup", stop);
    target.addEventListener("pointercancel", stop);
  };
  const step = (event: KeyboardEvent) => {
    const up = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    return grid.topIsLast ? up : -up;
  };

  return (
    <div ref={track} class="slice-bar">
      <div
        class="slice-track"
        role="slider"
        tabIndex={0}
        aria-orientation="vertical"
        aria-label={`${plane} slice`}
        aria-valuemin={0}
        aria-valuemax={grid.count - 1}
        aria-valuenow={index}
        aria-valuetext={`Slice ${index}, ${grid.position(index)}`}
        onPointerDown={dragging((slice) => display.goTo(plane, slice))}
        onKeyDown={(event) => {
          const by = step(event);
          if (!by) return;
          event.preventDefault();
          display.goTo(plane, index + by);
        }}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <div class="slice-thumb" style={{ top: `${100 * share(index)}%` }} />
      </div>
      {shown?.plane === plane &&
        ENDS.map((end) => (
          <EndHandle
            key={end}
            session={session}
            shown={shown}
            end={end}
            place={share(shown[end])}
            dragging={dragging}
            step={step}
          />
        ))}
    </div>
  );
}

interface HandleProps {
  session: OpenSession;
  shown: ShownEnds;
  end: EndName;
  place: number;
  dragging: (move: (slice: number) => void, release?: () => void) => (event: PointerEvent) => void;
  step: (event: KeyboardEvent) => number;
}

/** The handle of an end of the draft or of the target. What was trimmed or extended is requested at the release. */
function EndHandle({ session, shown, end, place, dragging, step }: HandleProps) {
  const grid = session.geometry.grids[shown.plane];
  const top = (end === "high") === grid.topIsLast;
  const what = shown.draft
    ? `${top ? "Upper" : "Lower"} bound of the object`
    : `${endWord(grid, end)[0].toUpperCase()}${endWord(grid, end).slice(1)} end of ${shown.name}`;
  const object = shown.draft ? null : session.object(shown.name);
  const why = object ? `, ${endReason(object, end)}` : "";
  return (
    <div
      class={`bound ${top ? "bound-top" : "bound-bottom"} ${shown.set[end] ? "" : "guessed"}`}
      style={{ top: `${100 * place}%`, "--end": shown.draft ? undefined : shown.colour }}
      role="slider"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={what}
      aria-valuemin={shown.range[end][0]}
      aria-valuemax={shown.range[end][1]}
      aria-valuenow={shown[end]}
      aria-valuetext={`Slice ${shown[end]}`}
      title={`${what}: slice ${shown[end]}${why}. Drag it inwards to trim, outwards to extend.`}
      onPointerDown={dragging(
        (slice) => session.ends.move(end, slice),
        () => session.ends.release(),
      )}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !shown.draft) {
          event.stopPropagation();
          session.ends.cancel();
        }
        const by = step(event);
        if (!by) return;
        event.preventDefault();
        session.ends.move(end, shown[end] + by);
      }}
      onKeyUp={(event) => step(event) && session.ends.release()}
      onBlur={() => session.ends.release()}
    />
  );
}

function paint(canvas: HTMLCanvasElement | null, session: OpenSession, plane: PlaneName): void {
  if (!canvas?.clientHeight) return;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const c = canvas.getContext("2d")!;
  c.clearRect(0, 0, width, height);
  const grid = session.geometry.grids[plane];
  const row = (index: number): [number, number] => {
    const from = grid.topIsLast ? grid.count - 1 - index : index;
    const top = Math.floor((from * height) / grid.count);
    return [top, Math.max(1, Math.ceil(((from + 1) * height) / grid.count) - top)];
  };
  const bar = (index: number, left: number, right: number, colour: string, alpha = 1) => {
    const [top, tall] = row(index);
    c.globalAlpha = alpha;
    c.fillStyle = colour;
    c.fillRect(left * width, top, (right - left) * width, tall);
  };
  for (const index of session.encoded[plane]) bar(index, 0, 0.14, "#7f8b99");
  const { draft } = session;
  const selected = session.object(session.selected);
  for (const object of session.objects)
    if (object.plane === plane && object.visible && object !== selected)
      for (const index of Object.keys(object.scores)) bar(Number(index), 0.78, 1, object.color, 0.5);
  const { running } = session.jobs;
  const selectedScores = selected?.plane === plane ? Object.entries(selected.expected_dice) : [];
  const scores = !session.busy
    ? selectedScores.map(([index, score]) => [Number(index), score])
    : running?.plane === plane
      ? [...running.scores]
      : [];
  const colour = selected?.color ?? session.draftColour;
  const low = session.busy ? LOW_SCORE : LOW_DICE;
  for (const [index, score] of scores) {
    const length = Math.min(1, Math.max(0.15, (score - 0.4) / 0.6));
    bar(index, 0.22, 0.22 + 0.5 * length, score < low ? "#ff8a5c" : colour);
  }
  paintMarks(bar, session, plane);
  if (draft?.plane === plane) {
    if (draft.bounds)
      for (let index = draft.bounds[0]; index <= draft.bounds[1]; index++)
        bar(index, 0.22, 0.72, "#f0e442", 0.28);
    bar(draft.index, 0.22, 1, "#f0e442");
  }
  c.globalAlpha = 1;
}
