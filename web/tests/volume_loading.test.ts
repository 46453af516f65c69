/** The voxels arrive in the order in which the user needs them, at their places, and nothing else is shown as one. */
import { describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api/client";
import type { AxisName, Ijk, PlaneName } from "../src/api/wire_types";
import { PLANES } from "../src/api/wire_types";
import { Display } from "../src/state/display";
import { VolumeLoading } from "../src/state/volume_loading";
import { CoarseCopy } from "../src/volume/coarse_copy";
import { Geometry } from "../src/volume/coordinates";
import { renderSlice } from "../src/volume/slice_rendering";
import { readVoxelBlock, type VoxelBlock } from "../src/volume/voxel_block";
import { VOLUME } from "./fake_client";
import grids from "./fixtures/grids.json";

type Given = typeof VOLUME;
const AXES = ["i", "j", "k"];

/** A volume on a grid of the fixtures, with another shape. */
function volumeOf(name: keyof typeof grids, shape: Ijk): Given {
  const info = structuredClone({ ...VOLUME, ...(grids[name] as object), shape_ijk: shape }) as Given;
  for (const plane of PLANES) info.planes[plane].count = shape[AXES.indexOf(info.planes[plane].axis)];
  return info;
}

/** A server whose voxel at (i, j, k) is i + 100 j + 10 000 k, in float32; `hold` keeps its answers back. */
class Voxels {
  readonly requests: string[] = [];
  failures: ApiError[] = [];
  readonly held: (() => void)[] = [];
  hold = false;
  blocks = new Map<ArrayBuffer, VoxelBlock>();

  constructor(
    readonly shape: Ijk,
    readonly step: Ijk = [2, 2, 2],
  ) {}

  readonly fetch = async (path: string): Promise<Response> => {
    const { pathname, searchParams } = new URL(`http://server${path}`);
    const kind = pathname.split("/").at(-1)!;
    this.requests.push(`${kind} ${[...searchParams.values()].join(" ")}`);
    if (this.hold) await new Promise<void>((resolve) => this.held.push(resolve));
    const failure = this.failures.shift();
    if (failure) throw failure;
    const block = kind === "coarse" ? this.coarse() : this.slices(searchParams);
    const buffer = new ArrayBuffer(0);
    this.blocks.set(buffer, block);
    return { arrayBuffer: async () => buffer } as Response;
  };

  private block(first: Ijk, shape: Ijk, step: Ijk): VoxelBlock {
    const voxels = new Float32Array(shape[0] * shape[1] * shape[2]);
    let at = 0;
    const value = (n: Ijk) =>
      n.reduce((sum, each, axis) => sum + 100 ** axis * (first[axis] + each * step[axis]), 0);
    for (let k = 0; k < shape[2]; k++)
      for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++) voxels[at++] = value([i, j, k]);
    return { voxels, shape, step };
  }

  private coarse(): VoxelBlock {
    const shape = this.shape.map((size, axis) => Math.ceil(size / this.step[axis])) as Ijk;
    return this.block([0, 0, 0], shape, this.step);
  }

  private slices(query: URLSearchParams): VoxelBlock {
    const axis = AXES.indexOf(query.get("axis") as AxisName);
    const first: Ijk = [0, 0, 0];
    first[axis] = Number(query.get("first"));
    const shape = [...this.shape] as Ijk;
    shape[axis] = Math.min(Number(query.get("count")), shape[axis] - first[axis]);
    return this.block(first, shape, [1, 1, 1]);
  }

  readonly read = async (buffer: ArrayBuffer): Promise<VoxelBlock> => this.blocks.get(buffer)!;
}

function loadingOf(name: keyof typeof grids, shape: Ijk, step?: Ijk) {
  const info = volumeOf(name, shape);
  const geometry = new Geometry(info);
  const display = new Display(geometry, [0, 1]);
  const server = new Voxels(shape, step);
  const loading = new VolumeLoading({ fetch: server.fetch }, info, geometry, display, server.read);
  const closed = new AbortController();
  return { info, geometry, display, server, loading, closed };
}

const turns = async () => {
  for (let n = 0; n < 50; n++) await Promise.resolve();
};
const expected = (shape: Ijk) => {
  const all: number[] = [];
  for (let k = 0; k < shape[2]; k++)
    for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++) all.push(i + 100 * j + 10_000 * k);
  return all;
};

