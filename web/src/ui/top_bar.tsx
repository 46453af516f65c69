import type { App } from "../state/app";
import type { Layout, PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import type { SlicePane } from "../view/slice_pane";
import { CameraMenu } from "./camera_menu";
import { Icon, IconButton, type IconName } from "./icons";
import { LookMenu } from "./look_menu";
import { ModalityMenu } from "./modality_menu";
import { useObservables } from "./use_observables";
import { ViewMenu } from "./view_menu";
import { WindowPicker } from "./window_picker";
import "./styles/top_bar.css";

const LAYOUTS: [Layout, IconName, string][] = [
  ["main", "main", "One large view and three small ones (T)"],
  ["quad", "quad", "Four equal views (T)"],
  ["single", "single", "One view (G)"],
];

interface Props {
  app: App;
  session: OpenSession;
  panes: ReadonlyMap<PaneName, SlicePane>;
}

export function TopBar({ app, session, panes }: Props) {
  const { display, volume } = session;
  const work = app.project?.work;
  useObservables(session, display, session.measurements);
  const size = volume.shape_ijk.join(" × ");
  const spacing = volume.spacing_mm_ijk.map((mm) => Number(mm.toFixed(2))).join(" × ");
  return (
    <header class="top-bar">
      <h1 class="sr-only">RadSAM: {volume.name}</h1>
      <button
        type="button"
        class="brand"
        onClick={() => (work ? app.project?.leave() : app.show("open"))}
        title={work ? "Back to the worklist (Shift+W)" : "Open another volume (Ctrl+O)"}
      >
        <span class="brand-name">{work ? app.project?.info.name : "RadSAM"}</span>
        <span class="volume-name ellipsis">{work?.caseId ?? volume.name}</span>
        <Icon name={work ? "list" : "open"} />
      </button>
      <ModalityMenu session={session} />
      <span class="volume-size" title="Voxels and their size">
        {size} · {spacing} mm
      </span>
      <span class="gap" />
      <WindowPicker app={app} session={session} />
      <LookMenu session={session} />
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
      <CameraMenu app={app} session={session} panes={panes} />
      <IconButton
        icon="statistics"
        label="Statistics of the objects (Q)"
        run={() => app.show("statistics")}
      />
      <ViewMenu app={app} display={display} />
      <IconButton icon="help" label="Shortcuts (?)" run={() => app.show("shortcuts")} />
      <button type="button" class="primary save" onClick={() => app.show("save")} title="Save (Ctrl+S)">
        <Icon name="save" /> Save
      </button>
    </header>
  );
}
