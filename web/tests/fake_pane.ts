/** A view without a screen: what the tools need of a `SlicePane`. */
import type { PlaneName } from "../src/api/wire_types";
import type { Tool } from "../src/state/display";
import type { OpenSession } from "../src/state/open_session";
import type { Gesture } from "../src/view/gesture";
import type { Xy } from "../src/view/overlay_pen";
import type { SlicePane } from "../src/view/slice_pane";
import { TOOLS } from "../src/view/tool_gestures";

export function paneOf(session: OpenSession, plane: PlaneName): SlicePane {
  const grid = session.geometry.grids[plane];
  return {
    session,
    plane,
    grid,
    pxPerMm: 1,
    placement: { left: 0, top: 0, scaleX: 1, scaleY: 1 },
    get index() {
      return session.display.index(plane);
    },
    contains: ([x, y]: Xy) => x >= -0.5 && y >= -0.5 && x < grid.cols - 0.5 && y < grid.rows - 0.5,
  } as unknown as SlicePane;
}

/** Choose a tool and drag it over a slice, from the press to the release. */
export function drag(pane: SlicePane, tool: Tool, path: readonly Xy[], shift = false): Gesture | null {
  pane.session.display.set({ tool });
  const gesture = TOOLS[tool](pane, path[0], shift);
  for (const xy of path.slice(1)) gesture?.move(xy, 1, 1);
  gesture?.end?.(path.length > 1);
  return gesture;
}
