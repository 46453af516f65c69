/** Which object has a voxel that several claim: the policy, and the order that comes before it. */
import type { OverlapPolicy } from "../api/wire_types";
import type { OpenSession } from "../state/open_session";
import { millilitres } from "../state/outcome_text";
import { IconButton } from "./icons";
import "./styles/overlap_card.css";

const POLICIES: Record<OverlapPolicy, string> = {
  "last wins": "the object that was edited last",
  "keep first": "the object that was started first",
  "keep both": "both keep them",
};

export function OverlapCard({ session }: { session: OpenSession }) {
  const { state, objects } = session;
  if (objects.length < 2) return null;
  const order = priority(session);
  const ml = session.geometry.spacing.reduce((product, mm) => product * mm, 1) / 1000;
  return (
    <details class="overlap-card">
      <summary>Voxels that objects share</summary>
      <label class="field">
        <span>They belong to</span>
        <select
          value={state.overlap}
          onChange={({ currentTarget: { value } }) => session.setOverlap({ overlap: value as OverlapPolicy })}
        >
          {Object.entries(POLICIES).map(([policy, text]) => (
            <option key={policy} value={policy}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {state.overlap === "keep both" && (
        <p class="dim">
          Both keep them in DICOM and in one file per object. A view and a label map show each voxel once: the
          order says for which object.
        </p>
      )}
      <p class="row spread">
        <span class="dim">
          {state.order.length ? "Or by this order, the first one wins:" : "Or by an order:"}
        </span>
        {state.order.length > 0 && (
          <button type="button" class="quiet" onClick={() => session.setOverlap({ order: [] })}>
            No order
          </button>
        )}
      </p>
      <ol>
        {order.map((name, at) => (
          <li key={name} class="row">
            <span class="grow ellipsis">{name}</span>
            <IconButton
              icon="up"
              label={`${name} before ${order[at - 1] ?? "all"}`}
              disabled={at === 0}
              run={() => session.setOverlap({ order: moved(order, at, -1) })}
            />
            <IconButton
              icon="down"
              label={`${name} after ${order[at + 1] ?? "all"}`}
              disabled={at === order.length - 1}
              run={() => session.setOverlap({ order: moved(order, at, 1) })}
            />
          </li>
        ))}
      </ol>
      {state.overlaps.map(({ name, by, voxels }) => (
        <p key={`${name} ${by}`} class="dim">
          {millilitres(voxels * ml)} of {name} {by ? `are shown as ${by}` : "belong to no object"}.
        </p>
      ))}
    </details>
  );
}

/** The objects, those with a chosen priority first. */
function priority({ state, objects }: OpenSession): string[] {
  const names = objects.map((each) => each.name);
  const chosen = state.order.filter((name) => names.includes(name));
  return [...chosen, ...names.filter((name) => !chosen.includes(name))];
}

function moved(order: readonly string[], at: number, by: -1 | 1): string[] {
  const next = [...order];
  [next[at], next[at + by]] = [next[at + by], next[at]];
  return next;
}
