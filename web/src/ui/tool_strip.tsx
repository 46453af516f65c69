import type { Tool } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { Icon } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/tool_strip.css";

const TOOLS: { group: string; tools: { tool: Tool; key: string; name: string; what: string }[] }[] = [
  {
    group: "By the model",
    tools: [
      { tool: "box", key: "B", name: "Box", what: "around the object" },
      { tool: "point", key: "P", name: "Point", what: "part of the object" },
      { tool: "negative", key: "N", name: "Negative", what: "not part of the object" },
      { tool: "scribble", key: "S", name: "Scribble", what: "through the object; Shift: not part of it" },
      {
        tool: "lasso",
        key: "L",
        name: "Lasso",
        what: "around what belongs to it; Shift: around what does not",
      },
    ],
  },
  {
    group: "By hand",
    tools: [
      { tool: "brush", key: "D", name: "Paint", what: "Shift erases" },
      { tool: "erase", key: "E", name: "Erase", what: "Shift paints" },
    ],
  },
  {
    group: "View",
    tools: [
      { tool: "measure", key: "M", name: "Measure", what: "in mm" },
      { tool: "window", key: "W", name: "Window", what: "by dragging" },
      { tool: "navigate", key: "V", name: "Navigate", what: "a click moves all planes there" },
    ],
  },
];

export function ToolStrip({ session }: { session: OpenSession }) {
  const { display } = session;
  useObservables(display);
  return (
    <nav class="tool-strip" aria-label="Tools">
      {TOOLS.map(({ group, tools }) => (
        <div key={group} class="tool-group" role="radiogroup" aria-label={group}>
          <span class="tool-heading" aria-hidden="true">
            {group}
          </span>
          {tools.map(({ tool, key, name, what }) => (
            <button
              key={tool}
              type="button"
              role="radio"
              class="tool"
              aria-checked={display.tool === tool}
              tabIndex={display.tool === tool ? 0 : -1}
              aria-keyshortcuts={key}
              title={`${name} (${key}): ${what}`}
              onClick={() => display.set({ tool })}
            >
              <Icon name={tool} />
              <span>{name}</span>
            </button>
          ))}
        </div>
      ))}
    </nav>
  );
}
