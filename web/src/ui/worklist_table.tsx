/** The cases of a project as a table; of thousands, only the rows in view are drawn. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ProjectCase } from "../api/project";
import { canCheck, heldBy, stateText, timeOf } from "../state/worklist";
import { IconButton } from "./icons";
import { StateMark } from "./state_mark";
import "./styles/worklist_table.css";

/** Rows that are drawn before and after those in view. */
const SPARE = 12;
/** Until a row has been measured. */
const ROW_PX = 38;

interface Props {
  cases: readonly ProjectCase[];
  /** Who may check what others have done; null for an annotator. */
  reviewer: string | null;
  open: (id: string, check: boolean) => unknown;
  /** Show notes, assignment and history of a case. */
  more: (id: string) => unknown;
}

export function WorklistTable({ cases, reviewer, open, more }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const focus = useRef<number | null>(null);
  const [view, setView] = useState({ top: 0, height: 600, row: ROW_PX });
  const first = Math.max(0, Math.floor(view.top / view.row) - SPARE);
  const last = Math.min(cases.length, Math.ceil((view.top + view.height) / view.row) + SPARE);
  const measure = () => {
    const { scrollTop, clientHeight } = box.current!;
    const row = box.current!.querySelector<HTMLElement>("tbody tr.case-row")?.offsetHeight || ROW_PX;
    const next = { top: scrollTop, height: clientHeight || 600, row };
    if (next.top !== view.top || next.height !== view.height || next.row !== view.row) setView(next);
  };
  useLayoutEffect(() => {
    measure();
    const row = focus.current;
    if (row === null) return;
    const button = box.current!.querySelector<HTMLElement>(`[data-row="${row}"] button`);
    if (!button) return;
    focus.current = null;
    button.focus();
  });
  useLayoutEffect(() => {
    const resized = new ResizeObserver(measure);
    resized.observe(box.current!);
    return () => resized.disconnect();
  }, []);
  /** ↑ and ↓ go from case to case. */
  const press = (event: KeyboardEvent) => {
    const at = (event.target as Element).closest<HTMLElement>("[data-row]")?.dataset.row;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (at === undefined || !step) return;
    event.preventDefault();
    const row = Math.min(cases.length - 1, Math.max(0, Number(at) + step));
    focus.current = row;
    const element = box.current!;
    const [top, bottom] = [row * view.row, (row + 2) * view.row]; // below the head
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight)
      element.scrollTop = bottom - element.clientHeight;
    setView({ ...view, top: element.scrollTop, row: view.row });
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: arrow keys pass from button to button
    <div ref={box} class="worklist-table" onScroll={measure} onKeyDown={press}>
      <table aria-rowcount={cases.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {["", "Case", "State", "Labels", "Who", "Actions", "Minutes", "Note", ""].map((text, n) => (
              <th key={n} scope="col">
                {text || <span class="sr-only">{n ? "More" : "Order"}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer rows={first} height={view.row} />
          {cases.slice(first, last).map((each, n) => (
            <Row
              key={`${each.id} ${each.reading}`}
              item={each}
              row={first + n}
              reviewer={reviewer}
              open={open}
              more={more}
            />
          ))}
          <Spacer rows={cases.length - last} height={view.row} />
        </tbody>
      </table>
    </div>
  );
}

function Spacer({ rows, height }: { rows: number; height: number }) {
  return rows > 0 ? <tr aria-hidden="true" style={{ height: `${rows * height}px` }} /> : null;
}

function Row({ item, row, reviewer, open, more }: Omit<Props, "cases"> & { item: ProjectCase; row: number }) {
  const actions = item.labels.reduce((sum, each) => sum + each.actions, 0);
  const seconds = item.labels.reduce((sum, each) => sum + each.seconds, 0);
  const checks = reviewer !== null && canCheck(item, reviewer);
  // Nothing else is left to do in it.
  const onlyChecks = checks && item.state === "done";
  return (
    <tr class={`case-row ${item.mine ? "mine" : ""}`} data-row={row} aria-rowindex={row + 2}>
      <td class="numbers dim">{item.state === "excluded" ? "" : item.position}</td>
      <th scope="row">
        <span class="row">
          <button type="button" class="quiet case-open" onClick={() => open(item.id, onlyChecks)}>
            <span class="ellipsis">{item.id}</span>
          </button>
          {item.reading > 1 && <span class="dim">reading {item.reading}</span>}
          {checks && (
            <button
              type="button"
              class="quiet check"
              aria-label={`Check ${item.id}`}
              onClick={() => open(item.id, true)}
            >
              Check
            </button>
          )}
        </span>
      </th>
      <td>{stateText[item.state]}</td>
      <td>
        <span class="marks">
          {item.labels.map((label) => (
            <StateMark key={label.name} label={label} />
          ))}
        </span>
      </td>
      <td class="ellipsis" title={whoText(item)}>
        {whoText(item)}
      </td>
      <td class="numbers">{actions || ""}</td>
      <td class="numbers">{seconds ? (seconds / 60).toFixed(1) : ""}</td>
      <td class="ellipsis case-note" title={item.excluded || item.note}>
        {item.excluded || item.note}
      </td>
      <td>
        <IconButton icon="more" label={`Notes and more of ${item.id}`} run={() => more(item.id)} />
      </td>
    </tr>
  );
}

/** Who has a case, who is to do it, or who did it. */
function whoText(item: ProjectCase): string {
  const holder = heldBy(item);
  if (item.mine) return `you, until ${timeOf(item.locked_until)}`;
  if (holder) return `${holder}, until ${timeOf(item.locked_until)}`;
  if (item.assigned) return `for ${item.assigned}`;
  return [...new Set(item.labels.map((each) => each.annotator).filter(Boolean))].join(", ");
}