describe("a voxel block of the server", () => {
  const bytes = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

  it.each([
    [
      "int16",
      "UlNCMQAAAAADAAAAAgAAAAEAAAABAAAAAgAAAAMAAAD/MDEC/woHAPgA/wA=",
      [-1024, -1000, 32767, -32768, 0, 5],
      [3, 2, 1],
      [1, 2, 3],
    ],
    [
      "float32",
      "UlNCMQEAAAACAAAAAgAAAAEAAAABAAAAAQAAAAEAAAD/3x8h/xbp23+Q7/mA55eK",
      [-1.5, 32500000, 0, Math.fround(-0.001)],
      [2, 2, 1],
      [1, 1, 1],
    ],
  ])("of %s has its values", (_, text, values, shape, step) => {
    const block = readVoxelBlock(bytes(text));
    expect([...block.voxels]).toEqual(values);
    expect([block.shape, block.step]).toEqual([shape, step]);
  });

  it("of another format is refused", () => {
    expect(() => readVoxelBlock(bytes("UlNCMQAAAAADAAAAAgAAAAEAAAA="))).toThrow("Reload");
    expect(() => readVoxelBlock(new ArrayBuffer(2))).toThrow("Reload");
  });
});

describe.each(Object.keys(grids) as (keyof typeof grids)[])("on the grid %s", (name) => {
  const shape: Ijk = [9, 7, 11];

  it("every voxel arrives at its place", async () => {
    const { loading, closed, geometry } = loadingOf(name, shape);
    await loading.start(closed.signal);
    expect([...loading.voxels!]).toEqual(expected(shape));
    expect(loading.share).toBe(1);
    expect(loading.has([8, 6, 10])).toBe(true);
    expect(PLANES.every((plane) => loading.hasSlice(plane, geometry.grids[plane].count - 1))).toBe(true);
  });

  it("the slices in view come first, and only they count as arrived", async () => {
    const { loading, closed, display, server, geometry } = loadingOf(name, shape);
    server.hold = true;
    void loading.start(closed.signal);
    const axisOf = (plane: PlaneName) => AXES[geometry.grids[plane].axis];
    const view = (plane: PlaneName) => `slices ${axisOf(plane)} ${display.index(plane)} 1`;
    expect(server.requests).toEqual(["coarse 96", view("axial"), view("coronal")]);
    server.held.splice(1, 1)[0]();
    await turns();
    expect(server.requests.at(-1)).toBe(view("sagittal"));
    const here = [...display.focus] as Ijk;
    expect(loading.hasSlice("axial", display.index("axial"))).toBe(true);
    expect(loading.hasSlice("coronal", display.index("coronal"))).toBe(false);
    expect(loading.has(here)).toBe(true);
    const away = here.map((each) => each + 1) as Ijk;
    expect(loading.has(away)).toBe(false);
    expect(loading.valueAt(here)).toBe(here[0] + 100 * here[1] + 10_000 * here[2]);
    expect(loading.valueAt(away)).toBeNull();
    expect(loading.voxelsOn("axial", display.index("axial"))).toBe(loading.voxels);
    expect(loading.valuesOn("axial", display.index("axial"))).toMatchObject({
      geometry,
      index: display.index("axial"),
    });
    expect(loading.valuesOn("coronal", 2)).toBeNull(); // neither it nor the copy is there
    expect(loading.allValues()).toBeNull();
    server.held.splice(0, 1)[0]();
    await turns();
    const copied = loading.valuesOn("coronal", 3)!;
    expect(copied).toMatchObject({ voxels: loading.coarse!.voxels, index: 1 });
    expect(loading.allValues()).toBe(loading.coarse);
    expect(loading.voxelsOn("coronal", display.index("coronal"))).toBeNull();
    expect(loading.share).toBeCloseTo(1 / geometry.grids.axial.count, 6);
    closed.abort();
  });

  it("the coarse copy is shown where the slice will be", () => {
    const { info, geometry } = loadingOf(name, [8, 12, 10]);
    const step: Ijk = [2, 3, 1];
    // The grey value grows along the display, so that a mirrored or moved copy shows at once.
    const place = { left: 3, top: 2, scaleX: 6, scaleY: 6 };
    for (const plane of PLANES) {
      const grid = geometry.grids[plane];
      const level = (ijk: number[]) => {
        const [x, y] = grid.ijkToXy(ijk);
        return 10 * x + 3 * y;
      };
      const fill = (shape: number[], of: (ijk: number[]) => number) => {
        const voxels = new Float32Array(shape[0] * shape[1] * shape[2]);
        let at = 0;
        for (let k = 0; k < shape[2]; k++)
          for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++) voxels[at++] = of([i, j, k]);
        return voxels;
      };
      const cells: Ijk = [4, 4, 10];
      const middle = (cell: number[]) => cell.map((each, axis) => each * step[axis] + (step[axis] - 1) / 2);
      const block = { voxels: fill(cells, (cell) => level(middle(cell))), shape: cells, step };
      const copy = new CoarseCopy(block, geometry, info);
      const [width, height] = [6 * grid.cols + 6, 6 * grid.rows + 6];
      const picture = (voxels: Float32Array, plan: Parameters<typeof renderSlice>[1], at: typeof place) => {
        const out = new Uint32Array(width * height);
        renderSlice(voxels, plan, at, width, height, [0, 255], out);
        return out;
      };
      const fine = picture(fill([8, 12, 10], level), grid.plan(5), place);
      const shown = copy.slice(plane, 5, place);
      const coarse = picture(copy.voxels as Float32Array, shown.plan, shown.place);
      // Away from the border, where a copy repeats the middle of its last cell.
      for (let y = 24; y < height - 24; y += 5)
        for (let x = 24; x < width - 24; x += 5)
          expect(Math.abs((fine[y * width + x] & 255) - (coarse[y * width + x] & 255))).toBeLessThan(3);
      const [a, b] = [copy.geometry.toLps([1, 2, 3]), geometry.toLps([2.5, 7, 3])];
      for (const axis of [0, 1, 2]) expect(a[axis]).toBeCloseTo(b[axis], 6);
    }
  });
});

