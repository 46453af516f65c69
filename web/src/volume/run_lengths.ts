/** Run lengths of a mask: background first, row by row over the stored slice [v, u]. */

export function encodeRuns(mask: Uint8Array): number[] {
  const runs: number[] = [];
  let value = 0;
  let length = 0;
  for (let n = 0; n < mask.length; n++) {
    const here = mask[n] ? 1 : 0;
    if (here === value) length++;
    else {
      runs.push(length);
      value = here;
      length = 1;
    }
  }
  runs.push(length);
  return runs;
}

export function decodeRuns(runs: ArrayLike<number>, size: number): Uint8Array {
  const mask = new Uint8Array(size);
  let at = 0;
  for (let n = 0; n < runs.length; n++) {
    if (n % 2) mask.fill(1, at, at + runs[n]);
    at += runs[n];
  }
  if (at !== size) throw new Error(`The mask has ${at} pixels, and its slice has ${size}.`);
  return mask;
}
