import type { SegmentedObject } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { CleanUpMenu } from "./clean_up_menu";
import { EditList } from "./edit_list";
import { Icon } from "./icons";
import { EndsToDo, ObjectEnds } from "./object_ends";
import "./styles/object_details.css";

/** What an object holds, and what can be done with it. */
export function ObjectDetails({
  session,
  object,
  rename,
}: {
  session: OpenSession;
  object: SegmentedObject;
  /** Left out where its name is fixed. */
  rename?: () => void;
}) {
  const scores = Object.values(object.expected_dice);
  const mean = scores.reduce((sum, each) => sum + each, 0) / Math.max(1, scores.length);
  const prompted = object.start === "segment";
  return (
    <div class="object-details">
      <dl>
        {object.slices && (
          <>
            <dt>Slices</dt>
            <dd class="numbers">
              {object.plane} {object.slices[0]} – {object.slices[1]}
            </dd>
          </>
        )}
        <dt>Ends</dt>
        <dd>
          <ObjectEnds session={session} object={object} />
        </dd>
        <dt>Expected Dice</dt>
        <dd class="numbers">
          {Math.round(100 * mean)} % mean, {Math.round(100 * Math.min(1, ...scores))} % lowest
        </dd>
      </dl>
      <EndsToDo session={session} object={object} />
      <EditList session={session} object={object} />
      <CleanUpMenu session={session} object={object} />
      <div class="row tight">
        <button
          type="button"
          class="quiet"
          disabled={object.locked || !prompted}
          onClick={() => session.restart(object.name)}
          title={
            prompted
              ? "Start again from its first prompt"
              : "It started from a mask or by hand, so there is no prompt to start from again"
          }
        >
          <Icon name="again" /> Restart
        </button>
        {rename && (
          <button type="button" class="quiet" onClick={rename}>
            Rename
          </button>
        )}
        <span class="gap" />
        <button
          type="button"
          class="quiet danger"
          disabled={object.locked}
          onClick={() => session.deleteObject(object.name)}
        >
          <Icon name="trash" /> Delete
        </button>
      </div>
    </div>
  );
}
