import { useEffect, useRef } from "preact/hooks";
import type { RunsMask } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { guessedBounds, type PromptDraft, promptKind, WITHOUT_BOUNDS } from "../state/prompt_draft";
import { decodeRuns } from "../volume/run_lengths";
import { keyLabel } from "./keyboard";
import { NameField } from "./name_field";
import "./styles/card.css";
import "./styles/draft.css";

export function PromptDraftCard({ session, draft }: { session: OpenSession; draft: PromptDraft }) {
  const grid = session.geometry.grids[draft.plane];
  const kind = promptKind(draft.prompt);
  const existing = session.object(draft.name);
  const { bounds } = draft;
  return (
    <section class="card draft" aria-label="New prompt">
      <div class="field">
        <span>Object</span>
        <span class="name-row">
          <i class="swatch" style={{ background: session.draftColour }} />
          {session.rules.names.includes(draft.name) ? (
            <b class="ellipsis">{draft.name}</b>
          ) : (
            <NameField
              names={session.names}
              value={draft.name}
              label="Object"
              taken={session.objects.map((each) => each.name)}
              onInput={(name) => session.changeDraft({ name })}
              onEnter={() => {
                (document.activeElement as HTMLElement | null)?.blur();
                void session.propagate();
              }}
              onEscape={() => (document.activeElement as HTMLElement | null)?.blur()}
            />
          )}
        </span>
      </div>
      {existing && (
        <p class="note">
          {existing.locked
            ? `${draft.name} is locked. Unlock it (K) or choose another name.`
            : `This replaces ${draft.name}.`}
        </p>
      )}
      <p class="dim">
        {kind[0].toUpperCase() + kind.slice(1)}
        {draft.corrections.length > 0 &&
          ` and ${draft.corrections.length} ${draft.corrections.length === 1 ? "correction" : "corrections"}`}{" "}
        on {draft.plane} slice {draft.index}
        {draft.ms !== null && !draft.predicting && <span class="numbers"> · {Math.round(draft.ms)} ms</span>}
      </p>
      <Alternatives session={session} draft={draft} />
      <fieldset class="ends">
        <legend>Bounds (first and last slice)</legend>
        <label>
          <input
            type="radio"
            name="bounds"
            checked={!bounds}
            onChange={() => session.changeDraft(WITHOUT_BOUNDS)}
          />
          Automatic <kbd>F</kbd>
        </label>
        <label>
          <input
            type="radio"
            name="bounds"
            checked={bounds !== null}
            onChange={() => session.changeDraft({ bounds: guessedBounds(draft, grid) })}
          />
          Set <kbd>{keyLabel("[")}</kbd> <kbd>{keyLabel("]")}</kbd>
        </label>
        <span class="numbers ends-values">{bounds ? `${bounds[0]} – ${bounds[1]}` : "by the stop rule"}</span>
      </fieldset>
      <div class="row">
        <button
          type="button"
          class="primary grow"
          disabled={!draft.name.trim() || existing?.locked}
          onClick={() => session.propagate()}
        >
          Propagate <kbd>Enter</kbd>
        </button>
        <button type="button" title="Discard (Esc)" onClick={() => session.discardDraft()}>
          Discard
        </button>
      </div>
    </section>
  );
}

function Alternatives({ session, draft }: { session: OpenSession; draft: PromptDraft }) {
  const { cols, rows } = session.geometry.grids[draft.plane];
  return (
    <div class="alternatives" role="radiogroup" aria-label="The model's four masks (A)">
      {[0, 1, 2, 3].map((n) => {
        const mask = draft.masks[n];
        return (
          <button
            key={n}
            type="button"
            role="radio"
            aria-checked={draft.alternative === n}
            tabIndex={draft.alternative === n ? 0 : -1}
            aria-label={mask ? `Mask ${n + 1}, score ${Math.round(100 * mask.score)} %` : `Mask ${n + 1}`}
            disabled={!mask || draft.corrections.length > 0}
            onClick={() => session.changeDraft({ alternative: n })}
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

/** A small picture of a mask, cropped to the largest of the four so that they can be compared. */
function Thumb({ session, draft, mask }: { session: OpenSession; draft: PromptDraft; mask: RunsMask }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const grid = session.geometry.grids[draft.plane];
    const shown = draft.masks.map((each) =>
      grid.maskToDisplay(decodeRuns(each.runs, each.shape[0] * each.shape[1])),
    );
    const [left, top, side] = commonSquare(shown, grid.cols, grid.rows);
    const pixels = shown[draft.masks.indexOf(mask as PromptDraft["masks"][number])];
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
