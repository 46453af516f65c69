/** Objects on a slice with the strokes that are being drawn, or that the server has not answered yet. */
import type { ShownStroke } from "../state/hand_edits";
import type { OpenSession } from "../state/open_session";
import type { SliceGrid } from "../volume/coordinates";
import type { LabelMap } from "../volume/label_map";
import { outlines } from "../volume/mask_outlines";

/** The outlines, as displayed, of a mask of a slice as stored. */
export function outlinesOfStored(grid: SliceGrid, mask: Uint8Array): Float32Array[] {
  const cols = grid.shapeVu[1];
  const at = (x: number, y: number) => {
    const [u, v] = grid.xyToUv(x, y);
    return v * cols + u;
  };
  const first = at(0, 0);
  const [dx, dy] = [at(1, 0) - first, at(0, 1) - first];
  return outlines((x, y) => mask[first + x * dx + y * dy] === 1, grid.cols, grid.rows);
}

/** The pixels of an object on a slice as stored. */
function pixelsOf(labels: LabelMap, id: number, grid: SliceGrid, index: number): Uint8Array {
  const [rows, cols] = grid.shapeVu;
  const pixels = new Uint8Array(rows * cols);
  labels.mask(id)?.eachCubeAt(grid.axis, index, (cube, [i0, j0, k0]) => {
    for (let n = 0; n < cube.length; n++) {
      const [j, k] = [j0 + (n & 15), k0 + (n >> 4)];
      if ((grid.axis === 1 && j !== index) || (grid.axis === 2 && k !== index)) continue;
      let word = grid.axis === 0 ? cube[n] & (1 << (index & 15)) : cube[n];
      for (let i = i0; word; word >>= 1, i++) {
        if (!(word & 1)) continue;
        const [, u, v] = grid.split([i, j, k]);
        pixels[v * cols + u] = 1;
      }
    }
  });
  return pixels;
}

/** Shows the objects of a view with the strokes that change them. */
export class StrokeOverlay {
  private readonly known = new Map<number, { key: string; pixels: Uint8Array }>();

  constructor(
    private readonly session: OpenSession,
    private readonly grid: SliceGrid,
  ) {}

  /** The outlines of each object that a stroke changes on a slice, by its number. */
  outlines(index: number, strokes: readonly ShownStroke[]): Map<number, Float32Array[]> {
    const changed = new Map<number, Uint8Array>();
    for (const stroke of strokes) {
      const pixels = changed.get(stroke.id) ?? this.pixels(index, stroke.id).slice();
      this.apply(pixels, stroke, index);
      changed.set(stroke.id, pixels);
    }
    return new Map([...changed].map(([id, pixels]) => [id, outlinesOfStored(this.grid, pixels)]));
  }

  private apply(pixels: Uint8Array, stroke: ShownStroke, index: number): void {
    const keeps = stroke.positive ? this.keeps(stroke.id) : null;
    const [base, du, dv] = this.grid.strides(index);
    const cols = this.grid.shapeVu[1];
    for (let n = 0; n < pixels.length; n++) {
      if (!stroke.mask[n]) continue;
      const owner = keeps && this.session.labels.at(base + (n % cols) * du + Math.floor(n / cols) * dv);
      if (!owner || !keeps?.(owner)) pixels[n] = stroke.positive ? 1 : 0;
    }
  }

  /** Which objects keep their voxels from an edit of object `id`, as far as the page knows; null if none does. */
  private keeps(id: number): ((owner: number) => boolean) | null {
    const { objects, state } = this.session;
    const keepFirst = state.overlap === "keep first";
    if (!keepFirst && !state.order.length && !objects.some((each) => each.locked)) return null;
    const rank = (name?: string) => {
      const at = state.order.indexOf(name ?? "");
      return at < 0 ? state.order.length : at;
    };
    const own = rank(objects.find((each) => each.id === id)?.name);
    return (owner) => {
      const other = objects.find((each) => each.id === owner);
      if (!other || owner === id) return false;
      const before = rank(other.name) - own;
      return other.locked || before < 0 || (before === 0 && keepFirst && owner < id);
    };
  }

  private pixels(index: number, id: number): Uint8Array {
    const { labels } = this.session;
    const key = `${labels.versionOf(id)} ${index}`;
    let known = this.known.get(id);
    if (known?.key !== key) {
      known = { key, pixels: pixelsOf(labels, id, this.grid, index) };
      this.known.set(id, known);
    }
    return known.pixels;
  }
}
