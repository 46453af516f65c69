/** Requests of voxels: some slices, or a coarse copy of the volume. */

import type { Client } from "./client";
import type { AxisName } from "./wire_types";

/** Fetch slices `first` to `first + count - 1` across a stored axis, as a voxel block. */
export async function fetchSlices(
  client: Pick<Client, "fetch">,
  volume: string,
  axis: AxisName,
  first: number,
  count: number,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  const query = `axis=${axis}&first=${first}&count=${count}`;
  return (await client.fetch(`/volumes/${volume}/slices?${query}`, { signal })).arrayBuffer();
}

/** Fetch the means of cells, at most `cells` along the longest side of the volume. */
export async function fetchCoarseCopy(
  client: Pick<Client, "fetch">,
  volume: string,
  cells: number,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  return (await client.fetch(`/volumes/${volume}/coarse?cells=${cells}`, { signal })).arrayBuffer();
}
