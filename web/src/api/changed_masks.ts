import type { PlaneName } from "./wire_types";
import { PLANES } from "./wire_types";

export interface ChangedSlice {
  objectId: number;
  plane: PlaneName;
  index: number;
  shape: [number, number];
  runs: Uint32Array;
}

/** Read `RSM1`, the changed slices of a label map; little-endian throughout. */
export function parseChangedMasks(buffer: ArrayBuffer): { revision: number; slices: ChangedSlice[] } {
  const view = new DataView(buffer);
  if (buffer.byteLength < 12 || view.getUint32(0, true) !== 0x314d5352)
    throw new Error("The server sent masks in an unknown format. Reload the page.");
  const revision = view.getUint32(4, true);
  const count = view.getUint32(8, true);
  const slices: ChangedSlice[] = [];
  let at = 12;
  for (let n = 0; n < count; n++) {
    const length = view.getUint32(at + 16, true);
    // A slice may start off a multiple of four, so the runs are copied.
    const runs = new Uint32Array(buffer.slice(at + 20, at + 20 + 4 * length));
    slices.push({
      objectId: view.getUint16(at, true),
      plane: PLANES[view.getUint8(at + 2)],
      index: view.getUint32(at + 4, true),
      shape: [view.getUint32(at + 8, true), view.getUint32(at + 12, true)],
      runs,
    });
    at += 20 + 4 * length;
  }
  return { revision, slices };
}

/** Decode the base64 run lengths of a `slice` event. */
export function runsFromBase64(text: string): Uint32Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint32Array(bytes.buffer, 0, bytes.byteLength >> 2);
}
