import type { Histogram } from "../api/statistics";
import { shortNumber } from "../volume/measured_values";

const [WIDTH, HEIGHT] = [320, 120];

/** How often values occur, drawn as bars. */
export function HistogramView(props: { histogram: Histogram; colour: string; unit: string }) {
  const { low, width, counts, below, above } = props.histogram;
  const most = Math.max(...counts, 1);
  const bar = WIDTH / counts.length;
  const high = low + width * counts.length;
  const [from, to] = [low, high].map((value) => `${shortNumber(value)} ${props.unit}`.trim());
  const beside = below + above;
  return (
    <figure>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        preserveAspectRatio="none"
        aria-label={`Histogram of the values from ${from} to ${to}`}
      >
        {counts.map((count, n) => (
          <rect
            key={n}
            x={n * bar}
            y={HEIGHT - (count / most) * HEIGHT}
            width={Math.max(0.5, bar - 0.5)}
            height={(count / most) * HEIGHT}
            fill={props.colour}
          >
            <title>{`${shortNumber(low + n * width)} to ${shortNumber(low + (n + 1) * width)}: ${count}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption class="numbers">
        <span>{from}</span>
        <span class="dim">{beside > 0 && `${beside} voxels outside`}</span>
        <span>{to}</span>
      </figcaption>
    </figure>
  );
}
