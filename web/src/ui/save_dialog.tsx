import { useState } from "preact/hooks";
import { exportChoice } from "../api/export_request";
import type { SegmentedObject } from "../api/wire_types";
import type { App } from "../state/app";
import { DialogFrame } from "./dialog_frame";
import { Icon } from "./icons";
import "./styles/choices.css";
import "./styles/object_choice.css";

interface Format {
  format: string;
  name: string;
  description: string;
  dicom?: boolean;
}

const FORMATS: Format[] = [
  { format: "nii.gz", name: "NIfTI", description: "Label map on the grid of the volume (.nii.gz)" },
  {
    format: "nrrd",
    name: "NRRD",
    description: "The same, with names and colours, for 3D Slicer (.seg.nrrd)",
  },
  {
    format: "seg",
    name: "DICOM SEG",
    description: "Label map that refers to the original images",
    dicom: true,
  },
  { format: "rtstruct", name: "DICOM RTSTRUCT", description: "Contours on the original images", dicom: true },
  {
    format: "session",
    name: "Session",
    description: "Prompts, masks and history of all objects, to continue later (.radsam)",
  },
];

export function SaveDialog({ app }: { app: App }) {
  const session = app.session!;
  const { objects } = session;
  const [left, setLeft] = useState<readonly string[]>([]);
  const chosen = objects.filter(({ name }) => !left.includes(name));
  const save = (format: string) => {
    app.show(null);
    void app.save(exportChoice(format, chosen, objects));
  };
  const offered = FORMATS.filter(({ format }) => !app.info || app.info.formats.includes(format));
  return (
    <DialogFrame app={app} title="Save">
      {objects.length === 0 && <p class="note">There are no objects to save yet.</p>}
      {objects.length > 1 && <ObjectChoice objects={objects} left={left} change={setLeft} />}
      <ul class="choices">
        {offered.map((each) => {
          const missing = each.dicom && !session.volume.dicom;
          const nothing = each.format === "session" ? objects.length === 0 : chosen.length === 0;
          const legend = exportChoice(each.format, chosen, objects).legend && !nothing;
          return (
            <li key={each.format}>
              <button type="button" disabled={nothing || missing} onClick={() => save(each.format)}>
                <Icon name="save" />
                <span>
                  <b>{each.name}</b>
                  <span class="dim">
                    {missing ? "Needs a volume opened from DICOM" : each.description}
                    {legend && ", in a .zip with its names and colours"}
                  </span>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      {app.info?.pacs && session.volume.dicom && (
        <fieldset class="row to-pacs" disabled={chosen.length === 0}>
          <legend class="dim">Send to {app.info.pacs}</legend>
          {(["seg", "rtstruct"] as const).map((format) => (
            <button
              key={format}
              type="button"
              onClick={() => {
                app.show(null);
                void app.sendToPacs(format, exportChoice(format, chosen, objects).objects);
              }}
            >
              DICOM {format.toUpperCase()}
            </button>
          ))}
        </fieldset>
      )}
      <p class="dim">
        The server saves the session after every edit. Files are only needed outside of RadSAM.
      </p>
    </DialogFrame>
  );
}

interface ObjectChoiceProps {
  objects: readonly Pick<SegmentedObject, "name" | "color">[];
  /** The names of those that are left out. */
  left: readonly string[];
  change: (left: readonly string[]) => void;
}

/** Check boxes: which objects to take, all of them at first. */
export function ObjectChoice({ objects, left, change }: ObjectChoiceProps) {
  const all = left.length === 0;
  return (
    <fieldset class="object-choice">
      <legend>
        Objects: {objects.length - left.length} of {objects.length}
      </legend>
      <label class="every">
        <input
          type="checkbox"
          checked={all}
          indeterminate={!all && left.length < objects.length}
          onChange={() => change(all ? objects.map(({ name }) => name) : [])}
        />
        All
      </label>
      <div class="each">
        {objects.map(({ name, color }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={!left.includes(name)}
              onChange={() =>
                change(left.includes(name) ? left.filter((each) => each !== name) : [...left, name])
              }
            />
            <i class="swatch" style={{ background: color }} />
            <span class="ellipsis">{name}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
