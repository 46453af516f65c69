import { useEffect, useRef } from "preact/hooks";
import type { RunsMask } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { type Draft, guessedBounds, promptKind } from "../state/prompt_draft";
import { decodeRuns } from "../volume/run_lengths";
import { Icon } from "./icons";

/** Names that DICOM SEG and RTSTRUCT have codes for, as a start; any other name will do. */
const SUGGESTIONS = [
  "liver",
  "spleen",
  "kidney_right",
  "kidney_left",
  "pancreas",
  "aorta",
  "heart",
  "lung",
  "tumor",
];

export function DraftCard({ session, draft }: { session: OpenSession; draft: Draft }) {
  const grid = session.geometry.grids[draft.plane];
  const kind = promptKind(draft.prompt);
  const existing = session.object(draft.name);
  const { bounds } = draft;
  return (
    <section class="card draft" aria-label="New prompt">
      <label class="field">
        <span>Object</span>
        <span class="name-field">
          <i class="swatch" style={{ background: session.draftColour }} />
          <input
            type="text"
            value={draft.name}
            list="organ-names"
            maxLength={64}
            spellcheck={false}
            onFocus={(event) => event.currentTarget.select()}
            onInput={(event) => session.changeDraft({ name: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key !== "Enter" && event.key !== "Escape") return;
              event.currentTarget.blur();
              if (event.key === "Enter") void session.walk();
            }}
          />
        </span>
        <datalist id="organ-names">
          {SUGGESTIONS.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      {existing && (
        <p class="note">{existing.locked ? `${draft.name} is locked.` : `This starts ${draft.name} anew.`}</p>
      )}
      <p class="dim">
        {kind === "box" ? "Box" : kind === "point" ? "Point" : "Rough mask"}
        {draft.points.length > 0 &&
          ` and ${draft.points.length} ${draft.points.length === 1 ? "point" : "points"}`}{" "}
        on {draft.plane} slice {draft.index}
        {draft.ms !== null && !draft.asking && <span class="numbers"> · {Math.round(draft.ms)} ms</span>}
      </p>
      <Alternatives session={session} draft={draft} />
      <fieldset class="ends">
        <legend>Ends of the object</legend>
        <label>
          <input
            type="radio"
            name="ends"
            checked={!bounds}
            onChange={() => session.changeDraft({ bounds: null, said: { low: false, high: false } })}
          />
          Find them <kbd>F</kbd>
        </label>
        <label>
          <input
            type="radio"
            name="ends"
            checked={bounds !== null}
            onChange={() => session.changeDraft({ bounds: guessedBounds(draft, grid) })}
          />
          Set them <kbd>[</kbd> <kbd>]</kbd>
        </label>
        <span class="numbers ends-values">{bounds ? `${bounds[0]} – ${bounds[1]}` : "by the stop rule"}</span>
      </fieldset>
      <div class="row">
        <button
          type="button"
          class="primary grow"
          disabled={!draft.name.trim() || existing?.locked}
          onClick={() => session.walk()}
        >
          <Icon name="walk" /> Walk <kbd>Enter</kbd>
        </button>
        <button type="button" onClick={() => session.dropDraft()}>
          Drop <kbd>Esc</kbd>
        </button>
      </div>
    </section>
  );
}

function Alternatives({ session, draft }: { session: OpenSession; draft: Draft }) {
  const { cols, rows } = session.geometry.grids[draft.plane];
  return (
    <div class="alternatives" role="radiogroup" aria-label="Which of the model's four masks (A)">
      {[0, 1, 2, 3].map((n) => {
        const mask = draft.masks[n];
        return (
          <button
            key={n}
            type="button"
            role="radio"
            aria-checked={draft.choice === n}
            aria-label={mask ? `Mask ${n + 1}, ${Math.round(100 * mask.score)} % sure` : `Mask ${n + 1}`}
            disabled={!mask || draft.points.length > 0}
            onClick={() => session.changeDraft({ choice: n })}
          >
            {mask ? <Thumb session={session} draft={draft} mask={mask} /> : <span class="thumb" />}
            <span class="numbers">{mask ? `${Math.round(100 * mask.score)} %` : "–"}</span>
          </button>
        );
      })}
      <span class="sr-only">
        {cols} × {rows} pixels
      </span>
    </div>
  );
}

const THUMB_PX = 112;

/** A small picture of a mask, around the largest of the alternatives so that they can be compared. */
function Thumb({ session, draft, mask }: { session: OpenSession; draft: Draft; mask: RunsMask }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const grid = session.geometry.grids[draft.plane];
    const shown = draft.masks.map((each) =>
      grid.maskToDisplay(decodeRuns(each.runs, each.shape[0] * each.shape[1])),
    );
    const [left, top, side] = commonSquare(shown, grid.cols, grid.rows);
    const pixels = shown[draft.masks.indexOf(mask as Draft["masks"][number])];
    const c = canvas.current!.getContext("2d")!;
    c.clearRect(0, 0, THUMB_PX, THUMB_PX);
    c.fillStyle = session.draftColour;
    const scale = THUMB_PX / side;
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const [col, row] = [left + x, top + y];
        if (col < 0 || row < 0 || col >= grid.cols || row >= grid.rows || !pixels?.[row * grid.cols + col])
          continue;
        c.fillRect(Math.floor(x * scale), Math.floor(y * scale), Math.ceil(scale), Math.ceil(scale));
      }
  }, [mask]);
  return <canvas ref={canvas} class="thumb" width={THUMB_PX} height={THUMB_PX} aria-hidden="true" />;
}

function commonSquare(masks: Uint8Array[], cols: number, rows: number): [number, number, number] {
  let [x0, y0, x1, y1] = [cols, rows, 0, 0];
  for (const mask of masks)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < cols; x++)
        if (mask[y * cols + x]) {
          x0 = Math.min(x0, x);
          x1 = Math.max(x1, x);
          y0 = Math.min(y0, y);
          y1 = y;
        }
  if (x1 < x0) return [0, 0, Math.max(cols, rows)];
  const side = Math.max(x1 - x0, y1 - y0) + 5;
  return [Math.round((x0 + x1 - side) / 2), Math.round((y0 + y1 - side) / 2), side];
}
