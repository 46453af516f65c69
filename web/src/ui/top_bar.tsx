import type { App } from "../state/app";
import type { Layout } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { centerWidth, PRESETS, presetWindow } from "../volume/hu_window";
import { Icon, IconButton, type IconName } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/top_bar.css";

const LAYOUTS: [Layout, IconName, string][] = [
  ["main", "main", "One large view and three small ones (T)"],
  ["quad", "quad", "Four equal views (T)"],
  ["single", "single", "One view (G)"],
];

export function TopBar({ app, session }: { app: App; session: OpenSession }) {
  const { display, volume } = session;
  useObservables(session, display, session.measurements);
  const { center, width } = centerWidth(display.window);
  const preset = PRESETS.find((each) => each.center === center && each.width === width);
  const size = volume.shape_ijk.join(" × ");
  const spacing = volume.spacing_mm_ijk.map((mm) => Number(mm.toFixed(2))).join(" × ");
  return (
    <header class="top-bar">
      <button
        type="button"
        class="brand"
        onClick={() => app.show("open")}
        title="Open another volume (Ctrl+O)"
      >
        <span class="brand-name">RadSAM</span>
        <span class="volume-name ellipsis">{volume.name}</span>
        <Icon name="open" />
      </button>
      <span class="volume-size" title="Voxels and their size">
        {size} · {spacing} mm
      </span>
      <span class="gap" />
      <label class="window-pick">
        <span>Window</span>
        <select
          value={preset?.name ?? ""}
          onChange={(event) => {
            const chosen = PRESETS.find((each) => each.name === event.currentTarget.value);
            if (chosen) display.set({ window: presetWindow(chosen) });
            event.currentTarget.blur();
          }}
        >
          {!preset && <option value="">Custom</option>}
          {PRESETS.map((each, n) => (
            <option key={each.name} value={each.name}>
              {each.name} ({n + 1})
            </option>
          ))}
        </select>
      </label>
      <output
        class="window-values numbers"
        title="Width and level; drag with the right button to change them"
      >
        W {width} · L {center}
      </output>
      <div class="group" role="radiogroup" aria-label="Layout">
        {LAYOUTS.map(([layout, icon, title]) => (
          <button
            key={layout}
            type="button"
            role="radio"
            class="icon-button"
            aria-checked={display.layout === layout}
            tabIndex={display.layout === layout ? 0 : -1}
            aria-label={title}
            title={title}
            onClick={() => display.set({ layout, large: layout === "quad" ? display.large : display.active })}
          >
            <Icon name={icon} />
          </button>
        ))}
      </div>
      <div class="group">
        <IconButton
          icon="undo"
          label="Undo (Ctrl+Z)"
          disabled={!session.canUndo}
          run={() => session.undo()}
        />
        <IconButton
          icon="redo"
          label="Redo (Ctrl+Shift+Z)"
          disabled={!session.canRedo}
          run={() => session.redo()}
        />
      </div>
      <IconButton icon="help" label="Shortcuts (?)" run={() => app.show("shortcuts")} />
      <button type="button" class="primary save" onClick={() => app.show("save")} title="Save (Ctrl+S)">
        <Icon name="save" /> Save
      </button>
    </header>
  );
}
