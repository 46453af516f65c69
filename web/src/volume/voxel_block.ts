/** A part of a volume, or a coarse copy of it, as the server sends it: see `server/voxel_blocks.py`. */
import type { Ijk } from "../api/wire_types";

/** Voxels stored i fastest. */
export type Voxels = Int16Array | Float32Array;

export interface VoxelBlock {
  voxels: Voxels;
  shape: Ijk;
  /** Voxels of the volume in one of the block, along each axis. */
  step: Ijk;
}

const HEADER_BYTES = 32;

export function readVoxelBlock(buffer: ArrayBuffer): VoxelBlock {
  const view = new DataView(buffer);
  const numbers = Array.from({ length: 8 }, (_, n) =>
    buffer.byteLength < HEADER_BYTES ? 0 : view.getUint32(4 * n, true),
  );
  const [magic, kind, ni, nj, nk, si, sj, sk] = numbers;
  const size = kind === 1 ? 4 : 2;
  const count = ni * nj * nk;
  if (magic !== 0x31425352 || kind > 1 || buffer.byteLength !== HEADER_BYTES + count * size)
    throw new Error("The server sent voxels in an unknown format. Reload the page.");
  const bytes = new Uint8Array(buffer, HEADER_BYTES);
  const voxels = kind === 1 ? unfolded32(bytes, count) : unfolded16(bytes, count);
  return { voxels, shape: [ni, nj, nk], step: [si, sj, sk] };
}

/** Undo the differences: low bytes of all values come first, and the lowest bit is the sign. */
function unfolded16(bytes: Uint8Array, count: number): Int16Array {
  const voxels = new Int16Array(count);
  let value = 0;
  for (let n = 0; n < count; n++) {
    const folded = bytes[n] | (bytes[n + count] << 8);
    value += (folded >> 1) ^ -(folded & 1);
    voxels[n] = value; // modulo 2¹⁶
  }
  return voxels;
}

function unfolded32(bytes: Uint8Array, count: number): Float32Array {
  const words = new Int32Array(count);
  let value = 0;
  for (let n = 0; n < count; n++) {
    const folded =
      bytes[n] | (bytes[n + count] << 8) | (bytes[n + 2 * count] << 16) | (bytes[n + 3 * count] << 24);
    value = (value + ((folded >>> 1) ^ -(folded & 1))) | 0;
    words[n] = value;
  }
  return new Float32Array(words.buffer);
}

/** Put a block of slices across an axis into the voxels of the volume, from slice `first` on. */
export function placeSlices(into: Voxels, shape: Ijk, axis: number, first: number, block: VoxelBlock): void {
  const [ni, nj] = shape;
  const [bi, bj, bk] = block.shape;
  if (axis === 2) {
    into.set(block.voxels, first * ni * nj);
    return;
  }
  const start: Ijk = [0, 0, 0];
  start[axis] = first;
  for (let k = 0; k < bk; k++)
    for (let j = 0; j < bj; j++) {
      const from = bi * (j + bj * k);
      const to = start[0] + ni * (start[1] + j + nj * k);
      if (bi === ni) into.set(block.voxels.subarray(from, from + bi), to);
      else for (let i = 0; i < bi; i++) into[to + i] = block.voxels[from + i];
    }
}
