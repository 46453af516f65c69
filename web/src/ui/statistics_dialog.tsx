import { useEffect, useState } from "preact/hooks";
import { saveFile } from "../api/save_file";
import { fetchStatisticsTable, type ObjectStatistics } from "../api/statistics";
import type { SegmentedObject } from "../api/wire_types";
import type { App } from "../state/app";
import type { OpenSession } from "../state/open_session";
import { shortNumber } from "../volume/measured_values";
import { DialogFrame } from "./dialog_frame";
import { HistogramView } from "./histogram_view";
import { Icon } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/statistics_dialog.css";

interface Row {
  object: SegmentedObject;
  /** Null until they have arrived. */
  statistics: ObjectStatistics | null;
}

const HEAD = ["Object", "Volume, ml", "Mean", "SD", "Min", "Max", "Median", "Longest, mm", "Across, mm"];

/** The statistics of all objects, and more of the chosen one. */
export function StatisticsDialog({ app }: { app: App }) {
  const session = app.session!;
  const { statistics, objects } = session;
  useObservables(session, statistics);
  const [chosen, choose] = useState(session.selected ?? objects.at(-1)?.name ?? null);
  const revision = session.state.revision;
  useEffect(() => void statistics.fetch(objects), [revision, session.labels.version]);
  const rows = objects.map((object): Row => ({ object, statistics: statistics.of(object.id) }));
  const row = rows.find(({ object }) => object.name === chosen) ?? rows.at(-1);
  const unit = session.unit && `,${session.unit}`;
  return (
    <DialogFrame app={app} title="Statistics" wide>
      <div class="statistics-dialog">
        {rows.length === 0 && <p class="dim">There are no objects yet.</p>}
        {rows.length > 0 && (
          <>
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    {HEAD.map((name) => (
                      <th key={name} scope="col">
                        {name === "Mean" ? name + unit : name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {rows.map((each) => (
                    <TableRow
                      key={each.object.id}
                      row={each}
                      chosen={each === row}
                      choose={() => choose(each.object.name)}
                    />
                  ))}
                </tbody>
              </table>
            </div>
            {row?.statistics?.longest_axial && (
              <Details app={app} session={session} object={row.object} statistics={row.statistics} />
            )}
            <Buttons app={app} session={session} rows={rows} />
          </>
        )}
      </div>
    </DialogFrame>
  );
}

/** What a row of the table shows after the name. */
function valuesOf({ object, statistics }: Row): string[] {
  if (!statistics) return [object.volume_ml.toFixed(2), ...Array(7).fill("…")];
  const { mean, sd, minimum, maximum, median, longest_axial, perpendicular, volume_ml } = statistics;
  return [
    volume_ml.toFixed(2),
    ...[mean, sd, minimum, maximum, median].map((value) => (value === null ? "–" : shortNumber(value))),
    ...[longest_axial, perpendicular].map((each) => each?.mm.toFixed(1) ?? "–"),
  ];
}

function TableRow({ row, chosen, choose }: { row: Row; chosen: boolean; choose: () => void }) {
  const { name, color } = row.object;
  return (
    <tr class={chosen ? "chosen" : ""}>
      <th scope="row">
        <button type="button" class="quiet" aria-pressed={chosen} onClick={choose}>
          <span class="swatch" style={{ background: color }} />
          <span class="ellipsis">{name}</span>
        </button>
      </th>
      {valuesOf(row).map((text, n) => (
        <td key={HEAD[n + 1]} class="numbers">
          {text}
        </td>
      ))}
    </tr>
  );
}

function Details(props: {
  app: App;
  session: OpenSession;
  object: SegmentedObject;
  statistics: ObjectStatistics;
}) {
  const { app, session, object } = props;
  const { histogram, longest_axial: longest, perpendicular, voxels } = props.statistics;
  const go = () => {
    session.statistics.draw(object.id);
    session.display.show("axial", longest!.index);
    app.show(null);
  };
  const keep = () => {
    for (const each of [longest!, perpendicular!])
      session.measurements.add({ kind: "length", plane: "axial", points: each.ends_ijk });
    app.showToast("done", `The two diameters of ${object.name} are in the list of measurements.`);
  };
  return (
    <section class="details" aria-label={`More about ${object.name}`}>
      <HistogramView histogram={histogram!} colour={object.color} unit={session.unit.trim()} />
      <div class="about">
        <h3 class="ellipsis">{object.name}</h3>
        <p class="numbers">{voxels.toLocaleString("en")} voxels</p>
        <p>
          Longest axial diameter{" "}
          <b class="numbers">
            {longest!.mm.toFixed(1)} × {perpendicular!.mm.toFixed(1)} mm
          </b>{" "}
          with the longest perpendicular, on slice {longest!.index}
        </p>
        <div class="row">
          <button type="button" onClick={go}>
            <Icon name="measure" /> Show on its slice
          </button>
          <button type="button" onClick={keep}>
            <Icon name="plus" /> Keep as measurements
          </button>
        </div>
      </div>
    </section>
  );
}

function Buttons({ app, session, rows }: { app: App; session: OpenSession; rows: Row[] }) {
  const attempt = (work: Promise<string>) =>
    work.then(
      (done) => app.showToast("done", done),
      (error: Error) => app.showToast("error", error.message),
    );
  const copy = async () => {
    const lines = [HEAD, ...rows.map((row) => [row.object.name, ...valuesOf(row)])];
    await navigator.clipboard.writeText(lines.map((line) => line.join("\t")).join("\n"));
    return "Copied: paste it into a table.";
  };
  const save = async () => {
    saveFile("statistics.csv", await fetchStatisticsTable(session.client, session.state.id));
    return "Saved statistics.csv.";
  };
  const waiting = rows.some((each) => !each.statistics);
  return (
    <div class="row">
      <button type="button" disabled={waiting} onClick={() => attempt(copy())}>
        <Icon name="copy" /> Copy the table
      </button>
      <button type="button" onClick={() => attempt(save())}>
        <Icon name="save" /> Save as CSV
      </button>
      <span class="dim">Objects as in the label map: a voxel counts for one object.</span>
    </div>
  );
}
