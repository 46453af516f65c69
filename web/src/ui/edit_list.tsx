/** Every edit of the open object, in their order; each can be deleted, and the later ones are replayed. */
import type { ObjectEdit, ObjectPrompt, SegmentedObject } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { slicesText } from "../state/slice_edits";
import { Icon, IconButton, type IconName } from "./icons";
import "./styles/edit_list.css";

export function EditList({ session, object }: { session: OpenSession; object: SegmentedObject }) {
  return (
    <ul class="edit-list prompts" aria-label={`Edits of ${object.name}`}>
      {object.edits.map((edit) => (
        <EditRow key={edit.number} session={session} object={object} edit={edit} />
      ))}
    </ul>
  );
}

const KINDS: Record<string, { label: string; icon: IconName }> = {
  start_from_mask: { label: "first mask", icon: "brush" },
  paint: { label: "by hand", icon: "brush" },
  bounds: { label: "ends", icon: "enlarge" },
  continue: { label: "continued", icon: "propagate" },
  confirm: { label: "slice marks", icon: "check" },
  clean_up: { label: "clean-up", icon: "again" },
};

/** What an edit is called, and its icon: a prompt by its kind, any other by what it does. */
export function describeEdit(
  { kind }: ObjectEdit,
  prompts: readonly ObjectPrompt[],
): { label: string; icon: IconName } {
  const [first] = prompts;
  if (!first) return KINDS[kind] ?? { label: kind.replaceAll("_", " "), icon: "again" };
  const positive = first.positive ?? true;
  const several = prompts.length > 1 ? `${prompts.length} prompts, the first a ` : "";
  const sign = first.kind === "point" ? (positive ? "positive " : "negative ") : positive ? "" : "negative ";
  const icons = { box: "box", mask: "brush", scribble: "scribble", lasso: "lasso" } as const;
  const icon = first.kind === "point" ? (positive ? "point" : "negative") : icons[first.kind];
  return { label: `${several}${sign}${first.kind}`, icon };
}

function EditRow(props: { session: OpenSession; object: SegmentedObject; edit: ObjectEdit }) {
  const { session, object, edit } = props;
  const prompts = object.prompts.filter((each) => each.number === edit.number);
  const { label, icon } = describeEdit(edit, prompts);
  const slices = prompts.length ? [prompts[0].index] : edit.slices;
  return (
    <li class="row">
      <button
        type="button"
        class={`edit grow ${icon}`}
        disabled={!slices.length}
        title={slices.length ? "Go to its slice" : undefined}
        onClick={() => {
          session.display.set({ active: object.plane });
          session.following.slice(object.name, object.plane, slices[Math.floor(slices.length / 2)]);
        }}
      >
        <Icon name={icon} /> <span class="grow">{label}</span>{" "}
        <span class="numbers dim">{slicesText(slices)}</span>
      </button>
      <IconButton
        icon="trash"
        label={`Delete this ${label} of ${object.name}`}
        disabled={object.locked}
        run={() => session.deletePrompt(edit.number)}
      />
    </li>
  );
}
