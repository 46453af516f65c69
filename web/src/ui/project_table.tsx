import type { ComponentChild } from "preact";
import "./styles/project_table.css";

/** A table that scrolls by itself; columns of numbers are aligned to the right. */
export function ProjectTable({
  name,
  head,
  rows,
}: {
  name: string;
  head: readonly string[];
  rows: readonly (readonly ComponentChild[])[];
}) {
  const numeric = (cell: ComponentChild) =>
    typeof cell === "number" || (typeof cell === "string" && /^[\d.]+$/.test(cell));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it
    <div class="project-table" tabIndex={0} role="region" aria-label={name}>
      <table>
        <thead>
          <tr>
            {head.map((text, n) => (
              <th key={n} scope="col" class={rows.some((row) => numeric(row[n])) ? "number" : ""}>
                {text || <span class="sr-only">Order</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, n) => (
            <tr key={n}>
              {row.map((cell, m) => (
                <td key={m} class={numeric(cell) ? "number numbers" : ""}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
