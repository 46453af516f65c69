/** Draws masks, prompts, measures and crosshair over a slice; lines grow with the size of text. */
import type { Placement } from "../volume/slice_rendering";

export const PROMPT = "#f0e442";
export const POSITIVE = "#5ae66e";
export const NEGATIVE = "#ff6b6b";
const SHADE = "rgba(0, 0, 0, 0.75)";

export type Xy = readonly [number, number];

/** How masks are drawn: `opacity` is that of the chosen object's fill. */
export interface MaskLook {
  readonly style: "both" | "outline" | "fill";
  readonly opacity: number;
}

/** The opacity of the other objects' fill, as a share of the chosen one's. */
const LESS = 0.6;

/** Draws on one canvas in displayed pixels of the slice, with lines and marks `unit` CSS pixels wide. */
export class Pen {
  constructor(
    readonly c: CanvasRenderingContext2D,
    readonly place: Placement,
    readonly unit = 1,
    readonly look: MaskLook = { style: "both", opacity: 0.2 },
  ) {}

  at([x, y]: Xy): [number, number] {
    return [this.place.left + (x + 0.5) * this.place.scaleX, this.place.top + (y + 0.5) * this.place.scaleY];
  }

  private path(polygons: readonly ArrayLike<number>[]): Path2D {
    const path = new Path2D();
    for (const polygon of polygons) {
      for (let n = 0; n < polygon.length; n += 2) {
        const [x, y] = this.at([polygon[n], polygon[n + 1]]);
        if (n) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
      path.closePath();
    }
    return path;
  }

  /**
   * A mask: a light fill through which the anatomy is seen, and a contour that is visible on bone and on lung. What is
   * being drawn always has both; a proposal always has its contour. Theirs is dashed.
   */
  mask(
    polygons: readonly ArrayLike<number>[],
    colour: string,
    strong: boolean,
    kind: "mask" | "proposal" | "drawn" = "mask",
  ): void {
    const { c } = this;
    const path = this.path(polygons);
    const { style, opacity } = kind === "drawn" ? { style: "both", opacity: 0.2 } : this.look;
    if (style !== "outline") {
      c.globalAlpha = strong ? opacity : opacity * LESS;
      c.fillStyle = colour;
      c.fill(path, "evenodd");
      c.globalAlpha = 1;
    }
    if (style === "fill" && kind !== "proposal") return;
    c.lineJoin = "round";
    c.strokeStyle = "rgba(0, 0, 0, 0.5)";
    c.lineWidth = (strong ? 3.2 : 2.4) * this.unit;
    c.stroke(path);
    c.setLineDash(kind !== "mask" ? [6 * this.unit, 3 * this.unit] : []);
    c.strokeStyle = colour;
    c.lineWidth = (strong ? 1.8 : 1.2) * this.unit;
    c.stroke(path);
    c.setLineDash([]);
  }

  box([x0, y0, x1, y1]: readonly [number, number, number, number], colour: string, handles: boolean): void {
    const { c } = this;
    const [a, b] = [this.at([x0, y0]), this.at([x1, y1])];
    for (const [style, width] of [
      [SHADE, 3.5],
      [colour, 1.5],
    ] as const) {
      c.strokeStyle = style;
      c.lineWidth = width * this.unit;
      c.strokeRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
    }
    if (!handles) return;
    const u = this.unit;
    for (const x of [a[0], (a[0] + b[0]) / 2, b[0]])
      for (const y of [a[1], (a[1] + b[1]) / 2, b[1]]) {
        if (x === (a[0] + b[0]) / 2 && y === (a[1] + b[1]) / 2) continue;
        c.fillStyle = SHADE;
        c.fillRect(x - 4 * u, y - 4 * u, 8 * u, 8 * u);
        c.fillStyle = colour;
        c.fillRect(x - 3 * u, y - 3 * u, 6 * u, 6 * u);
      }
  }

  /** A point: + positive, − negative. */
  point(xy: Xy, positive: boolean): void {
    const { c } = this;
    const [x, y] = this.at(xy);
    const u = this.unit;
    c.beginPath();
    c.arc(x, y, 7.5 * u, 0, 2 * Math.PI);
    c.fillStyle = SHADE;
    c.fill();
    c.strokeStyle = positive ? POSITIVE : NEGATIVE;
    c.lineWidth = 1.5 * u;
    c.stroke();
    c.lineWidth = 2 * u;
    c.beginPath();
    c.moveTo(x - 3.5 * u, y);
    c.lineTo(x + 3.5 * u, y);
    if (positive) {
      c.moveTo(x, y - 3.5 * u);
      c.lineTo(x, y + 3.5 * u);
    }
    c.stroke();
  }

  line(points: readonly Xy[], colour: string, closed = false): void {
    const { c } = this;
    c.beginPath();
    points.forEach((point, n) => {
      const [x, y] = this.at(point);
      if (n) c.lineTo(x, y);
      else c.moveTo(x, y);
    });
    if (closed) c.closePath();
    this.strokeTwice(colour);
  }

  /** Stroke the path in a colour, on a wider dark line: visible on bone and on lung. */
  private strokeTwice(colour: string): void {
    const { c } = this;
    c.lineJoin = "round";
    for (const [style, width] of [
      [SHADE, 3.5],
      [colour, 1.5],
    ] as const) {
      c.strokeStyle = style;
      c.lineWidth = width * this.unit;
      c.stroke();
    }
  }

  /** An end of an object, seen from the side: a dashed line with a thick grip. */
  edge(line: readonly [Xy, Xy] | null, grip: readonly [Xy, Xy], colour: string): void {
    const { c, unit } = this;
    const stroke = ([a, b]: readonly [Xy, Xy], style: string, width: number, dash: number[]) => {
      c.beginPath();
      c.moveTo(...this.at(a));
      c.lineTo(...this.at(b));
      c.setLineDash(dash);
      c.strokeStyle = style;
      c.lineWidth = width * unit;
      c.stroke();
    };
    if (line) {
      stroke(line, SHADE, 2.5, []);
      stroke(line, colour, 1.2, [5 * unit, 4 * unit]);
    }
    c.lineCap = "round";
    stroke(grip, SHADE, 7, []);
    stroke(grip, colour, 4.5, []);
    c.lineCap = "butt";
    c.setLineDash([]);
  }

  /** Short marks across both ends of a line. */
  ends(a: Xy, b: Xy, colour: string): void {
    const { c } = this;
    const [p, q] = [this.at(a), this.at(b)];
    const angle = Math.atan2(q[1] - p[1], q[0] - p[0]) + Math.PI / 2;
    const tick = 5 * this.unit;
    for (const [x, y] of [p, q]) {
      c.beginPath();
      c.moveTo(x - tick * Math.cos(angle), y - tick * Math.sin(angle));
      c.lineTo(x + tick * Math.cos(angle), y + tick * Math.sin(angle));
      c.strokeStyle = colour;
      c.lineWidth = 1.5 * this.unit;
      c.stroke();
    }
  }

  ellipse(a: Xy, b: Xy, colour: string): void {
    const { c } = this;
    const [p, q] = [this.at(a), this.at(b)];
    c.beginPath();
    c.ellipse(
      (p[0] + q[0]) / 2,
      (p[1] + q[1]) / 2,
      Math.abs(q[0] - p[0]) / 2,
      Math.abs(q[1] - p[1]) / 2,
      0,
      0,
      2 * Math.PI,
    );
    this.strokeTwice(colour);
  }

  dot(xy: Xy, colour: string): void {
    const { c } = this;
    const [x, y] = this.at(xy);
    c.beginPath();
    c.arc(x, y, 3.5 * this.unit, 0, 2 * Math.PI);
    c.fillStyle = colour;
    c.fill();
    c.strokeStyle = SHADE;
    c.lineWidth = this.unit;
    c.stroke();
  }

  /** Text to the right of a point, on a dark plate that any picture can lie under; it stays inside the pane. */
  label(text: string, beside: Xy, colour: string): void {
    const { c, unit: u } = this;
    const [x, y] = this.at(beside);
    c.font = `500 ${12 * u}px system-ui, sans-serif`;
    const [width, height] = [c.measureText(text).width + 10 * u, 18 * u];
    const { a: ratio } = c.getTransform();
    const room = [c.canvas.width / ratio - width - 2, c.canvas.height / ratio - height - 2];
    const left = Math.max(2, Math.min(room[0], x + 9 * u));
    const top = Math.max(2, Math.min(room[1], y - height / 2));
    c.fillStyle = SHADE;
    c.beginPath();
    c.roundRect(left, top, width, height, 4 * u);
    c.fill();
    c.fillStyle = colour;
    c.fillText(text, left + 5 * u, top + 13 * u);
  }

  circle(xy: Xy, radiusMm: number, pxPerMm: number, colour: string): void {
    const { c } = this;
    const [x, y] = this.at(xy);
    c.beginPath();
    c.arc(x, y, radiusMm * pxPerMm, 0, 2 * Math.PI);
    c.strokeStyle = SHADE;
    c.lineWidth = 3 * this.unit;
    c.stroke();
    c.strokeStyle = colour;
    c.lineWidth = 1.25 * this.unit;
    c.stroke();
  }

  /** Where the other planes cut this slice; open at the centre, so that the voxel there is visible. */
  crosshair(xy: Xy, width: number, height: number): void {
    const { c } = this;
    const [x, y] = this.at(xy).map((value) => Math.round(value) + 0.5);
    const gap = 14 * this.unit;
    c.strokeStyle = "rgba(140, 190, 255, 0.45)";
    c.lineWidth = Math.max(1, Math.round(this.unit));
    c.beginPath();
    for (const [from, to] of [
      [0, y - gap],
      [y + gap, height],
    ]) {
      c.moveTo(x, from);
      c.lineTo(x, to);
    }
    for (const [from, to] of [
      [0, x - gap],
      [x + gap, width],
    ]) {
      c.moveTo(from, y);
      c.lineTo(to, y);
    }
    c.stroke();
  }

  /** Where the crosshair's lines meet the edges of the view, tabs to drag them by. */
  crosshairHandles(xy: Xy, width: number, height: number, length: number): void {
    const { c } = this;
    const [x, y] = this.at(xy);
    c.fillStyle = "rgba(140, 190, 255, 0.8)";
    const half = 2.5 * this.unit;
    const tab = (left: number, top: number, wide: number, tall: number) => {
      c.beginPath();
      c.roundRect(left, top, wide, tall, half);
      c.fill();
    };
    for (const top of [0, height - length]) tab(x - half, top, 2 * half, length);
    for (const left of [0, width - length]) tab(left, y - half, length, 2 * half);
  }

  /** The cursor that is moved by keys. */
  keyCursor(xy: Xy, colour: string): void {
    const { c } = this;
    const [x, y] = this.at(xy);
    for (const [style, width] of [
      [SHADE, 4],
      [colour, 1.75],
    ] as const) {
      c.strokeStyle = style;
      c.lineWidth = width * this.unit;
      c.beginPath();
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        c.moveTo(x + 4 * this.unit * dx, y + 4 * this.unit * dy);
        c.lineTo(x + 12 * this.unit * dx, y + 12 * this.unit * dy);
      }
      c.stroke();
    }
  }
}

/** The longest round length that takes at most `room` pixels. */
export function scaleBar(pxPerMm: number, room: number): { mm: number; px: number } {
  const lengths = [200, 100, 50, 20, 10, 5, 2, 1];
  const mm = lengths.find((each) => each * pxPerMm <= room) ?? 0.5;
  return { mm, px: mm * pxPerMm };
}
