import type { PaneSizes, Splitter as SplitterName } from "../state/pane_sizes";
import "./styles/splitter.css";

interface Props {
  sizes: PaneSizes;
  name: SplitterName;
  label: string;
  /** A vertical splitter moves to the left and right. */
  vertical: boolean;
  /** Where it lies in the grid of the views: at the end of this area. */
  area: string;
}

const STEP = 0.02;

/** A line between two views: drag it, or move it with arrow keys; a double-click or Enter resets it. */
export function Splitter({ sizes, name, label, vertical, area }: Props) {
  const share = sizes.share(name);
  const [low, high] = sizes.range(name);
  const percent = (value: number) => Math.round(100 * value);
  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const line = event.currentTarget as HTMLElement;
    line.setPointerCapture(event.pointerId);
    line.focus({ preventScroll: true });
  };
  const drag = (event: PointerEvent) => {
    const line = event.currentTarget as HTMLElement;
    if (!line.hasPointerCapture(event.pointerId)) return;
    const { left, top, width, height } = line.parentElement!.getBoundingClientRect();
    sizes.move(name, vertical ? (event.clientX - left) / width : (event.clientY - top) / height);
  };
  const type = (event: KeyboardEvent) => {
    const [less, more] = vertical ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    if (event.key === "Enter") sizes.reset(name);
    else if (event.key === less) sizes.move(name, share - STEP);
    else if (event.key === more) sizes.move(name, share + STEP);
    else if (event.key === "Home") sizes.move(name, low);
    else if (event.key === "End") sizes.move(name, high);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class={`splitter ${vertical ? "vertical" : "horizontal"}`}
      style={{ gridArea: area }}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={vertical ? "vertical" : "horizontal"}
      aria-valuemin={percent(low)}
      aria-valuemax={percent(high)}
      aria-valuenow={percent(share)}
      title={`${label}: drag it; a double-click resets it`}
      onPointerDown={press}
      onPointerMove={drag}
      onDblClick={() => sizes.reset(name)}
      onKeyDown={type}
    />
  );
}
