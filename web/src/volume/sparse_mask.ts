/**
 * The voxels of one object as bits, in cubes that exist only where the object is: an organ takes a megabyte, whatever
 * the size of the volume. A cube holds 16³ voxels; one 16-bit word is a row along i.
 */
import type { Ijk } from "../api/wire_types";

const SIDE = 16;
const WORDS = SIDE * SIDE;

/** Inclusive ranges per axis. */
export type Extent = [[number, number], [number, number], [number, number]];

/** A mask as a worker takes it: `words` holds a cube's rows after the other's. */
export interface PackedMask {
  shape: Ijk;
  cubes: Int32Array;
  words: Uint16Array;
}

/** The word of a cube that holds the voxels with these j and k. */
export function rowOf(j: number, k: number): number {
  return ((k & 15) << 4) | (j & 15);
}

export class SparseMask {
  private readonly cubes = new Map<number, Uint16Array>();
  private readonly across: Ijk;

  constructor(readonly shape: Ijk) {
    this.across = shape.map((size) => Math.ceil(size / SIDE)) as Ijk;
  }

  static unpacked({ shape, cubes, words }: PackedMask): SparseMask {
    const mask = new SparseMask(shape);
    for (let n = 0; n < cubes.length; n++)
      mask.cubes.set(cubes[n], words.subarray(n * WORDS, (n + 1) * WORDS));
    return mask;
  }

  packed(): PackedMask {
    this.tidy();
    const words = new Uint16Array(this.cubes.size * WORDS);
    [...this.cubes.values()].forEach((cube, n) => {
      words.set(cube, n * WORDS);
    });
    return { shape: this.shape, cubes: Int32Array.from(this.cubes.keys()), words };
  }

  get bytes(): number {
    return this.cubes.size * WORDS * 2;
  }

  has(i: number, j: number, k: number): boolean {
    const cube = this.cube(i, j, k);
    return cube !== undefined && ((cube[rowOf(j, k)] >> (i & 15)) & 1) === 1;
  }

  /** The cube that holds (i, j, k): word `rowOf(j, k)` has 16 voxels along i. */
  cube(i: number, j: number, k: number): Uint16Array | undefined {
    return this.cubes.get(this.cubeOf(i, j, k));
  }

  newCube(i: number, j: number, k: number): Uint16Array {
    const cube = new Uint16Array(WORDS);
    this.cubes.set(this.cubeOf(i, j, k), cube);
    return cube;
  }

  /** Visit the cubes that cut a slice, with their first voxel. */
  eachCubeAt(axis: number, index: number, visit: (cube: Uint16Array, first: Ijk) => void): void {
    const place: Ijk = [index >> 4, index >> 4, index >> 4];
    const [p, q] = axis === 0 ? [1, 2] : axis === 1 ? [0, 2] : [0, 1];
    for (place[q] = 0; place[q] < this.across[q]; place[q]++)
      for (place[p] = 0; place[p] < this.across[p]; place[p]++) {
        const cube = this.cubes.get(place[0] + this.across[0] * (place[1] + this.across[1] * place[2]));
        if (cube) visit(cube, [place[0] * SIDE, place[1] * SIDE, place[2] * SIDE]);
      }
  }

  /** Forget cubes without a voxel. */
  private tidy(): void {
    for (const [at, cube] of this.cubes) if (cube.every((word) => word === 0)) this.cubes.delete(at);
  }

  /** Visit every voxel of the object. */
  each(visit: (i: number, j: number, k: number) => void): void {
    const [ci, cj] = this.across;
    for (const [at, cube] of this.cubes) {
      const [i0, j0, k0] = [at % ci, Math.floor(at / ci) % cj, Math.floor(at / (ci * cj))].map(
        (n) => n * SIDE,
      );
      for (let n = 0; n < WORDS; n++)
        for (let word = cube[n], i = i0; word; word >>= 1, i++)
          if (word & 1) visit(i, j0 + (n & 15), k0 + (n >> 4));
    }
  }

  extent(): Extent | null {
    const low = [...this.shape];
    const high = [-1, -1, -1];
    const add = (axis: number, from: number, to: number) => {
      low[axis] = Math.min(low[axis], from);
      high[axis] = Math.max(high[axis], to);
    };
    const [ci, cj] = this.across;
    for (const [at, cube] of this.cubes) {
      const [i0, j0, k0] = [at % ci, Math.floor(at / ci) % cj, Math.floor(at / (ci * cj))].map(
        (n) => n * SIDE,
      );
      let all = 0;
      for (let n = 0; n < WORDS; n++) {
        if (!cube[n]) continue;
        all |= cube[n];
        add(1, j0 + (n & 15), j0 + (n & 15));
        add(2, k0 + (n >> 4), k0 + (n >> 4));
      }
      if (all) add(0, i0 + 31 - Math.clz32(all & -all), i0 + 31 - Math.clz32(all));
    }
    return high[0] < 0 ? null : ([0, 1, 2].map((axis) => [low[axis], high[axis]]) as Extent);
  }

  private cubeOf(i: number, j: number, k: number): number {
    return (i >> 4) + this.across[0] * ((j >> 4) + this.across[1] * (k >> 4));
  }
}
