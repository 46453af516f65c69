/**
 * The voxels of the volume while they arrive: a coarse copy and the slices in view first, then the others from there
 * outward. Where the user goes meanwhile comes next.
 */
import { ApiError, type Client } from "../api/client";
import { fetchCoarseCopy, fetchSlices } from "../api/voxels";
import type { AxisName, Ijk, PlaneName, VolumeInfo } from "../api/wire_types";
import { PLANES } from "../api/wire_types";
import { CoarseCopy } from "../volume/coarse_copy";
import type { Geometry } from "../volume/coordinates";
import { placeSlices, type VoxelBlock, type Voxels } from "../volume/voxel_block";
import { inWorker } from "../volume/worker_calls";
import type { Display } from "./display";
import { Observable } from "./observable";

export type ReadBlock = (buffer: ArrayBuffer) => Promise<VoxelBlock>;

const AXES: AxisName[] = ["i", "j", "k"];
/** Requests at a time: two keep a slow connection in use between one's end and the next one's start. */
const REQUESTS = 2;
/** A request takes about so long, so that a user who goes elsewhere soon sees the slices there. */
const REQUEST_MS = 250;
const MAX_SLICES = 16;
/** Slices to both sides of the one in view that come first in the plane that the user is in. */
const NEAR = 4;
/** Cells along the longest side of the copy that comes first, half a megabyte, and of the one for the 3D view. */
const FIRST_CELLS = 96;
const SCENE_CELLS = 144;
const LONGEST_WAIT_MS = 8000;

/** Voxels and their grid. */
export interface Values {
  voxels: Voxels;
  geometry: Geometry;
}

interface Wanted {
  axis: number;
  first: number;
  count: number;
}

export class VolumeLoading extends Observable {
  /** Stored i fastest; null until the first slices arrive, and 0 where none have: see `has`. */
  voxels: Voxels | null = null;
  coarse: CoarseCopy | null = null;
  /** Whether the server does not answer at present. */
  waits = false;
  /** Resolves when the slices in view and those near them have arrived: what can wait starts then. */
  readonly usable: Promise<void>;
  private setUsable!: () => void;
  private readonly arrived: [Uint8Array, Uint8Array, Uint8Array];
  private readonly pending = new Set<string>();
  /** The axis that the slices of the axial plane cut: all slices across it are fetched in the end. */
  private readonly axis: number;
  private left: number;
  private perRequest = 1;
  private stopped = new AbortController();
  private sceneCopy: Promise<CoarseCopy> | null = null;

  constructor(
    private readonly client: Pick<Client, "fetch">,
    private readonly volume: VolumeInfo,
    private readonly geometry: Geometry,
    private readonly display: Display,
    private readonly read: ReadBlock = blocksInWorker(),
  ) {
    super();
    const { shape, grids } = geometry;
    this.arrived = [new Uint8Array(shape[0]), new Uint8Array(shape[1]), new Uint8Array(shape[2])];
    this.axis = grids.axial.axis;
    this.left = shape[this.axis];
    this.usable = new Promise((resolve) => {
      this.setUsable = resolve;
    });
  }

  /** The share of the volume that has arrived, 0 to 1. */
  get share(): number {
    return 1 - this.left / this.geometry.shape[this.axis];
  }

  get complete(): boolean {
    return this.left === 0;
  }

  /** Whether a voxel has arrived. */
  has([i, j, k]: readonly number[]): boolean {
    return this.complete || !!(this.arrived[0][i] || this.arrived[1][j] || this.arrived[2][k]);
  }

  /** Whether every voxel of a slice has arrived. */
  hasSlice(plane: PlaneName, index: number): boolean {
    return this.hasAcross(this.geometry.grids[plane].axis, index);
  }

  /** The value of a voxel; null until it arrives. */
  valueAt(ijk: Ijk): number | null {
    return this.voxels && this.has(ijk) ? this.voxels[this.geometry.offset(ijk)] : null;
  }

  /** The voxels for measurements on a slice; null until all of it has arrived. */
  voxelsOn(plane: PlaneName, index: number): Voxels | null {
    return this.hasSlice(plane, index) ? this.voxels : null;
  }

  /** The voxels that stand for a slice: its own, or those of the coarse copy until they arrive. */
  valuesOn(plane: PlaneName, index: number): (Values & { index: number }) | null {
    if (this.voxels && this.hasSlice(plane, index))
      return { voxels: this.voxels, geometry: this.geometry, index };
    return this.coarse && { ...this.coarse, index: this.coarse.indexOf(plane, index) };
  }

  /** The voxels that stand for the volume: all of them, or those of the coarse copy until they have arrived. */
  allValues(): Values | null {
    return this.voxels && this.complete ? { voxels: this.voxels, geometry: this.geometry } : this.coarse;
  }

