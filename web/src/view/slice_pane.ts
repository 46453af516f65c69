/** One plane on the screen: draws the slice and its overlay, and maps positions on the screen to the slice. */
import type { ObjectPrompt, PlaneName, Prompt, SegmentedObject } from "../api/wire_types";
import { aimOf } from "../state/aim";
import { colourOf } from "../state/mask_sync";
import type { OpenSession } from "../state/open_session";
import type { SliceGrid } from "../volume/coordinates";
import { shortNumber } from "../volume/measured_values";
import { decodeRuns } from "../volume/run_lengths";
import { type Placement, renderSlice } from "../volume/slice_rendering";
import type { ValueWindow } from "../volume/value_window";
import { drawEdges, pointedEnd } from "./bound_edges";
import type { Gesture } from "./gesture";
import { drawDiameters, drawMeasurements, drawnDiameters } from "./measurement_drawing";
import { NEGATIVE, Pen, POSITIVE, PROMPT, scaleBar, type Xy } from "./overlay_pen";
import { outlinesOfStored, StrokeOverlay } from "./stroke_overlay";
import { TargetTag } from "./target_tag";

/** A slice is rendered with at most so many pixels and scaled up by the browser: finer than CT, and fast at 4K. */
const MAX_PIXELS = 1_400_000;
/** Slices are rendered on the CPU; canvases in main memory need no copy to the GPU (or to its emulation) and back. */
const CPU: CanvasRenderingContext2DSettings = { willReadFrequently: true };
/** The font size of the root on a small screen, see base.css. */
const SMALL_TEXT_PX = 14;
/** Length of the crosshair's handles, from the edge of the view. */
export const HANDLE_PX = 14;
/** How near to a handle a pointer must be. */
export const REACH_PX = { mouse: 7, pen: 12, touch: 22 };
/** Room for the orientation letters around a whole slice, on a small screen. */
const MARGIN_PX = 20;

export class SlicePane {
  readonly grid: SliceGrid;
  gesture: Gesture | null = null;
  /** Whether keys moved the pointer last; they need a cursor of their own. */
  byKeys = false;
  /** Within so many CSS pixels, the pointer that is used grabs an edge or a handle. */
  reachPx = REACH_PX.mouse;
  private readonly slice = document.createElement("canvas");
  private readonly overlay = document.createElement("canvas");
  private readonly buffer = document.createElement("canvas");
  private image: ImageData | null = null;
  /** The masks of the slice, drawn again only when they change: the crosshair and the cursor move all the time. */
  private readonly masks = document.createElement("canvas");
  private drawnMasks: unknown[] = [];
  private readonly readout = document.createElement("div");
  private readonly bar = document.createElement("div");
  private readonly tag: TargetTag;
  private readonly strokes: StrokeOverlay;
  /** The size of text and lines relative to a small screen. */
  private unit = 1;
  private width = 0;
  private height = 0;
  private drawnSlice = "";
  private drawnOverlay: unknown[] = [];
  private frame = 0;
  private readonly cleanups: (() => void)[] = [];
  private draftOutlines: { mask: unknown; polygons: Float32Array[] } | null = null;

  constructor(
    readonly host: HTMLElement,
    readonly session: OpenSession,
    readonly plane: PlaneName,
  ) {
    this.grid = session.geometry.grids[plane];
    this.strokes = new StrokeOverlay(session, this.grid);
    this.tag = new TargetTag(host, session);
    this.readout.className = "pane-readout";
    this.bar.className = "pane-scale";
    this.slice.setAttribute("aria-hidden", "true");
    this.overlay.setAttribute("aria-hidden", "true");
    host.prepend(this.slice, this.overlay, this.readout, this.bar);
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(host);
    const redraw = () => this.redraw();
    const reveal = () => this.reveal(this.grid.ijkToXy(session.display.focus));
    this.cleanups.push(
      session.display.followed.subscribe(reveal),
      session.subscribe(redraw),
      session.display.subscribe(redraw),
      session.display.pointing.subscribe(redraw),
      session.measurements.subscribe(redraw),
      session.hand.subscribe(redraw),
      session.ends.subscribe(redraw),
      () => this.tag.dispose(),
      session.look.subscribe(redraw),
      session.statistics.subscribe(redraw),
      session.loading.subscribe(redraw),
      () => sizes.disconnect(),
    );
    this.resize();
  }

  dispose(): void {
    for (const cleanup of this.cleanups) cleanup();
    cancelAnimationFrame(this.frame);
    for (const part of [this.slice, this.overlay, this.readout, this.bar]) part.remove();
  }

  get index(): number {
    return this.session.display.index(this.plane);
  }

  /** The values shown as black and as white. */
  private get window(): ValueWindow {
    const [low, high] = this.session.display.window;
    return this.session.look.inverted ? [high, low] : [low, high];
  }

