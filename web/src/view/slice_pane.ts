/** One plane on the screen: the slice, what lies over it, and where a pixel of the screen is in it. */
import type { PlaneName } from "../api/wire_types";
import { colourOf } from "../state/mask_sync";
import type { OpenSession } from "../state/open_session";
import type { SliceGrid } from "../volume/coordinates";
import { outlines } from "../volume/mask_outlines";
import { decodeRuns } from "../volume/run_lengths";
import { type Placement, renderSlice } from "../volume/slice_rendering";
import type { Gesture } from "./gesture";
import { Pen, PROMPT, scaleBar, type Xy } from "./overlay_pen";

/** More picture pixels than this are interpolated by the browser: sharper than CT is, and quick at 4K. */
const MOST_PIXELS = 1_400_000;
/** Slices are made on the CPU; keeping their canvases there spares a trip through the GPU, or its software stand-in. */
const CPU: CanvasRenderingContext2DSettings = { willReadFrequently: true };
/** The root size on a small screen, see base.css. */
const SMALL_TEXT_PX = 14;
/** Room for the orientation letters around a whole slice. */
const MARGIN_PX = 20;

export class SlicePane {
  readonly grid: SliceGrid;
  gesture: Gesture | null = null;
  /** Whether the pointer was last moved by keys, which need a cursor of their own. */
  byKeys = false;
  private readonly picture = document.createElement("canvas");
  private readonly over = document.createElement("canvas");
  private readonly small = document.createElement("canvas");
  private readonly readout = document.createElement("div");
  private readonly bar = document.createElement("div");
  /** How much larger than on a small screen text and lines are. */
  private unit = 1;
  private width = 0;
  private height = 0;
  private drawn = "";
  private drawnOver: unknown[] = [];
  private frame = 0;
  private readonly stops: (() => void)[] = [];
  private draftOutlines: { mask: unknown; polygons: Float32Array[] } | null = null;

  constructor(
    readonly host: HTMLElement,
    readonly session: OpenSession,
    readonly plane: PlaneName,
  ) {
    this.grid = session.geometry.grids[plane];
    this.readout.className = "pane-readout";
    this.bar.className = "pane-scale";
    this.picture.setAttribute("aria-hidden", "true");
    this.over.setAttribute("aria-hidden", "true");
    host.prepend(this.picture, this.over, this.readout, this.bar);
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(host);
    const redraw = () => this.redraw();
    this.stops.push(
      session.subscribe(redraw),
      session.display.subscribe(redraw),
      session.display.pointing.subscribe(redraw),
      () => sizes.disconnect(),
    );
    this.resize();
  }

  dispose(): void {
    for (const stop of this.stops) stop();
    cancelAnimationFrame(this.frame);
    for (const part of [this.picture, this.over, this.readout, this.bar]) part.remove();
  }

  get index(): number {
    return this.session.display.index(this.plane);
  }

  get pxPerMm(): number {
    const { cols, colMm, rows, rowMm } = this.grid;
    const room = (size: number) => Math.max(16, size - 2 * MARGIN_PX);
    const whole = Math.min(room(this.width) / (cols * colMm), room(this.height) / (rows * rowMm));
    return whole * this.session.display.cameras[this.plane].zoom;
  }

  /** Where the slice lies in CSS pixels of the pane. */
  get placement(): Placement {
    const scale = this.pxPerMm;
    const camera = this.session.display.cameras[this.plane];
    const [scaleX, scaleY] = [scale * this.grid.colMm, scale * this.grid.rowMm];
    return {
      left: this.width / 2 - (this.grid.cols * scaleX) / 2 - camera.x * scale,
      top: this.height / 2 - (this.grid.rows * scaleY) / 2 - camera.y * scale,
      scaleX,
      scaleY,
    };
  }

  /** The displayed pixel, with fractions, under a place on the page. */
  xyAt(clientX: number, clientY: number): [number, number] {
    const edges = this.over.getBoundingClientRect();
    const { left, top, scaleX, scaleY } = this.placement;
    return [(clientX - edges.left - left) / scaleX - 0.5, (clientY - edges.top - top) / scaleY - 0.5];
  }

