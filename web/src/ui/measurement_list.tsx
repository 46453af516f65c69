import type { Measurement, MeasurementKind } from "../api/measurements";
import { saveFile } from "../api/save_file";
import type { OpenSession } from "../state/open_session";
import { measuredText, measuredValues, unitOf } from "../volume/measured_values";
import { measurementTable } from "../volume/measurement_table";
import { Icon, IconButton, type IconName } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/measurement_list.css";

const KINDS: [MeasurementKind, IconName, string][] = [
  ["length", "measure", "Length"],
  ["angle", "angle", "Angle"],
  ["ellipse", "ellipse", "Ellipse"],
  ["rectangle", "single", "Rectangle"],
];

/** What was measured, while the tool is Measure or anything was. */
export function MeasurementList({ session }: { session: OpenSession }) {
  const { measurements, display, geometry } = session;
  useObservables(session, display, measurements);
  const { list } = measurements;
  const measuring = display.tool === "measure";
  if (!measuring && list.length === 0) return null;
  const unit = unitOf(session.volume.modality);
  const table = () => measurementTable(list, geometry, session.voxels, unit);
  return (
    <section class="measurement-list" aria-label="Measurements">
      <header class="row spread">
        <h2>Measurements</h2>
        {list.length > 0 && (
          <span class="row tight">
            <IconButton
              icon="save"
              label="Save the measurements as CSV"
              run={() => saveFile("measurements.csv", new Blob([table()], { type: "text/csv" }))}
            />
            <IconButton icon="trash" label="Remove all measurements" run={() => measurements.removeAll()} />
          </span>
        )}
      </header>
      {measuring && (
        <div class="kinds" role="radiogroup" aria-label="What to measure">
          {KINDS.map(([kind, icon, name]) => (
            <button
              key={kind}
              type="button"
              role="radio"
              aria-checked={measurements.kind === kind}
              tabIndex={measurements.kind === kind ? 0 : -1}
              onClick={() => measurements.choose(kind)}
            >
              <Icon name={icon} /> {name}
            </button>
          ))}
        </div>
      )}
      {measuring && list.length === 0 && <p class="empty">Nothing measured yet.</p>}
      <ul>
        {list.map((each, n) => (
          <Row key={`${n} ${JSON.stringify(each)}`} session={session} measurement={each} unit={unit} />
        ))}
      </ul>
    </section>
  );
}

function Row({
  session,
  measurement,
  unit,
}: {
  session: OpenSession;
  measurement: Measurement;
  unit: string;
}) {
  const { measurements, geometry, voxels } = session;
  const { kind, plane } = measurement;
  const icon = KINDS.find(([each]) => each === kind)![1];
  const text = measuredText(measuredValues(measurement, geometry, voxels), unit);
  const index = geometry.grids[plane].split(measurement.points[0])[0];
  return (
    <li class="row">
      <button
        type="button"
        class="measurement grow"
        aria-pressed={measurements.selected === measurement}
        title="Go to its slice"
        onClick={() => {
          session.display.show(plane, index);
          measurements.select(measurement);
        }}
      >
        <Icon name={icon} />
        <span class="numbers grow value">{text}</span>
        <span class="numbers dim">
          {plane} {index}
        </span>
      </button>
      <IconButton
        icon="trash"
        label={`Remove the ${kind} of ${text}`}
        run={() => measurements.remove(measurement)}
      />
    </li>
  );
}
