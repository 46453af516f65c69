/**
 * Outlines of a mask: the 0.5 level between pixel centres, as in the previews of the command line. An outline
 * connects the middles of the edges of the mask's pixels, which cuts the corners.
 */

/** Sides of a pixel, clockwise: the step to the next pixel along each, and the middle of the side. */
const MOVE = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
];
const MIDDLE = [
  [0, -0.5],
  [0.5, 0],
  [0, 0.5],
  [-0.5, 0],
];

/** Closed polygons (x0, y0, x1, y1, …) in pixels with centres on whole numbers; holes run the other way. */
export function outlines(
  inside: (x: number, y: number) => boolean,
  cols: number,
  rows: number,
): Float32Array[] {
  const pixels = new Uint8Array(cols * rows);
  for (let y = 0; y < rows; y++) for (let x = 0; x < cols; x++) if (inside(x, y)) pixels[y * cols + x] = 1;
  return pixelOutlines(pixels, cols, rows);
}

/** The same for a mask of pixels, row by row. */
export function pixelOutlines(pixels: Uint8Array, cols: number, rows: number): Float32Array[] {
  const seen = new Uint8Array(cols * rows);
  const found: Float32Array[] = [];
  for (let n = 0; n < pixels.length; n++)
    if (pixels[n] && !seen[n] && (n < cols || !pixels[n - cols]))
      found.push(trace(pixels, seen, cols, rows, n));
  return found;
}

function trace(
  pixels: Uint8Array,
  seen: Uint8Array,
  cols: number,
  rows: number,
  start: number,
): Float32Array {
  const at = (x: number, y: number) => x >= 0 && y >= 0 && x < cols && y < rows && pixels[y * cols + x] === 1;
  const points: number[] = [];
  const startX = start % cols;
  const startY = (start - startX) / cols;
  let x = startX;
  let y = startY;
  let side = 0;
  do {
    if (side === 0) seen[y * cols + x] = 1;
    points.push(x + MIDDLE[side][0], y + MIDDLE[side][1]);
    const along = MOVE[side];
    const out = MOVE[(side + 3) % 4];
    if (!at(x + along[0], y + along[1])) side = (side + 1) % 4;
    else {
      x += along[0];
      y += along[1];
      if (at(x + out[0], y + out[1])) {
        x += out[0];
        y += out[1];
        side = (side + 3) % 4;
      }
    }
  } while (x !== startX || y !== startY || side !== 0);
  return straightened(points);
}

/** Drop the points inside straight lines. */
function straightened(points: number[]): Float32Array {
  const size = points.length / 2;
  const corners: number[] = [];
  for (let n = 0; n < size; n++) {
    const [p, q] = [(n + size - 1) % size, (n + 1) % size];
    const ax = points[2 * n] - points[2 * p];
    const ay = points[2 * n + 1] - points[2 * p + 1];
    const bx = points[2 * q] - points[2 * n];
    const by = points[2 * q + 1] - points[2 * n + 1];
    if (ax !== bx || ay !== by) corners.push(points[2 * n], points[2 * n + 1]);
  }
  return Float32Array.from(corners);
}
