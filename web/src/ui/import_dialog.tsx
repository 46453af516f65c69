import { useEffect } from "preact/hooks";
import type { App } from "../state/app";
import type { MaskImport, MaskRow } from "../state/import_masks";
import { DialogFrame } from "./dialog_frame";
import { NameField } from "./name_field";
import { useObservables } from "./use_observables";
import "./styles/import_dialog.css";

/** The objects of a file of masks, to choose and name before they are opened. */
export function ImportDialog({ app, masks }: { app: App; masks: MaskImport }) {
  useObservables(masks, masks.session);
  useEffect(() => () => masks.close(), [masks]);
  useEffect(() => {
    if (masks.status === "done") app.show(null);
  }, [masks.status]);
  return (
    <DialogFrame app={app} title={`Masks of ${masks.file.name}`}>
      <div class="import-dialog" aria-busy={masks.status === "reading" || masks.status === "opening"}>
        {masks.status === "reading" && <p role="status">Reading {masks.file.name} …</p>}
        {masks.error && (
          <p class="note" role="alert">
            {masks.error}
          </p>
        )}
        {masks.contents && <Contents masks={masks} />}
        <div class="row buttons">
          <button type="button" onClick={() => app.show(null)}>
            {masks.contents ? "Cancel" : "Close"}
          </button>
          {masks.contents && (
            <button type="button" class="primary" disabled={!masks.ready} onClick={() => void masks.open()}>
              {openLabel(masks)}
            </button>
          )}
        </div>
      </div>
    </DialogFrame>
  );
}

function openLabel({ status, chosen, contents }: MaskImport): string {
  if (status === "opening") return "Opening …";
  const objects = chosen.length === 1 ? "1 object" : `${chosen.length} objects`;
  return contents?.resampled ? `Resample and open ${objects}` : `Open ${objects}`;
}

function Contents({ masks }: { masks: MaskImport }) {
  const { resampled, notes } = masks.contents!;
  const all = masks.chosen.length === masks.rows.length;
  return (
    <>
      {masks.rows.length === 0 && (
        <p class="note">This file has no voxel above 0: there is nothing to open.</p>
      )}
      <p>
        The masks open exactly as they are; then correct them with any tool.
        {masks.session.objects.length > 0 &&
          " Where one overlaps an object that is here already, it takes the voxels. An object that is locked (K) keeps them."}
      </p>
      {resampled && (
        <div class="note">
          <p>
            The file lies on another grid than this volume. Each voxel of the volume takes the label that lies
            nearest in space, so borders may move by up to half a voxel of the file. Check the result on some
            slices.
          </p>
          <details>
            <summary>Grids and voxels</summary>
            <p>{resampled}</p>
          </details>
        </div>
      )}
      {notes.map((note) => (
        <p key={note} class="note">
          {note}
        </p>
      ))}
      {masks.rows.length > 1 && (
        <label class="every">
          <input
            type="checkbox"
            checked={all}
            indeterminate={!all && masks.chosen.length > 0}
            onChange={() => masks.chooseAll(!all)}
          />
          All {masks.rows.length} objects
        </label>
      )}
      <ul class="rows">
        {masks.rows.map((row) => (
          <Row key={row.object} masks={masks} row={row} />
        ))}
      </ul>
    </>
  );
}

function Row({ masks, row }: { masks: MaskImport; row: MaskRow }) {
  const { session } = masks;
  const problem = masks.problem(row);
  const color = row.color ?? session.names.colourOf(row.name) ?? "transparent";
  return (
    <li>
      <input
        type="checkbox"
        checked={row.chosen}
        aria-label={`Open ${row.object}`}
        onChange={() => masks.change(row, { chosen: !row.chosen })}
      />
      <i class="swatch" style={{ background: color }} />
      <NameField
        names={session.names}
        value={row.name}
        label={`Name of ${row.object}`}
        taken={[...session.objects, ...masks.rows].map((each) => each.name)}
        onInput={(name) => masks.change(row, { name, chosen: true })}
        onEnter={() => void masks.open()}
        onEscape={() => undefined}
      />
      <span class="numbers">{row.volumeMl.toFixed(row.volumeMl < 10 ? 2 : 1)} ml</span>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </li>
  );
}
