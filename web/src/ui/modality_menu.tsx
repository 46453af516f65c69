import type { OpenSession } from "../state/open_session";
import { MODALITIES, modalityName, withArticle } from "../volume/modality";
import { IconButton } from "./icons";
import { PopoverMenu } from "./popover_menu";
import { useObservables } from "./use_observables";
import "./styles/modality_choices.css";
import "./styles/modality_note.css";

/** What the volume is; a click corrects it. */
export function ModalityMenu({ session }: { session: OpenSession }) {
  const { kind } = session;
  useObservables(kind);
  const { modality, unit } = kind.volume;
  const name = modalityName(modality);
  const text = unit ? `${name} · ${unit}` : name;
  return <Choices session={session} text={text} label={`Modality: ${text}. Change it`} />;
}

/** Why the volume may be something else, and how to say so. */
export function ModalityNote({ session }: { session: OpenSession }) {
  const { kind } = session;
  useObservables(kind);
  if (!kind.doubt) return null;
  const prompt =
    kind.volume.modality === "other" ? "Is it another one?" : `Not ${withArticle(kind.volume.modality)}?`;
  return (
    <aside class="modality-note" aria-label="Modality">
      <span>{kind.doubt}</span>
      <Choices session={session} text={prompt} label={prompt} />
      <IconButton icon="close" label="Hide this note" run={() => kind.dismiss()} />
    </aside>
  );
}

function Choices({ session, text, label }: { session: OpenSession; text: string; label: string }) {
  const { kind } = session;
  return (
    <PopoverMenu text={text} label={label} start>
      {(close) => (
        <fieldset class="modality-choices">
          <legend>This volume is</legend>
          {MODALITIES.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={kind.volume.modality === each}
              onClick={() => {
                void kind.correct(each);
                close();
              }}
            >
              {modalityName(each)}
            </button>
          ))}
          <small class="dim">
            It decides how the model sees new objects; those that are there stay as they are.
          </small>
        </fieldset>
      )}
    </PopoverMenu>
  );
}