  get pxPerMm(): number {
    const { cols, colMm, rows, rowMm } = this.grid;
    const room = (size: number) => Math.max(16, size - 2 * MARGIN_PX * this.unit);
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

  get showsCrosshair(): boolean {
    const { display } = this.session;
    return display.crosshair;
  }

  /** The displayed pixel, with fractions, at a position on the page. */
  xyAt(clientX: number, clientY: number): [number, number] {
    const edges = this.overlay.getBoundingClientRect();
    const { left, top, scaleX, scaleY } = this.placement;
    return [(clientX - edges.left - left) / scaleX - 0.5, (clientY - edges.top - top) / scaleY - 0.5];
  }

  /** The position of a displayed pixel on the page. */
  clientAt([x, y]: Xy): [number, number] {
    const edges = this.overlay.getBoundingClientRect();
    const { left, top, scaleX, scaleY } = this.placement;
    return [edges.left + left + (x + 0.5) * scaleX, edges.top + top + (y + 0.5) * scaleY];
  }

  /** Move a picture that is zoomed in so that a position is in view. */
  reveal(xy: Xy): void {
    const { left, top, scaleX, scaleY } = this.placement;
    const [x, y] = [left + (xy[0] + 0.5) * scaleX, top + (xy[1] + 0.5) * scaleY];
    const inside = (at: number, size: number) => at >= MARGIN_PX && at <= size - MARGIN_PX;
    if (!this.width || (inside(x, this.width) && inside(y, this.height))) return;
    const { display } = this.session;
    const camera = display.cameras[this.plane];
    display.moveCamera(this.plane, {
      ...camera,
      x: camera.x + (x - this.width / 2) / this.pxPerMm,
      y: camera.y + (y - this.height / 2) / this.pxPerMm,
    });
  }

  contains([x, y]: Xy): boolean {
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
    for (const canvas of [this.slice, this.overlay]) {
      canvas.width = Math.max(1, Math.round(this.width * ratio));
      canvas.height = Math.max(1, Math.round(this.height * ratio));
    }
    this.drawnSlice = "";
    this.drawnOverlay = [];
    // Now, not at the next frame: a resized canvas is empty until it is drawn again.
    this.draw();
  }

  private draw(): void {
    this.frame = 0;
    if (!this.width || !this.height) return;
    const { loading } = this.session;
    const place = this.placement;
    const arrived = loading.hasSlice(this.plane, this.index) ? "whole" : loading.coarse && "coarse";
    const slice = JSON.stringify([this.index, this.window, place, arrived, this.slice.width]);
    if (slice !== this.drawnSlice) {
      this.drawnSlice = slice;
      this.drawSlice(place);
    }
    if (this.overlayChanged(place)) this.drawOverlay(place);
    this.writeReadout();
    this.writeTag();
  }

  private drawSlice(place: Placement): void {
    const c = this.slice.getContext("2d", CPU)!;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = "#000";
    c.fillRect(0, 0, this.slice.width, this.slice.height);
    const ratio = this.slice.width / this.width;
    const left = Math.max(0, place.left * ratio);
    const top = Math.max(0, place.top * ratio);
    const right = Math.min(this.slice.width, (place.left + this.grid.cols * place.scaleX) * ratio);
    const bottom = Math.min(this.slice.height, (place.top + this.grid.rows * place.scaleY) * ratio);
    if (right <= left || bottom <= top) return;
    const shrink = Math.min(1, Math.sqrt(MAX_PIXELS / ((right - left) * (bottom - top))));
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
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
      this.buffer.width = width;
      this.buffer.height = height;
    }
    if (!this.render(part, this.image)) return;
    this.buffer.getContext("2d", CPU)!.putImageData(this.image, 0, 0);
    c.imageSmoothingQuality = "high";
    c.drawImage(this.buffer, left, top, right - left, bottom - top);
  }

  /** Render the slice, or its coarse copy until it arrives; false if neither has arrived. */
  private render(place: Placement, { data, width, height }: ImageData): boolean {
    const { loading } = this.session;
    const pixels = new Uint32Array(data.buffer);
    const { voxels, coarse } = loading;
    if (voxels && loading.hasSlice(this.plane, this.index))
      renderSlice(voxels, this.grid.plan(this.index), place, width, height, this.window, pixels);
    else if (coarse) {
      const shown = coarse.slice(this.plane, this.index, place);
      renderSlice(coarse.voxels, shown.plan, shown.place, width, height, this.window, pixels);
    } else return false;
    return true;
  }