describe("while it loads", () => {
  it("goes on where the user has gone", async () => {
    const { loading, closed, display, server } = loadingOf("usual", [4, 4, 60]);
    server.hold = true;
    void loading.start(closed.signal);
    const answer = async () => {
      for (const each of server.held.splice(0)) each();
      await turns();
    };
    await answer();
    await answer();
    display.goTo("axial", 7);
    await answer();
    expect(server.requests.slice(-2).some((each) => each === "slices k 7 1")).toBe(true);
    await answer();
    const later = server.requests.slice(-2).map((each) => each.split(" ").map(Number));
    for (const [, , first, count] of later)
      expect(Math.min(Math.abs(first - 7), Math.abs(first + count - 1 - 7))).toBe(1);
    closed.abort();
  });

  it("lets what can wait begin when the slices near the view are there", async () => {
    const { loading, closed, server } = loadingOf("usual", [4, 4, 600]);
    let usable = false;
    void loading.usable.then(() => {
      usable = true;
    });
    server.hold = true;
    void loading.start(closed.signal);
    for (let round = 0; round < 20 && !usable; round++) {
      for (const each of server.held.splice(0)) each();
      await turns();
    }
    expect(usable).toBe(true);
    expect(loading.complete).toBe(false);
    expect(server.requests).not.toContain("coarse 144");
    void loading.scene();
    await turns();
    expect(server.requests).toContain("coarse 144");
    closed.abort();
  });

  it("takes a small volume from its copy alone", async () => {
    const { loading, closed, server } = loadingOf("usual", [3, 4, 5], [1, 1, 1]);
    server.hold = true;
    void loading.start(closed.signal);
    server.held[0]();
    await turns();
    expect(loading.complete).toBe(true);
    expect([...loading.voxels!]).toEqual(expected([3, 4, 5]));
    for (const each of server.held.splice(1)) each();
    await turns();
    expect(server.requests).toHaveLength(3);
  });

  it("repeats a request that the server could not answer, and stops at one that it refuses", async () => {
    const { loading, closed, server } = loadingOf("usual", [3, 4, 5]);
    server.failures = [new ApiError(0, "network", "gone")];
    let waited = false;
    loading.subscribe(() => {
      waited ||= loading.waits;
    });
    vi.useFakeTimers();
    const started = loading.start(closed.signal);
    await vi.runAllTimersAsync();
    await started;
    vi.useRealTimers();
    expect(waited).toBe(true);
    expect(loading.waits).toBe(false);
    expect(loading.complete).toBe(true);

    const other = loadingOf("usual", [3, 4, 5]);
    other.server.failures = [new ApiError(404, "missing", "There is no volume.")];
    await expect(other.loading.start(other.closed.signal)).rejects.toThrow("There is no volume.");
    const { length } = other.server.requests;
    await turns();
    expect(other.server.requests).toHaveLength(length);
  });

  it("ends silently when the session is closed", async () => {
    const { loading, closed, server } = loadingOf("usual", [3, 4, 5]);
    server.hold = true;
    const started = loading.start(closed.signal);
    closed.abort();
    server.failures = Array.from({ length: 3 }, () => new ApiError(0, "network", "aborted"));
    for (const each of server.held.splice(0)) each();
    await started;
    expect(loading.complete).toBe(false);
  });
});
