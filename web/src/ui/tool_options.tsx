/** What the tool in hand is set to: who decides, the brush, which values count, and how far the edit reaches. */
import type { ComponentChildren } from "preact";
import type { Reach } from "../api/wire_types";
import type { Tool } from "../state/display";
import { decidedBy, isStrokeTool, type StrokeTool } from "../state/hand_action";
import { type DecidedBy, type HandOptions, stepOf } from "../state/hand_edits";
import type { OpenSession } from "../state/open_session";
import { slicesText } from "../state/slice_edits";
import { keyLabel } from "./keyboard";
import { NumberField } from "./number_field";
import { Segmented } from "./segmented";
import { useObservables } from "./use_observables";
import "./styles/tool_options.css";

/** Prompts that correct an object. */
const CORRECTING: readonly Tool[] = ["box", "point", "negative", "scribble", "lasso", "brush"];

export function ToolOptions({ session }: { session: OpenSession }) {
  const { display, hand, draft } = session;
  useObservables(session, display, hand);
  const { tool } = display;
  const target = session.targetOf(tool);
  const decides = isStrokeTool(tool) ? decidedBy(tool, target, hand.options) : "model";
  const byHand = decides === "hand" && !draft;
  const brush = tool === "brush" || tool === "erase";
  const existing = target.kind === "object" && !draft;
  const reaches = session.reachOption(target.name ?? null, byHand);
  return (
    <section class="tool-options" aria-label="Tool options" onPointerUp={leaveToKeys}>
      {isStrokeTool(tool) && tool !== "erase" && !draft && (
        <Segmented
          label="Who decides"
          value={decides}
          choices={[
            ["model", "By model"],
            ["hand", "By hand"],
          ]}
          choose={(next: DecidedBy) => hand.set(decideBy(tool, target.kind === "new", next))}
        />
      )}
      {brush && <BrushSize session={session} />}
      {brush && byHand && (
        <Segmented
          label="Brush: a disk on its slice, or a ball over several"
          value={hand.options.ball ? "ball" : "disk"}
          choices={[
            ["disk", "2D"],
            ["ball", "3D"],
          ]}
          choose={(next) => hand.set({ ball: next === "ball" })}
        />
      )}
      {byHand && <Limits session={session} />}
      {existing && CORRECTING.concat("erase").includes(tool) && (
        <ReachField
          reach={hand.options[reaches]}
          set={(reach) => hand.set({ [reaches]: reach })}
          reached={hand.reached}
        />
      )}
    </section>
  );
}

function decideBy(tool: StrokeTool, isNew: boolean, next: DecidedBy): Partial<HandOptions> {
  if (tool === "lasso") return { lasso: next };
  return isNew ? { paintNew: next } : { paintObject: next };
}

/** After a click, the keys are shortcuts again. */
function leaveToKeys(event: PointerEvent): void {
  const { target } = event;
  if (target instanceof HTMLInputElement && ["range", "checkbox", "radio"].includes(target.type))
    setTimeout(() => target.blur());
}

function BrushSize({ session: { display } }: { session: OpenSession }) {
  return (
    <label title={`Diameter of the brush (${keyLabel("− / =")})`}>
      <input
        type="range"
        min={1}
        max={80}
        value={display.brushMm}
        aria-label="Brush diameter in mm"
        onInput={(event) => display.setBrush(Number(event.currentTarget.value))}
      />
      <span class="numbers brush-mm">{Math.round(display.brushMm)} mm</span>
    </label>
  );
}

function Limits({ session }: { session: OpenSession }) {
  const { hand } = session;
  const { withinOn, within, alikeOn, alike } = hand.options;
  const unit = session.unit.trim();
  const [low, high] = session.volume.default_window;
  const step = session.isCt ? 1 : stepOf(high - low);
  return (
    <>
      <Limit
        on={withinOn}
        set={(on) => hand.set({ withinOn: on })}
        label="Only values"
        title="Only voxels with values in this range"
      >
        <NumberField
          label="from"
          value={within[0]}
          step={step}
          set={(from) => hand.set({ within: [from, within[1]] })}
        />
        …
        <NumberField
          label="to"
          value={within[1]}
          step={step}
          set={(to) => hand.set({ within: [within[0], to] })}
        />
        {unit}
      </Limit>
      <Limit
        on={alikeOn}
        set={(on) => hand.set({ alikeOn: on })}
        label="Alike ±"
        title="Only voxels alike to those where the stroke begins, and connected to them"
      >
        <NumberField
          label="alike"
          value={alike}
          min={step}
          step={step}
          set={(next) => hand.set({ alike: next })}
        />
        {unit}
      </Limit>
    </>
  );
}

function Limit(props: {
  on: boolean;
  set: (on: boolean) => void;
  label: string;
  title: string;
  children: ComponentChildren;
}) {
  return (
    <fieldset class="limit" title={props.title}>
      <legend class="sr-only">{props.title}</legend>
      <label>
        <input
          type="checkbox"
          checked={props.on}
          onChange={(event) => props.set(event.currentTarget.checked)}
        />
        {props.label}
      </label>
      {props.on && props.children}
    </fieldset>
  );
}

const DEFAULT_SLICES = 3;

function ReachField(props: { reach: Reach; set: (reach: Reach) => void; reached: [number, number] | null }) {
  const { reach, reached } = props;
  const several = typeof reach === "number";
  return (
    <label class="reach" title="How far the edit propagates from its slice; the slice bar shows it in white">
      <span>Reach</span>
      <select
        value={several ? "several" : reach}
        onChange={({ currentTarget: { value } }) =>
          props.set(value === "several" ? DEFAULT_SLICES : (value as Reach))
        }
      >
        <option value="slice">this slice</option>
        <option value="several">± slices</option>
        <option value="next">to the next prompt</option>
        <option value="ends">to both ends</option>
      </select>
      {several && <NumberField label="slices to each side" value={reach} min={1} max={999} set={props.set} />}
      {reached && <span class="numbers dim">{slicesText(reached)}</span>}
    </label>
  );
}
