/** Edits of the open object that need no drawing: clean-up of its mask, and of the slice in view. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { CleanUpStep, SegmentedObject } from "../api/wire_types";
import { keep, kept } from "../state/kept";
import type { OpenSession } from "../state/open_session";
import {
  confirmHere,
  copySlice,
  promptVoxel,
  setSlices,
  sliceInView,
  slicesOfText,
} from "../state/slice_edits";
import { Icon } from "./icons";
import { NumberField } from "./number_field";
import { useObservables } from "./use_observables";
import "./styles/clean_up_menu.css";

const VALUES = { islandsMl: 0.5, smoothMm: 2, growMm: 2, inSlices: false };

interface Props {
  session: OpenSession;
  object: SegmentedObject;
}

export function CleanUpMenu(props: Props) {
  return (
    <div class="clean-up-menu">
      <details>
        <summary>Slice in view</summary>
        <SliceEdits {...props} />
      </details>
      <details>
        <summary>Clean up</summary>
        <WholeObject {...props} />
      </details>
    </div>
  );
}

function SliceEdits({ session, object }: Props) {
  useObservables(session.display);
  const index = sliceInView(session, object);
  const right = object.confirmed.includes(index);
  const { locked, name, plane } = object;
  return (
    <div class="steps">
      <p class="dim numbers">
        {plane} slice {index}
        {right && ": marked right"}
      </p>
      <Step
        locked={locked}
        title="No propagation changes a slice that is right"
        run={() => void confirmHere(session, object)}
      >
        <Icon name="check" /> {right ? "Open it again" : "Mark as right"} <kbd>C</kbd>
      </Step>
      <div class="row">
        <Step locked={locked} run={() => void copySlice(session, object, true)}>
          <Icon name="up" /> Copy up
        </Step>
        <Step locked={locked} run={() => void copySlice(session, object, false)}>
          <Icon name="down" /> Copy down
        </Step>
      </div>
      <Step
        locked={locked}
        title="Deletes its mask on this slice, for good: no propagation brings it back"
        run={() => void session.deleteSlices(name, [index])}
      >
        <Icon name="trash" /> It is not on this slice
      </Step>
      <Interpolate session={session} object={object} />
    </div>
  );
}

/** Shapes between slices: those that were corrected, or others that the user types. */
function Interpolate({ session, object }: Props) {
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? setSlices(object).join(", ");
  const slices = slicesOfText(text);
  const { axisName } = session.geometry.grids[object.plane];
  const enough = slices !== null && slices.length > 1;
  return (
    <>
      <label class="field">
        <span>Interpolate between the slices</span>
        <input
          type="text"
          class="numbers"
          value={text}
          placeholder="30, 35, 40"
          aria-invalid={slices === null}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      <div class="row">
        <Step
          locked={object.locked}
          run={() => setTyped([...(slices ?? []), sliceInView(session, object)].join(", "))}
        >
          Add this slice
        </Step>
        <Step
          locked={object.locked || !enough}
          title={enough ? undefined : "Give two slices or more with the object on them, as in 30, 35, 40"}
          run={() =>
            void session.cleanUp(object.name, { step: "interpolate", slices: slices!, axis: axisName })
          }
        >
          Interpolate
        </Step>
      </div>
    </>
  );
}

function WholeObject({ session, object }: Props) {
  const [values, setValues] = useState(() => kept("clean-up", VALUES));
  const change = (next: Partial<typeof VALUES>) => {
    setValues({ ...values, ...next });
    keep("clean-up", { ...values, ...next });
  };
  const step = (next: CleanUpStep) => () => void session.cleanUp(object.name, next);
  const axis = session.geometry.grids[object.plane].axisName;
  const at = promptVoxel(object);
  const { locked } = object;
  const { islandsMl, smoothMm, growMm, inSlices } = values;
  return (
    <div class="steps">
      <Step locked={locked} run={step({ step: "keep_largest" })}>
        Keep the largest part
      </Step>
      {at && (
        <Step locked={locked} run={step({ step: "keep_at", voxel_ijk: at })}>
          Keep the part at the prompt
        </Step>
      )}
      <Step locked={locked} run={() => step({ step: "keep_at", voxel_ijk: session.display.focus })()}>
        Keep the part at the crosshair
      </Step>
      <div class="row">
        <Step locked={locked} run={step({ step: "remove_islands", smallest_ml: islandsMl })}>
          Remove islands under
        </Step>
        <NumberField
          label="Smallest part that stays, in ml"
          value={islandsMl}
          min={0.001}
          step={0.1}
          set={(next) => change({ islandsMl: next })}
        />
        ml
      </div>
      <div class="row">
        <Step
          locked={locked}
          run={step(inSlices ? { step: "fill_holes", in_slices: true, axis } : { step: "fill_holes" })}
        >
          Fill holes
        </Step>
        <label class="row">
          <input
            type="checkbox"
            checked={inSlices}
            onChange={(event) => change({ inSlices: event.currentTarget.checked })}
          />
          of each slice
        </label>
      </div>
      <div class="row">
        <Step locked={locked} run={step({ step: "smooth", mm: smoothMm, axis })}>
          Smooth
        </Step>
        <NumberField
          label="Smoothing in mm"
          value={smoothMm}
          min={0.1}
          max={50}
          step={0.5}
          set={(next) => change({ smoothMm: next })}
        />
        mm
      </div>
      <div class="row">
        <Step locked={locked} run={step({ step: "grow", mm: growMm })}>
          Grow
        </Step>
        <Step locked={locked} run={step({ step: "grow", mm: -growMm })}>
          Shrink
        </Step>
        <NumberField
          label="Distance to grow or shrink, in mm"
          value={growMm}
          min={0.1}
          max={50}
          step={0.5}
          set={(next) => change({ growMm: next })}
        />
        mm
      </div>
    </div>
  );
}

function Step(props: { locked: boolean; title?: string; run: () => void; children: ComponentChildren }) {
  return (
    <button
      type="button"
      class="quiet step"
      disabled={props.locked}
      title={props.title}
      onClick={() => props.run()}
    >
      {props.children}
    </button>
  );
}
