import { MASK_STYLES, type MaskStyle } from "../state/look";
import type { OpenSession } from "../state/open_session";
import { PopoverMenu } from "./popover_menu";
import { useObservables } from "./use_observables";
import "./styles/look_menu.css";

const NAMES: Record<MaskStyle, string> = { both: "Both", outline: "Outline", fill: "Fill" };

/** How masks and slices look. */
export function LookMenu({ session }: { session: OpenSession }) {
  const { look, display } = session;
  useObservables(look, display);
  const percent = Math.round(100 * look.opacity);
  return (
    <PopoverMenu icon="look" label="Look of masks and slices">
      <div class="look-menu">
        <label>
          <input
            type="checkbox"
            checked={display.masks}
            onChange={(event) => display.set({ masks: event.currentTarget.checked })}
          />
          Show the masks <kbd>H</kbd>
        </label>
        <div class="styles" role="radiogroup" aria-label="Masks as">
          {MASK_STYLES.map((style) => (
            <button
              key={style}
              type="button"
              role="radio"
              aria-checked={look.style === style}
              tabIndex={look.style === style ? 0 : -1}
              onClick={() => look.set({ style })}
            >
              {NAMES[style]}
            </button>
          ))}
        </div>
        <label class="opacity">
          <span>Opacity of the fill</span>
          <span class="numbers">{percent} %</span>
          <input
            type="range"
            min={5}
            max={100}
            step={5}
            value={percent}
            disabled={look.style === "outline"}
            aria-label="Opacity of the fill"
            onInput={(event) => look.set({ opacity: Number(event.currentTarget.value) / 100 })}
          />
        </label>
        <label>
          <input
            type="checkbox"
            checked={look.inverted}
            onChange={(event) => look.set({ inverted: event.currentTarget.checked })}
          />
          Invert black and white <kbd>I</kbd>
        </label>
      </div>
    </PopoverMenu>
  );
}
