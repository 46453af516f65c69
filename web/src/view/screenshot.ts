/** Pictures of views as files: what is seen, with scale, directions, slice and window, and no name of a patient. */
import type { Display, PaneName } from "../state/display";
import type { OpenSession } from "../state/open_session";
import { centerWidth } from "../volume/value_window";
import { scaleBar } from "./overlay_pen";
import type { SlicePane } from "./slice_pane";

export const NOTE = "Not for diagnostic use";
/** Between the views of a picture of all. */
const GAP_PX = 4;
const NARROW_PX = 480;
const WHITE = "#ffffff";

/** What is written on the picture of a slice; names of files and series can hold a patient's, so none is here. */
export function captionOf(session: OpenSession, pane: Pick<SlicePane, "grid" | "plane" | "index">): string[] {
  const { center, width } = centerWidth(session.display.window);
  const { grid, plane, index } = pane;
  const name = plane[0].toUpperCase() + plane.slice(1);
  return [
    `${name} ${index} / ${grid.count - 1} · ${grid.position(index)}`,
    `W ${width} L ${center}${session.unit}${session.look.inverted ? " · inverted" : ""}`,
  ];
}

/** The picture of a slice view: the slice, masks and measurements, and around them what they mean. */
export function pictureOfSlice(pane: SlicePane): HTMLCanvasElement {
  const { canvas, ratio, unit } = pane.picture();
  const c = canvas.getContext("2d")!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  const [width, height] = [canvas.width / ratio, canvas.height / ratio];
  const [line, edge] = [17 * unit, 8 * unit];
  const write = (text: string, x: number, y: number, align: CanvasTextAlign, colour = WHITE) => {
    c.font = `600 ${12 * unit}px system-ui, sans-serif`;
    c.textAlign = align;
    c.lineJoin = "round";
    c.lineWidth = 3.5 * unit;
    c.strokeStyle = "rgba(0, 0, 0, 0.8)";
    c.strokeText(text, x, y);
    c.fillStyle = colour;
    c.fillText(text, x, y);
  };
  const { left, right, top, bottom } = pane.grid.letters;
  write(left, edge, height / 2, "left");
  write(right, width - edge, height / 2, "right");
  const lines = captionOf(pane.session, pane);
  // On a narrow picture, what is written in the corners would lie over the letters.
  const narrow = width < NARROW_PX * unit;
  write(top, width / 2, narrow ? line * (lines.length + 1) : line, "center");
  write(bottom, width / 2, height - edge, "center");
  lines.forEach((text, n) => {
    write(text, edge, line * (n + 1), "left");
  });
  write(NOTE, edge, height - edge - (narrow ? 1.6 * line : 0), "left");
  pane.shownObjects().forEach(({ name, color }, n) => {
    write(name, width - edge, line * (n + (narrow ? 2 : 1)), "right", color);
  });
  drawScale(c, pane.pxPerMm, [width - edge, height - edge], Math.min(160 * unit, width / 4), unit, write);
  return canvas;
}

type Write = (text: string, x: number, y: number, align: CanvasTextAlign) => void;

/** A scale bar that ends at a corner, with its length above it. */
function drawScale(
  c: CanvasRenderingContext2D,
  pxPerMm: number,
  [right, bottom]: readonly [number, number],
  room: number,
  unit: number,
  write: Write,
): void {
  const { mm, px } = scaleBar(pxPerMm, room);
  const tick = 5 * unit;
  for (const [colour, width] of [
    ["rgba(0, 0, 0, 0.8)", 4],
    [WHITE, 1.5],
  ] as const) {
    c.strokeStyle = colour;
    c.lineWidth = width * unit;
    c.beginPath();
    c.moveTo(right - px, bottom - tick);
    c.lineTo(right - px, bottom);
    c.lineTo(right, bottom);
    c.lineTo(right, bottom - tick);
    c.stroke();
  }
  write(mm >= 10 ? `${mm / 10} cm` : `${mm} mm`, right - px / 2, bottom - tick, "center");
}

/** The pictures of all views that are shown, the large one at the left. */
function pictureOfAll(
  { large }: Display,
  panes: ReadonlyMap<PaneName, SlicePane>,
  scene: HTMLCanvasElement | null,
): HTMLCanvasElement {
  const pictures = new Map<PaneName, HTMLCanvasElement>();
  for (const [name, pane] of panes) if (pane.shown) pictures.set(name, pictureOfSlice(pane));
  if (scene) pictures.set("3d", scene);
  const first = pictures.get(large) ?? [...pictures.values()][0];
  const others = [...pictures.values()].filter((each) => each !== first);
  const side = Math.max(0, ...others.map((each) => each.width));
  const canvas = document.createElement("canvas");
  canvas.width = first.width + (others.length ? GAP_PX + side : 0);
  canvas.height = Math.max(
    first.height,
    others.reduce((sum, each) => sum + each.height + GAP_PX, -GAP_PX),
  );
  const c = canvas.getContext("2d")!;
  c.fillStyle = "#222a33";
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.drawImage(first, 0, 0);
  let y = 0;
  for (const each of others) {
    c.drawImage(each, first.width + GAP_PX, y);
    y += each.height + GAP_PX;
  }
  return canvas;
}

/** A PNG of the active view, or of all that are shown, and its name. */
export async function screenshot(
  session: OpenSession,
  panes: ReadonlyMap<PaneName, SlicePane>,
  of: "view" | "all",
): Promise<{ name: string; content: Blob }> {
  const { display, loading } = session;
  const pane = panes.get(display.active);
  if (!pane || !loading.voxelsOn(pane.plane, pane.index))
    throw new Error("The slice is not loaded yet. Take the picture when it is sharp.");
  const all = of === "all";
  const canvas = all ? pictureOfAll(display, panes, session.scene?.picture() ?? null) : pictureOfSlice(pane);
  const content = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!content)
    throw new Error("The browser could not make a picture of this size. Make the window smaller.");
  return { name: all ? "radsam-views.png" : `radsam-${pane.plane}-${pane.index}.png`, content };
}
