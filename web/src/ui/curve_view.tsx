/** Actions and minutes over the order of cases, drawn; the table beside it has the same numbers. */
import type { CurvePoint } from "../api/project";
import "./styles/curve_view.css";

/** The drawing's size and margins, in its own units. */
const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 44;
const RIGHT = 12;
const TOP = 18;
const BOTTOM = 34;

interface Props {
  title: string;
  points: readonly CurvePoint[];
  value: (point: CurvePoint) => number;
}

export function CurveView({ title, points, value }: Props) {
  const values = points.map(value);
  const step = niceStep(Math.max(1e-9, ...values));
  const most = Math.max(step, step * Math.ceil(Math.max(...values) / step - 1e-9));
  const x = (n: number) => LEFT + ((n + 0.5) * (WIDTH - LEFT - RIGHT)) / Math.max(1, points.length);
  const y = (shown: number) => HEIGHT - BOTTOM - (shown / most) * (HEIGHT - TOP - BOTTOM);
  const ticks = Array.from({ length: Math.round(most / step) + 1 }, (_, n) => n * step);
  const every = Math.max(1, Math.ceil(points.length / 12));
  return (
    <figure class="curve-view">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}; the table has the numbers`}>
        {ticks.map((tick) => (
          <g key={tick} class="tick">
            <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 8} y={y(tick) + 4} text-anchor="end">
              {Number(tick.toFixed(2))}
            </text>
          </g>
        ))}
        {points.map((point, n) =>
          changed(points, n) ? (
            <g key={`round ${n}`} class="change">
              <line x1={x(n - 0.5)} x2={x(n - 0.5)} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text x={x(n - 0.5) + 4} y={TOP - 5}>
                {weightsText(point.round)}
              </text>
            </g>
          ) : null,
        )}
        <polyline
          class="mean"
          points={meanOf(values)
            .map((mean, n) => `${x(n)},${y(mean)}`)
            .join(" ")}
        />
        {points.map((point, n) => (
          <circle key={point.case} cx={x(n)} cy={y(values[n])} r={3.5}>
            <title>
              {point.case}: {Number(values[n].toFixed(1))}
            </title>
          </circle>
        ))}
        {points.map(({ order }, n) =>
          n % every === 0 ? (
            <text key={order} x={x(n)} y={HEIGHT - BOTTOM + 15} text-anchor="middle">
              {order}
            </text>
          ) : null,
        )}
        <text x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 4} text-anchor="middle">
          cases in the order in which they were done
        </text>
      </svg>
    </figure>
  );
}

/** Whether the weights of a case are others than those of the one before. */
export function changed(points: readonly CurvePoint[], n: number): boolean {
  return n > 0 && points[n].round !== points[n - 1].round;
}

export const weightsText = (round: number | null) => (round === null ? "first weights" : `round ${round}`);

/** The mean of each value and up to four before it: single cases differ a lot. */
export function meanOf(values: readonly number[]): number[] {
  return values.map((_, n) => {
    const some = values.slice(Math.max(0, n - 4), n + 1);
    return some.reduce((sum, each) => sum + each, 0) / some.length;
  });
}

/** A round step of which at most five reach `most`. */
function niceStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  return power * ([1, 2, 5, 10].find((each) => each * power * 5 >= most) ?? 10);
}
