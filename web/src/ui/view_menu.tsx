import type { App } from "../state/app";
import type { Display } from "../state/display";
import { THEMES, type Theme, type ThemeChoice } from "../state/theme";
import { PopoverMenu } from "./popover_menu";
import "./styles/view_menu.css";
import { useObservables } from "./use_observables";

const NAMES: Record<ThemeChoice, string> = { system: "As the system", light: "Light", dark: "Dark" };

/** What is chosen once and stays: how the views follow, and the page's colours. */
export function ViewMenu({ app, display }: { app: App; display: Display }) {
  useObservables(display, app.theme);
  return (
    <PopoverMenu icon="settings" label="View settings">
      <div class="view-menu">
        <label>
          <input
            type="checkbox"
            checked={display.follow}
            onChange={(event) => display.setFollow(event.currentTarget.checked)}
          />
          <span>
            The other planes follow
            <small>A click, a new mask or a selected object moves them there.</small>
          </span>
        </label>
        <label>
          <input
            type="checkbox"
            checked={display.crosshair}
            onChange={(event) => display.set({ crosshair: event.currentTarget.checked })}
          />
          <span>
            Crosshair <kbd>X</kbd>
          </span>
        </label>
        <button type="button" onClick={() => display.sizes.resetAll()}>
          Reset the sizes of the views
        </button>
        <ThemeChoices theme={app.theme} />
      </div>
    </PopoverMenu>
  );
}

function ThemeChoices({ theme }: { theme: Theme }) {
  return (
    <fieldset>
      <legend>Colours</legend>
      {THEMES.map((each) => (
        <label key={each}>
          <input
            type="radio"
            name="theme"
            checked={theme.choice === each}
            onChange={() => theme.choose(each)}
          />
          {NAMES[each]}
        </label>
      ))}
    </fieldset>
  );
}
