import type { Tool } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { Icon } from "./icons";
import { useObservables } from "./use_observables";
import "./styles/tool_strip.css";

const TOOLS: { tool: Tool; key: string; name: string }[][] = [
  [
    { tool: "box", key: "B", name: "Box" },
    { tool: "point", key: "P", name: "Point" },
    { tool: "negative", key: "N", name: "Negative" },
    { tool: "brush", key: "D", name: "Paint" },
    { tool: "lasso", key: "L", name: "Lasso" },
  ],
  [
    { tool: "measure", key: "M", name: "Measure" },
    { tool: "window", key: "W", name: "Window" },
    { tool: "navigate", key: "V", name: "Navigate" },
  ],
];

export function ToolStrip({ session }: { session: OpenSession }) {
  const { display } = session;
  useObservables(display);
  return (
    <nav class="tool-strip" aria-label="Tools">
      {TOOLS.map((group) => (
        <div
          key={group[0].tool}
          class="tool-group"
          role="radiogroup"
          aria-label={group === TOOLS[0] ? "Prompts" : "View"}
        >
          {group.map(({ tool, key, name }) => (
            <button
              key={tool}
              type="button"
              role="radio"
              class="tool"
              aria-checked={display.tool === tool}
              aria-keyshortcuts={key}
              title={`${name} (${key})`}
              onClick={() => display.set({ tool })}
            >
              <Icon name={tool} />
              <span>{name}</span>
            </button>
          ))}
        </div>
      ))}
      {display.tool === "brush" && (
        <label class="brush-size">
          <span>{Math.round(display.brushMm)} mm</span>
          <input
            type="range"
            min={1}
            max={80}
            value={display.brushMm}
            aria-label="Brush diameter in mm"
            onInput={(event) => display.setBrush(Number(event.currentTarget.value))}
          />
        </label>
      )}
    </nav>
  );
}
