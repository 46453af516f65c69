import type { Display } from "../state/display";
import { Icon } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/masks_hidden.css";

/** Says over the views that the masks are hidden, and shows them again. */
export function MasksHidden({ display }: { display: Display }) {
  useObservables(display);
  return (
    <div class="masks-hidden" role="status">
      {!display.masks && (
        <button type="button" onClick={() => display.set({ masks: true })}>
          <Icon name="hidden" /> All masks are hidden. Show them <kbd>H</kbd>
        </button>
      )}
    </div>
  );
}
