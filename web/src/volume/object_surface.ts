/**
 * The surface of an object for the 3D view: naive surface nets over the share of each cell that the object
 * fills. A large object gets coarser cells, so that its surface is fast to draw.
 */
import type { Geometry } from "./coordinates";
import type { Extent, SparseMask } from "./sparse_mask";

export interface Surface {
  /** Positions in RAS millimetres, three per vertex. */
  points: Float32Array;
  triangles: Uint32Array;
}
/** What a surface needs of a volume's grid: a worker gets it without the methods. */
export type SurfaceGrid = Pick<Geometry, "spacing" | "affine">;

/** Cells along the longest side, at most: about as many as a 3D pane shows. */
const MAX_CELLS = 96;

export function surfaceOf(mask: SparseMask, grid: SurfaceGrid): Surface | null {
  const extent = mask.extent();
  if (!extent) return null;
  const lengths = extent.map(([low, high], axis) => (high - low + 1) * grid.spacing[axis]);
  const cellMm = Math.max(Math.max(...lengths) / MAX_CELLS, Math.min(...grid.spacing));
  const step = grid.spacing.map((mm) => Math.max(1, Math.round(cellMm / mm)));
  // One empty cell around the object closes the surface.
  const size = extent.map(([low, high], axis) => Math.ceil((high - low + 1) / step[axis]) + 2);
  const field = smoothed(filled(mask, extent, step, size), size);
  return nets(field, size, (cell) => toRas(grid, extent, step, cell));
}

function filled(mask: SparseMask, extent: Extent, step: number[], size: number[]): Float32Array {
  const field = new Float32Array(size[0] * size[1] * size[2]);
  const share = 1 / (step[0] * step[1] * step[2]);
  const strides = [1, size[0], size[0] * size[1]];
  /** What each voxel index along an axis adds to the offset of its cell. */
  const [ofI, ofJ, ofK] = extent.map(([low, high], axis) =>
    Int32Array.from({ length: high - low + 1 }, (_, n) => strides[axis] * (1 + Math.floor(n / step[axis]))),
  );
  const [[i0], [j0], [k0]] = extent;
  mask.each((i, j, k) => {
    field[ofI[i - i0] + ofJ[j - j0] + ofK[k - k0]] += share;
  });
  return field;
}

/** A 1-2-1 filter along each axis smooths the steps of a surface of voxels. */
function smoothed(field: Float32Array, size: number[]): Float32Array {
  const strides = [1, size[0], size[0] * size[1]];
  let from = field;
  for (let axis = 0; axis < 3; axis++) {
    const to = new Float32Array(from.length);
    const stride = strides[axis];
    for (let n = 0; n < from.length; n++) {
      const place = Math.floor(n / stride) % size[axis];
      const before = place > 0 ? from[n - stride] : 0;
      const after = place < size[axis] - 1 ? from[n + stride] : 0;
      to[n] = 0.5 * from[n] + 0.25 * (before + after);
    }
    from = to;
  }
  return from;
}

function toRas({ affine }: SurfaceGrid, extent: Extent, step: number[], cell: number[]): number[] {
  const [i, j, k] = cell.map(
    (value, axis) => extent[axis][0] + (value - 1) * step[axis] + (step[axis] - 1) / 2,
  );
  const [l, p, s] = affine.map(([a, b, c, d]) => a * i + b * j + c * k + d);
  return [-l, -p, s];
}

const LEVEL = 0.45;

function nets(field: Float32Array, size: number[], place: (cell: number[]) => number[]): Surface | null {
  const strides = [1, size[0], size[0] * size[1]];
  const vertex = new Int32Array(field.length).fill(-1);
  const points: number[] = [];
  for (let k = 0; k < size[2] - 1; k++)
    for (let j = 0; j < size[1] - 1; j++)
      for (let i = 0; i < size[0] - 1; i++) {
        const at = i + strides[1] * j + strides[2] * k;
        const mean = crossing(field, at, strides);
        if (!mean) continue;
        vertex[at] = points.length / 3;
        points.push(...place([i + mean[0], j + mean[1], k + mean[2]]));
      }
  const triangles: number[] = [];
  for (let k = 0; k < size[2] - 1; k++)
    for (let j = 0; j < size[1] - 1; j++)
      for (let i = 0; i < size[0] - 1; i++) {
        const at = i + strides[1] * j + strides[2] * k;
        for (let axis = 0; axis < 3; axis++) {
          // An edge at the border of the other two axes lacks cubes on some of its four sides.
          if ([i, j, k].some((value, other) => other !== axis && value === 0)) continue;
          const here = field[at] >= LEVEL;
          if (here === field[at + strides[axis]] >= LEVEL) continue;
          const [p, q] = [strides[(axis + 1) % 3], strides[(axis + 2) % 3]];
          const quad = [vertex[at], vertex[at - p], vertex[at - p - q], vertex[at - q]];
          const [a, b, c, d] = here ? quad : quad.reverse();
          triangles.push(a, b, c, a, c, d);
        }
      }
  return triangles.length
    ? { points: Float32Array.from(points), triangles: Uint32Array.from(triangles) }
    : null;
}

/** The mean of the points where the level crosses the twelve edges of a cube; null without a crossing. */
function crossing(field: Float32Array, at: number, strides: number[]): number[] | null {
  let count = 0;
  const sum = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    const [p, q] = [(axis + 1) % 3, (axis + 2) % 3];
    for (let corner = 0; corner < 4; corner++) {
      const [dp, dq] = [corner & 1, corner >> 1];
      const from = at + dp * strides[p] + dq * strides[q];
      const [a, b] = [field[from], field[from + strides[axis]]];
      if (a >= LEVEL === b >= LEVEL) continue;
      sum[axis] += (LEVEL - a) / (b - a);
      sum[p] += dp;
      sum[q] += dq;
      count++;
    }
  }
  return count ? sum.map((value) => value / count) : null;
}