  /** Where a displayed pixel is on the page. */
  clientAt([x, y]: Xy): [number, number] {
    const edges = this.over.getBoundingClientRect();
    const { left, top, scaleX, scaleY } = this.placement;
    return [edges.left + left + (x + 0.5) * scaleX, edges.top + top + (y + 0.5) * scaleY];
  }

  holds([x, y]: Xy): boolean {
    return x >= -0.5 && y >= -0.5 && x < this.grid.cols - 0.5 && y < this.grid.rows - 0.5;
  }

  redraw(): void {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  private resize(): void {
    this.width = this.host.clientWidth;
    this.height = this.host.clientHeight;
    this.unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / SMALL_TEXT_PX;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.over]) {
      canvas.width = Math.max(1, Math.round(this.width * ratio));
      canvas.height = Math.max(1, Math.round(this.height * ratio));
    }
    this.drawn = "";
    this.drawnOver = [];
    // At once: a resized canvas is empty until it is drawn again.
    this.draw();
  }

  private draw(): void {
    this.frame = 0;
    if (!this.width || !this.height) return;
    const { display, voxels } = this.session;
    const place = this.placement;
    const picture = JSON.stringify([this.index, display.window, place, voxels !== null, this.picture.width]);
    if (picture !== this.drawn) {
      this.drawn = picture;
      this.drawPicture(place);
    }
    if (this.overChanged(place)) this.drawOver(place);
    this.write();
  }

  private drawPicture(place: Placement): void {
    const c = this.picture.getContext("2d", CPU)!;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = "#000";
    c.fillRect(0, 0, this.picture.width, this.picture.height);
    const { voxels } = this.session;
    if (!voxels) return;
    const ratio = this.picture.width / this.width;
    const left = Math.max(0, place.left * ratio);
    const top = Math.max(0, place.top * ratio);
    const right = Math.min(this.picture.width, (place.left + this.grid.cols * place.scaleX) * ratio);
    const bottom = Math.min(this.picture.height, (place.top + this.grid.rows * place.scaleY) * ratio);
    if (right <= left || bottom <= top) return;
    const shrink = Math.min(1, Math.sqrt(MOST_PIXELS / ((right - left) * (bottom - top))));
    const [width, height] = [
      Math.max(1, Math.round((right - left) * shrink)),
      Math.max(1, Math.round((bottom - top) * shrink)),
    ];
    const [shrinkX, shrinkY] = [width / (right - left), height / (bottom - top)];
    const part: Placement = {
      left: (place.left * ratio - left) * shrinkX,
      top: (place.top * ratio - top) * shrinkY,
      scaleX: place.scaleX * ratio * shrinkX,
      scaleY: place.scaleY * ratio * shrinkY,
    };
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    renderSlice(voxels, this.grid.plan(this.index), part, width, height, this.session.display.window, pixels);
    this.small.width = width;
    this.small.height = height;
    this.small.getContext("2d", CPU)!.putImageData(image, 0, 0);
    c.imageSmoothingQuality = "high";
    c.drawImage(this.small, left, top, right - left, bottom - top);
  }

  /** Whether anything that lies over the slice is new; most news concern other slices or no picture at all. */
  private overChanged(place: Placement): boolean {
    const { session } = this;
    const { display, draft } = session;
    const pointed = display.pointer?.plane === this.plane && (this.byKeys || display.tool === "brush");
    const next: unknown[] = [
      ...[place.left, place.top, place.scaleX, this.over.width, this.over.height, this.index],
      ...[
        display.focus.join(),
        display.crosshair,
        display.layout,
        display.masks,
        display.measures,
        display.tool,
      ],
      ...[
        session.labels.version,
        session.state,
        session.selected,
        draft,
        session.sent,
        this.gesture,
        this.byKeys,
      ],
      ...[display.brushMm, pointed ? display.pointer : null],
    ];
    const changed = this.gesture !== null || next.some((value, n) => value !== this.drawnOver[n]);
    this.drawnOver = next;
    return changed;
  }

  private drawOver(place: Placement): void {
    const c = this.over.getContext("2d", CPU)!;
    const ratio = this.over.width / this.width;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    const pen = new Pen(c, place, this.unit);
    const { display } = this.session;
    if (display.masks) this.drawMasks(pen);
    if (display.crosshair && display.layout !== "single")
      pen.crosshair(this.grid.ijkToXy(display.focus), this.width, this.height);
    this.drawPrompts(pen);
    this.drawDraft(pen);
    for (const each of display.measures)
      if (each.plane === this.plane && each.index === this.index)
        pen.measure(each.a, each.b, this.distance(each.a, each.b));
    this.gesture?.draw?.(pen);
    this.drawCursor(pen);
  }

  private drawMasks(pen: Pen): void {
    const { session } = this;
    for (const { id, polygons } of session.labels.outlines(this.grid, this.index)) {
      const object = session.objects.find((each) => each.id === id);
      if (object && !object.visible) continue;
      const colour = object?.color ?? colourOf(id);
      pen.mask(polygons, colour, object ? object.name === session.selected : true);
    }
  }

  /** The prompts of the selected object that lie on this slice. */
  private drawPrompts(pen: Pen): void {
    const { session } = this;
    const object = session.draft ? null : session.object(session.selected);
    for (const prompt of object?.prompts ?? []) {
      if (prompt.point && this.grid.split(prompt.point)[0] === this.index)
        pen.point(this.grid.ijkToXy(prompt.point), prompt.positive ?? true);
      const edges = prompt.box && this.grid.boxEdges(prompt.box, this.index);
      if (edges) pen.box(edges, PROMPT, false);
    }
  }

  private drawDraft(pen: Pen): void {
    const draft = this.session.draft ?? this.session.sent;
    if (!draft || draft.plane !== this.plane || draft.index !== this.index) return;
    const mask = draft.masks[draft.choice];
    if (mask) {
      if (this.draftOutlines?.mask !== mask) {
        const shown = this.grid.maskToDisplay(decodeRuns(mask.runs, mask.shape[0] * mask.shape[1]));
        const { cols, rows } = this.grid;
        this.draftOutlines = { mask, polygons: outlines((x, y) => shown[y * cols + x] === 1, cols, rows) };
      }
      pen.mask(this.draftOutlines.polygons, this.session.draftColour, true);
    }
    if (this.gesture?.hidesPrompt || !this.session.draft) return;
    if ("box" in draft.prompt) {
      const edges = this.grid.boxEdges(draft.prompt.box, this.index);
      if (edges) pen.box(edges, PROMPT, true);
    } else if ("point" in draft.prompt)
      pen.point(this.grid.ijkToXy(draft.prompt.point), draft.prompt.positive);
    for (const { point, positive } of draft.points) pen.point(this.grid.ijkToXy(point), positive);
  }

  private drawCursor(pen: Pen): void {
    const { display } = this.session;
    const { pointer } = display;
    if (pointer?.plane !== this.plane) return;
    const xy: Xy = [pointer.x, pointer.y];
    if (display.tool === "brush") pen.circle(xy, display.brushMm / 2, this.pxPerMm, PROMPT);
    if (this.byKeys) pen.keyCursor(xy, display.tool === "negative" ? "#ff6b6b" : PROMPT);
  }

  distance(a: Xy, b: Xy): number {
    const at = (xy: Xy) => this.grid.xyToIjk(this.index, xy[0], xy[1]);
    return this.session.geometry.distance(at(a), at(b));
  }

  /** HU, voxel and millimetres under the pointer; the scale bar. */
  private write(): void {
    const { display, voxels, geometry } = this.session;
    const { pointer } = display;
    let text = "";
    if (voxels && pointer?.plane === this.plane && this.holds([pointer.x, pointer.y])) {
      const ijk = this.grid.xyToIjk(this.index, Math.round(pointer.x), Math.round(pointer.y));
      const value = voxels[geometry.offset(ijk)];
      const unit = this.session.volume.modality === "CT" ? " HU" : "";
      text = `${Math.round(value * 10) / 10}${unit}  ·  (${ijk.join(", ")})`;
    }
    if (this.readout.textContent !== text) this.readout.textContent = text;
    const { mm, px } = scaleBar(this.pxPerMm, Math.min(160, this.width / 4));
    this.bar.style.width = `${px}px`;
    const label = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
    if (this.bar.textContent !== label) this.bar.textContent = label;
  }
}