  /** Whether anything in the overlay has changed; most notifications concern other slices or only the panel. */
  private overlayChanged(place: Placement): boolean {
    const { session } = this;
    const { display, draft, measurements } = session;
    const brush = display.tool === "brush" || display.tool === "erase";
    const pointed =
      display.pointer?.plane === this.plane && (this.byKeys || brush || measurements.started !== null);
    const next: unknown[] = [
      ...[place.left, place.top, place.scaleX, this.overlay.width, this.overlay.height, this.index],
      ...[display.focus.join(), display.crosshair, display.layout, display.masks, display.tool],
      ...[
        session.labels.version,
        session.state,
        session.selected,
        session.ends.shown?.low,
        session.ends.shown?.high,
        session.ends.moving,
        pointedEnd(this),
        draft,
        session.sentDraft,
        this.gesture,
        this.byKeys,
      ],
      ...[display.brushMm, pointed ? display.pointer : null],
      ...[session.hand.strokes, pointed && session.hand.shift],
      ...[session.look.style, session.look.opacity, drawnDiameters(session)],
      ...[measurements.list, measurements.selected, measurements.started],
      session.loading.hasSlice(this.plane, this.index),
    ];
    const changed = this.gesture !== null || next.some((value, n) => value !== this.drawnOverlay[n]);
    this.drawnOverlay = next;
    return changed;
  }

  /** Whether the layout shows it. */
  get shown(): boolean {
    return this.width > 0 && this.height > 0;
  }

  /** What is shown, without cursor and handles, on a canvas of its own. */
  picture(): { canvas: HTMLCanvasElement; ratio: number; unit: number } {
    this.draw();
    const canvas = document.createElement("canvas");
    canvas.width = this.slice.width;
    canvas.height = this.slice.height;
    const c = canvas.getContext("2d")!;
    c.drawImage(this.slice, 0, 0);
    this.drawContents(c, this.placement, false);
    return { canvas, ratio: canvas.width / this.width, unit: this.unit };
  }

  /** The objects whose masks are seen on this slice. */
  shownObjects(): SegmentedObject[] {
    const { labels, objects, display } = this.session;
    if (!display.masks) return [];
    const ids = new Set(labels.outlines(this.grid, this.index).map((each) => each.id));
    return objects.filter((each) => each.visible && ids.has(each.id));
  }

