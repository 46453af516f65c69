import type { VolumeSummary } from "../api/wire_types";
import type { App } from "../state/app";
import { gridText, sameGrid, scanText } from "../state/case_list";
import { CaseThumbnail } from "./case_thumbnail";
import { DialogFrame } from "./dialog_frame";
import { Icon } from "./icons";
import "./styles/volume_choices.css";

/** The likely volumes come first; a whole archive would hide the last choice. */
const MOST_CHOICES = 30;

/** Which series or phase of an upload to open; the others stay in the list of cases. */
export function SeriesDialog({ app }: { app: App }) {
  return (
    <DialogFrame app={app} title="Which series?">
      <p class="dim">
        The upload holds {app.intake.series.length} series or phases. Each stays in the list of cases, also
        those that you do not open now.
      </p>
      <ul class="volume-choices">
        {app.intake.series.map((each) => (
          <VolumeChoice
            key={each.id}
            app={app}
            volume={each}
            note=""
            choose={() => app.intake.openSeries(each)}
          />
        ))}
      </ul>
    </DialogFrame>
  );
}

/** What a file of masks is: masks of one of the volumes, or a volume anyway. */
export function MasksDialog({ app }: { app: App }) {
  const [masks] = app.intake.masks;
  if (!masks) return null;
  const { uploaded } = masks;
  const volumes = app.intake.volumesFor(masks).slice(0, MOST_CHOICES);
  return (
    <DialogFrame app={app} title={`What is ${masks.file.name}?`}>
      <p>
        {uploaded
          ? "It holds few whole numbers in regions, as label maps do. "
          : "It is a DICOM segmentation or structure set. "}
        {volumes.length
          ? "Choose the volume whose masks it holds; they become objects to correct."
          : "There is no volume yet whose masks it may hold: drop that volume, then drop it again."}
      </p>
      <ul class="volume-choices">
        {volumes.map((each) => (
          <VolumeChoice
            key={each.id}
            app={app}
            volume={each}
            note={noteOf(app, each, uploaded)}
            choose={() => app.intake.takeAsMasks(masks, each)}
          />
        ))}
        {uploaded && (
          <li>
            <button type="button" onClick={() => app.intake.takeAsVolume(masks)}>
              <Icon name="open" />
              <span>
                <b>It is a volume to segment</b>
                <span class="dim">{gridText(uploaded)}</span>
              </span>
            </button>
          </li>
        )}
      </ul>
    </DialogFrame>
  );
}

function noteOf(app: App, volume: VolumeSummary, uploaded: VolumeSummary | null): string {
  return [
    app.session?.volume.id === volume.id && "open now",
    uploaded && (sameGrid(volume, uploaded) ? "same grid" : "another grid"),
  ]
    .filter(Boolean)
    .join(" · ");
}

function VolumeChoice(props: { app: App; volume: VolumeSummary; note: string; choose: () => unknown }) {
  const { app, volume, note, choose } = props;
  return (
    <li>
      <button type="button" onClick={choose}>
        <CaseThumbnail volume={volume} thumbnails={app.thumbnails} />
        <span>
          <b>{volume.name}</b>
          {note && <span>{note}</span>}
          <span class="dim">{gridText(volume)}</span>
          <span class="dim">{scanText(volume)}</span>
        </span>
      </button>
    </li>
  );
}
