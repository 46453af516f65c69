/** The Measure tool: makes lengths, angles and regions, and changes those that are there. */
import type { Measurement } from "../api/measurements";
import type { Gesture } from "./gesture";
import { drawMeasurement, indexOf, onSlice, pointsOf, rectangle, withPoints } from "./measurement_drawing";
import type { Xy } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";

export function measuring(pane: SlicePane, start: Xy): Gesture {
  const { measurements } = pane.session;
  const { started } = measurements;
  if (started && started.plane === pane.plane && indexOf(started, pane.grid) === pane.index)
    return secondSide(pane, started, start);
  if (started) measurements.start(null);
  return moving(pane, start) ?? drawing(pane, start);
}

/** A drag that makes a new measurement, or the first side of an angle. */
function drawing(pane: SlicePane, start: Xy): Gesture {
  const { measurements } = pane.session;
  const of = { kind: measurements.kind };
  let end = start;
  return {
    move: (xy) => {
      end = xy;
    },
    end: (moved) => {
      if (!moved) measurements.select(null);
      else if (of.kind === "angle") measurements.start(withPoints(pane, of, [start, end]));
      else measurements.add(withPoints(pane, of, [start, end]));
    },
    draw: (pen) => drawMeasurement(pane, pen, withPoints(pane, of, [start, end]), true),
  };
}

/** The second side of an angle: a click at its end, or a drag to it. */
function secondSide(pane: SlicePane, started: Measurement, start: Xy): Gesture {
  let end = start;
  const whole = () => withPoints(pane, started, [...pointsOf(pane, started), end]);
  return {
    move: (xy) => {
      end = xy;
    },
    end: () => pane.session.measurements.add(whole()),
    draw: (pen) => drawMeasurement(pane, pen, whole(), true),
  };
}

/** A drag of a point of a measurement, or of the whole of it; null where there is none. */
function moving(pane: SlicePane, start: Xy): Gesture | null {
  const { measurements } = pane.session;
  const found = measurementAt(pane, start);
  if (!found) return null;
  const { measurement, point } = found;
  const points = pointsOf(pane, measurement);
  measurements.select(measurement);
  let changed = measurement;
  return {
    move: ([x, y]) => {
      measurements.dragged = measurement;
      const shifted = points.map(
        (at, n): Xy =>
          point === null
            ? [at[0] + x - start[0], at[1] + y - start[1]]
            : n === point
              ? [x, y]
              : [at[0], at[1]],
      );
      changed = withPoints(pane, measurement, shifted);
    },
    end: (moved) => {
      measurements.dragged = null;
      if (moved) measurements.replace(measurement, changed);
    },
    draw: (pen) => drawMeasurement(pane, pen, changed, true),
  };
}

/** The measurement at a position, the last one first, and which of its points is there; null is none of them. */
export function measurementAt(
  pane: SlicePane,
  xy: Xy,
): { measurement: Measurement; point: number | null } | null {
  const { scaleX, scaleY } = pane.placement;
  const px = ([x, y]: Xy): Xy => [x * scaleX, y * scaleY];
  const at = px(xy);
  const candidates = onSlice(pane).reverse();
  for (const measurement of candidates) {
    const near = pointsOf(pane, measurement).findIndex((each) => {
      const [x, y] = px(each);
      return Math.hypot(x - at[0], y - at[1]) <= pane.reachPx;
    });
    if (near >= 0) return { measurement, point: near };
  }
  for (const measurement of candidates) {
    const lines = outline(measurement, pointsOf(pane, measurement)).map(px);
    for (let n = 0; n + 1 < lines.length; n++)
      if (distanceToLine(at, lines[n], lines[n + 1]) <= pane.reachPx) return { measurement, point: null };
  }
  return null;
}

/** The lines of a measurement, as the points between them. */
function outline({ kind }: Measurement, points: readonly Xy[]): Xy[] {
  if (kind === "length" || kind === "angle") return [...points];
  if (kind === "rectangle") return [...rectangle(points), points[0]];
  const [[ax, ay], [bx, by]] = points;
  return Array.from({ length: 33 }, (_, n): Xy => {
    const turn = (n * Math.PI) / 16;
    return [
      (ax + bx) / 2 + ((bx - ax) / 2) * Math.cos(turn),
      (ay + by) / 2 + ((by - ay) / 2) * Math.sin(turn),
    ];
  });
}

function distanceToLine([x, y]: Xy, [ax, ay]: Xy, [bx, by]: Xy): number {
  const [dx, dy] = [bx - ax, by - ay];
  const share = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}