  private drawOverlay(place: Placement): void {
    const c = this.overlay.getContext("2d", CPU)!;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.overlay.width, this.overlay.height);
    this.drawContents(c, place, true);
  }

  /** Draw what lies over the slice; `live` with what only the user at the screen needs. */
  private drawContents(c: CanvasRenderingContext2D, place: Placement, live: boolean): void {
    const ratio = this.overlay.width / this.width;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const pen = new Pen(c, place, this.unit, this.session.look);
    const { display } = this.session;
    if (display.masks) this.drawMasks(pen, place, ratio);
    if (this.showsCrosshair) {
      const at = this.grid.ijkToXy(display.focus);
      pen.crosshair(at, this.width, this.height);
      if (live) pen.crosshairHandles(at, this.width, this.height, HANDLE_PX);
    }
    if (live) drawEdges(this, pen);
    this.drawPrompts(pen);
    this.drawDraft(pen);
    drawDiameters(this, pen);
    drawMeasurements(this, pen, this.gesture === null);
    this.gesture?.draw?.(pen);
    this.drawHiddenStroke(pen);
    if (live) this.drawCursor(pen);
  }

  /** While masks or the object are hidden, a stroke is at least seen as long as it is drawn. */
  private drawHiddenStroke(pen: Pen): void {
    const stroke = this.gesture?.stroke;
    const object = this.session.objects.find((each) => each.id === stroke?.id);
    if (!stroke || (this.session.display.masks && (object?.visible ?? true))) return;
    const colour = stroke.positive ? (object?.color ?? colourOf(stroke.id)) : NEGATIVE;
    pen.mask(outlinesOfStored(this.grid, stroke.mask), colour, true, "drawn");
  }

  private drawMasks(pen: Pen, place: Placement, ratio: number): void {
    const { session, masks } = this;
    const { look, hand, labels, state, selected } = session;
    if (this.gesture || hand.on(this.plane, this.index).length) {
      this.paintMasks(pen);
      return;
    }
    const { width, height } = this.overlay;
    const now = [
      ...[place.left, place.top, place.scaleX, place.scaleY, width, height, this.index, this.unit],
      ...[labels.version, state, selected, look.style, look.opacity, session.rules],
    ];
    if (now.some((value, n) => value !== this.drawnMasks[n])) {
      this.drawnMasks = now;
      masks.width = width; // clears it, too
      masks.height = height;
      const c = masks.getContext("2d", CPU)!;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.paintMasks(new Pen(c, place, this.unit, look));
    }
    pen.c.setTransform(1, 0, 0, 1, 0, 0);
    pen.c.drawImage(masks, 0, 0);
    pen.c.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  private paintMasks(pen: Pen): void {
    const { session } = this;
    const drawn = this.gesture?.stroke;
    const strokes = [
      ...session.hand.on(this.plane, this.index),
      ...(drawn?.index === this.index ? [drawn] : []),
    ];
    const shown = new Map(
      session.labels.outlines(this.grid, this.index).map(({ id, polygons }) => [id, polygons]),
    );
    for (const [id, polygons] of this.strokes.outlines(this.index, strokes)) shown.set(id, polygons);
    for (const [id, polygons] of shown) {
      const object = session.objects.find((each) => each.id === id);
      if (object && !object.visible) continue;
      const colour = session.colourOfId(id);
      const proposed = session.rules.proposed.has(object?.name ?? "");
      pen.mask(
        polygons,
        colour,
        object ? object.name === session.selected : true,
        proposed ? "proposal" : "mask",
      );
    }
  }

  /** The prompts and corrections of the selected object on this slice. */
  private drawPrompts(pen: Pen): void {
    const { session } = this;
    const object = session.draft ? null : session.object(session.selected);
    for (const prompt of object?.prompts ?? []) this.drawPrompt(pen, prompt, false);
  }

  /** Draw a point or box that lies on this slice; a mask is shown by its outline alone. */
  private drawPrompt(pen: Pen, prompt: Prompt | ObjectPrompt, handles: boolean): void {
    if ("point" in prompt && prompt.point && this.grid.split(prompt.point)[0] === this.index)
      pen.point(this.grid.ijkToXy(prompt.point), prompt.positive ?? true);
    const edges = "box" in prompt && prompt.box && this.grid.boxEdges(prompt.box, this.index);
    if (edges) pen.box(edges, PROMPT, handles);
    const colour = (prompt.positive ?? true) ? POSITIVE : NEGATIVE;
    if ("scribble" in prompt && prompt.scribble && this.grid.split(prompt.scribble[0])[0] === this.index)
      pen.line(
        prompt.scribble.map((voxel) => this.grid.ijkToXy(voxel)),
        colour,
      );
    if ("lasso" in prompt && prompt.lasso && prompt.polygon && this.grid.isSlice(prompt.lasso, this.index))
      pen.line(
        prompt.polygon.map(([u, v]) => this.grid.uvToXy(u, v)),
        colour,
        true,
      );
  }

  private drawDraft(pen: Pen): void {
    const draft = this.session.draft ?? this.session.sentDraft;
    if (!draft || draft.plane !== this.plane || draft.index !== this.index) return;
    const mask = draft.masks[draft.alternative];
    if (mask) {
      if (this.draftOutlines?.mask !== mask) {
        const pixels = decodeRuns(mask.runs, mask.shape[0] * mask.shape[1]);
        this.draftOutlines = { mask, polygons: outlinesOfStored(this.grid, pixels) };
      }
      pen.mask(this.draftOutlines.polygons, this.session.draftColour, true);
    }
    if (this.gesture?.hidesPrompt || !this.session.draft) return;
    for (const prompt of [draft.prompt, ...draft.corrections]) this.drawPrompt(pen, prompt, true);
  }

  private drawCursor(pen: Pen): void {
    const { display } = this.session;
    const { pointer, tool } = display;
    if (pointer?.plane !== this.plane) return;
    const xy: Xy = [pointer.x, pointer.y];
    const aim = aimOf(this.session);
    const colour = !aim ? PROMPT : !aim.positive ? NEGATIVE : aim.byHand ? aim.colour : PROMPT;
    if (tool === "brush" || tool === "erase") pen.circle(xy, display.brushMm / 2, this.pxPerMm, colour);
    if (this.byKeys) pen.keyCursor(xy, colour);
  }

  /** The target beside the pointer. */
  private writeTag(): void {
    const { pointer } = this.session.display;
    const { left, top, scaleX, scaleY } = this.placement;
    this.tag.show(
      pointer?.plane === this.plane
        ? [left + (pointer.x + 0.5) * scaleX, top + (pointer.y + 0.5) * scaleY]
        : null,
    );
  }

  /** The value and voxel under the pointer, and the scale bar. */
  private writeReadout(): void {
    const { display, loading } = this.session;
    const { pointer } = display;
    let text = "";
    if (pointer?.plane === this.plane && this.contains([pointer.x, pointer.y])) {
      const ijk = this.grid.xyToIjk(this.index, Math.round(pointer.x), Math.round(pointer.y));
      const value = loading.valueAt(ijk);
      const shown = value === null ? "not loaded yet" : `${shortNumber(value)}${this.session.unit}`;
      text = `${shown}  ·  (${ijk.join(", ")})`;
    }
    if (this.readout.textContent !== text) this.readout.textContent = text;
    const { mm, px } = scaleBar(this.pxPerMm, Math.min(160, this.width / 4));
    this.bar.style.width = `${px}px`;
    const label = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
    if (this.bar.textContent !== label) this.bar.textContent = label;
  }
}
