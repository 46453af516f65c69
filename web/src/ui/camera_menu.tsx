import { saveFile } from "../api/save_file";
import type { App } from "../state/app";
import type { PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { screenshot } from "../view/screenshot";
import type { SlicePane } from "../view/slice_pane";
import { PopoverMenu } from "./popover_menu";

/** Save a picture of the active view or of all. */
export async function savePicture(
  app: App,
  session: OpenSession,
  panes: ReadonlyMap<PaneName, SlicePane>,
  of: "view" | "all",
): Promise<void> {
  try {
    const { name, content } = await screenshot(session, panes, of);
    saveFile(name, content);
    app.showToast("done", `Saved ${name}.`);
  } catch (error) {
    app.showToast("error", (error as Error).message);
  }
}

export function CameraMenu(props: {
  app: App;
  session: OpenSession;
  panes: ReadonlyMap<PaneName, SlicePane>;
}) {
  const { app, session, panes } = props;
  return (
    <PopoverMenu icon="camera" label="Save a picture">
      {(close) =>
        (["view", "all"] as const).map((of) => (
          <button
            key={of}
            type="button"
            onClick={() => {
              close();
              void savePicture(app, session, panes, of);
            }}
          >
            {of === "view" ? "Of the active view" : "Of all views"}{" "}
            <kbd>{of === "view" ? "J" : "Shift+J"}</kbd>
          </button>
        ))
      }
    </PopoverMenu>
  );
}
