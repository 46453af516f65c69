import type { ComponentChildren } from "preact";
import type { Display, PaneName } from "../state/display";
import { IconButton } from "./icons";
import "./styles/pane_header.css";

interface Props {
  display: Display;
  pane: PaneName;
  /** As in "the axial view". */
  name: string;
  children: ComponentChildren;
}

/** The strip over a view: its title, and buttons that make it the large or the only one. */
export function PaneHeader({ display, pane, name, children }: Props) {
  const alone = display.layout === "single";
  const large = display.layout === "main" && display.large === pane;
  return (
    <header class="pane-header">
      <div class="pane-title">{children}</div>
      {!alone && !large && (
        <IconButton
          icon="main"
          label={`Make the ${name} view the large one (Y)`}
          run={() => display.makeLarge(pane)}
        />
      )}
      <IconButton
        icon={alone ? "shrink" : "enlarge"}
        label={alone ? "Show the other views again (G)" : `Show only the ${name} view (G)`}
        run={() => display.enlarge(pane)}
      />
    </header>
  );
}
