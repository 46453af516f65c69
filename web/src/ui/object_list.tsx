import { useRef, useState } from "preact/hooks";
import type { SegmentedObject } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { millilitres } from "../state/outcome_text";
import { Icon, IconButton } from "./icons";
import { NameField } from "./name_field";
import { ObjectDetails } from "./object_details";
import { OverlapCard } from "./overlap_card";
import "./styles/objects.css";

interface Props {
  session: OpenSession;
  /** By default all. */
  objects?: readonly SegmentedObject[];
  title?: string;
}

export function ObjectList({ session, objects = session.objects, title = "Objects" }: Props) {
  const total = objects.reduce((sum, each) => sum + each.volume_ml, 0);
  return (
    <section class="objects" aria-label="Object list">
      <header class="row spread">
        <h2>{title}</h2>
        <span class="row tight">
          <button
            type="button"
            class="quiet"
            disabled={!objects.length}
            title="Go to the slice that is most likely wrong (R)"
            onClick={() => session.reviewNext()}
          >
            <Icon name="review" /> Review next
          </button>
          <IconButton icon="plus" label="New object (O)" run={() => session.setTarget(null)} />
        </span>
      </header>
      {objects.length === 0 && !session.busy && <p class="empty">No objects yet.</p>}
      <ul>
        {objects.map((object) => (
          <ObjectRow
            key={object.id}
            session={session}
            object={object}
            open={object.name === session.selected && !session.draft}
          />
        ))}
      </ul>
      {objects.length > 1 && (
        <p class="row spread total">
          <span>Total</span> <span class="numbers">{millilitres(total)}</span>
        </p>
      )}
      <OverlapCard session={session} />
    </section>
  );
}

function ObjectRow({
  session,
  object,
  open,
}: {
  session: OpenSession;
  object: SegmentedObject;
  open: boolean;
}) {
  const [renaming, setRenaming] = useState(false);
  const change = (changes: Parameters<OpenSession["changeObject"]>[1]) =>
    session.changeObject(object.name, changes);
  return (
    <li class={`object ${open ? "open" : ""} ${object.visible ? "" : "faint"}`}>
      <div class="object-line">
        <input
          type="color"
          class="swatch"
          value={object.color}
          aria-label={`Colour of ${object.name}`}
          onChange={(event) => change({ color: event.currentTarget.value })}
        />
        {renaming ? (
          <RenameField
            session={session}
            name={object.name}
            close={(name) => {
              setRenaming(false);
              if (name !== null && name !== object.name) void change({ new_name: name });
            }}
          />
        ) : (
          <button
            type="button"
            class="object-name ellipsis"
            aria-pressed={open}
            title="Select; double-click to rename"
            onClick={() => session.setTarget(object.name)}
            onDblClick={() => setRenaming(true)}
          >
            {object.name}
          </button>
        )}
        <span class="numbers object-volume">{millilitres(object.volume_ml)}</span>
        <IconButton
          icon={object.visible ? "eye" : "hidden"}
          label={`${object.visible ? "Hide" : "Show"} ${object.name}`}
          run={() => change({ visible: !object.visible })}
        />
        <IconButton
          icon={object.locked ? "lock" : "unlock"}
          label={`${object.locked ? "Unlock" : "Lock"} ${object.name} (K)`}
          pressed={object.locked}
          run={() => change({ locked: !object.locked })}
        />
      </div>
      {open && <ObjectDetails session={session} object={object} rename={() => setRenaming(true)} />}
    </li>
  );
}

interface RenameFieldProps {
  session: OpenSession;
  name: string;
  close: (name: string | null) => void;
}

/** A field for a new name: closes once, with the name, or with null if Esc was pressed or nothing is left. */
export function RenameField({ session, name, close }: RenameFieldProps) {
  const closed = useRef(false);
  const end = (next: string | null) => {
    if (closed.current) return; // the field also loses the focus when it goes
    closed.current = true;
    close(next?.trim() || null);
  };
  return (
    <NameField
      names={session.names}
      value={name}
      label="New name"
      class="rename"
      taken={session.objects.map((each) => each.name)}
      focus
      onChoose={end}
      onEnter={end}
      onEscape={() => end(null)}
      onLeave={end}
    />
  );
}
