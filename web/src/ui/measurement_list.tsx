import type { Measurement, MeasurementKind } from "../api/measurements";
import { saveFile } from "../api/save_file";
import type { ObjectStatistics } from "../api/statistics";
import type { OpenSession } from "../state/open_session";
import { drawnDiameters } from "../view/measurement_drawing";
import { measuredText, measuredValues } from "../volume/measured_values";
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
  const { measurements, display, geometry, loading } = session;
  useObservables(session, display, measurements, loading, session.statistics);
  const { list } = measurements;
  const measuring = display.tool === "measure";
  const diameters = drawnDiameters(session);
  if (!measuring && list.length === 0 && !diameters) return null;
  const unit = session.unit;
  const table = () => measurementTable(list, geometry, (plane, at) => loading.voxelsOn(plane, at), unit);
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
        {diameters && <DiametersRow session={session} diameters={diameters} />}
        {list.map((each, n) => (
          <Row key={`${n} ${JSON.stringify(each)}`} session={session} measurement={each} unit={unit} />
        ))}
      </ul>
    </section>
  );
}

/** The diameters of an object, while they are drawn. */
function DiametersRow({ session, diameters }: { session: OpenSession; diameters: ObjectStatistics }) {
  const { longest_axial: longest, perpendicular, id } = diameters;
  const object = session.objects.find((each) => each.id === id);
  if (!longest || !perpendicular || !object) return null;
  return (
    <li class="row">
      <button
        type="button"
        class="measurement grow"
        title="Go to its slice"
        onClick={() => session.display.show("axial", longest.index)}
      >
        <span class="swatch" style={{ background: object.color }} />
        <span class="numbers grow value">
          {object.name}: {longest.mm.toFixed(1)} × {perpendicular.mm.toFixed(1)} mm
        </span>
        <span class="numbers dim">axial {longest.index}</span>
      </button>
      <IconButton
        icon="close"
        label={`Hide the diameters of ${object.name}`}
        run={() => session.statistics.draw(null)}
      />
    </li>
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
  const { measurements, geometry, loading } = session;
  const { kind, plane } = measurement;
  const icon = KINDS.find(([each]) => each === kind)![1];
  const index = geometry.grids[plane].split(measurement.points[0])[0];
  const text = measuredText(measuredValues(measurement, geometry, loading.voxelsOn(plane, index)), unit);
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