  /** Fetch everything; ends when it has arrived, or with the signal. */
  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.stopped.abort());
    if (signal.aborted) return;
    try {
      await Promise.all([this.fetchFirstCopy(), ...Array.from({ length: REQUESTS }, () => this.fetchAll())]);
    } catch (error) {
      this.stopped.abort();
      if (!signal.aborted) throw error;
    }
  }

  /** The copy for the 3D view, fetched after the slices that the user sees. */
  scene(): Promise<CoarseCopy> {
    this.sceneCopy ??= this.usable.then(() => this.fetchCopy(SCENE_CELLS));
    return this.sceneCopy;
  }

  private async fetchFirstCopy(): Promise<void> {
    const copy = await this.fetchCopy(FIRST_CELLS);
    if (copy.isWhole) {
      this.voxels = copy.voxels;
      this.left = 0;
      this.setUsable();
    } else this.coarse = copy;
    this.notify();
  }

  private async fetchCopy(cells: number): Promise<CoarseCopy> {
    const { signal } = this.stopped;
    const buffer = await this.patiently(() => fetchCoarseCopy(this.client, this.volume.id, cells, signal));
    return new CoarseCopy(await this.read(buffer), this.geometry, this.volume);
  }

  private async fetchAll(): Promise<void> {
    for (let wanted = this.next(); wanted; wanted = this.next()) await this.fetchBlock(wanted);
  }

  private async fetchBlock({ axis, first, count }: Wanted): Promise<void> {
    const { signal } = this.stopped;
    const keys = Array.from({ length: count }, (_, n) => `${axis} ${first + n}`);
    for (const key of keys) this.pending.add(key);
    const start = performance.now();
    const buffer = await this.patiently(() =>
      fetchSlices(this.client, this.volume.id, AXES[axis], first, count, signal),
    );
    const perSlice = (performance.now() - start) / count;
    if (axis === this.axis)
      this.perRequest = Math.min(MAX_SLICES, Math.max(1, Math.round(REQUEST_MS / (perSlice + 1))));
    this.place(axis, first, await this.read(buffer));
    for (const key of keys) this.pending.delete(key);
  }

  private place(axis: number, first: number, block: VoxelBlock): void {
    if (this.complete) return; // the volume was small, and its copy was all of it
    this.voxels ??= emptyVoxels(block.voxels, this.geometry.voxels);
    placeSlices(this.voxels, this.geometry.shape, axis, first, block);
    for (let n = first; n < first + block.shape[axis]; n++) {
      if (axis === this.axis && !this.arrived[axis][n]) this.left--;
      this.arrived[axis][n] = 1;
    }
    if (this.complete || this.mayScroll()) this.setUsable();
    this.notify();
  }

  /** What to fetch next: the slices in view, those near the one in the user's plane, then from there outward. */
  private next(): Wanted | null {
    if (this.complete || this.stopped.signal.aborted) return null;
    const { active, layout, large } = this.display;
    const planes = [active, ...PLANES.filter((each) => each !== active)];
    for (const plane of layout === "single" ? planes.filter((each) => each === large) : planes) {
      const { axis } = this.geometry.grids[plane];
      const index = this.display.index(plane);
      if (this.isMissing(axis, index)) return { axis, first: index, count: 1 };
    }
    const { axis } = this.geometry.grids[active];
    const near = axis === this.axis ? null : this.nearest(axis, this.display.index(active), NEAR);
    if (near !== null) return { axis, first: near, count: 1 };
    const middle = this.display.index("axial");
    const first = this.nearest(this.axis, middle, this.geometry.shape[this.axis]);
    if (first === null) return null;
    const away = first < middle ? -1 : 1;
    let count = 1;
    while (count < this.perRequest && this.isMissing(this.axis, first + away * count)) count++;
    return { axis: this.axis, first: away > 0 ? first : first - count + 1, count };
  }

  /** The missing slice next to `middle`, at most `most` away. */
  private nearest(axis: number, middle: number, most: number): number | null {
    for (let away = 0; away <= most; away++)
      for (const index of [middle + away, middle - away]) if (this.isMissing(axis, index)) return index;
    return null;
  }

  private mayScroll(): boolean {
    const { active } = this.display;
    const { axis, count } = this.geometry.grids[active];
    const index = this.display.index(active);
    for (let n = Math.max(0, index - NEAR); n <= Math.min(count - 1, index + NEAR); n++)
      if (!this.hasAcross(axis, n)) return false;
    return PLANES.every((plane) => this.hasSlice(plane, this.display.index(plane)));
  }

  private hasAcross(axis: number, index: number): boolean {
    return this.complete || this.arrived[axis][index] === 1;
  }

  private isMissing(axis: number, index: number): boolean {
    if (index < 0 || index >= this.geometry.shape[axis]) return false;
    return !this.hasAcross(axis, index) && !this.pending.has(`${axis} ${index}`);
  }

  /** Repeat a request while the server does not answer or has too much to do. */
  private async patiently(request: () => Promise<ArrayBuffer>): Promise<ArrayBuffer> {
    for (let wait = 500; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS))
      try {
        const answer = await request();
        this.setWaits(false);
        return answer;
      } catch (error) {
        // A connection that breaks inside an answer is a TypeError.
        const again =
          error instanceof ApiError
            ? [0, 429, 502, 503, 504].includes(error.status)
            : error instanceof TypeError;
        if (!again || this.stopped.signal.aborted) throw error;
        this.setWaits(true);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
  }

  private setWaits(waits: boolean): void {
    if (waits === this.waits) return;
    this.waits = waits;
    this.notify();
  }
}

/** The memory is taken from the system only where voxels arrive. */
function emptyVoxels(like: Voxels, count: number): Voxels {
  try {
    return like instanceof Int16Array ? new Int16Array(count) : new Float32Array(count);
  } catch {
    const megabytes = Math.round((count * like.BYTES_PER_ELEMENT) / 1e6);
    throw new Error(
      `The browser has no room for this volume, which takes ${megabytes} MB. Close other tabs, or crop the volume.`,
    );
  }
}

function blocksInWorker(): ReadBlock {
  return inWorker<ArrayBuffer, VoxelBlock>(
    () => new Worker(new URL("../volume/voxel_worker.ts", import.meta.url), { type: "module" }),
    (buffer) => [buffer],
  );
}
