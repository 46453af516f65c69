/** Requests for the statistics of objects. */
import type { Client } from "./client";
import type { Ijk } from "./wire_types";

export interface Histogram {
  low: number;
  width: number;
  counts: number[];
  below: number;
  above: number;
}

/** On the axial slice `index`; the ends are voxels with fractions. */
export interface Diameter {
  index: number;
  mm: number;
  ends_ijk: [Ijk, Ijk];
}

/** Of an object in the label map; without a voxel, it has no values. */
export interface ObjectStatistics {
  name: string;
  id: number;
  unit: string | null;
  voxels: number;
  volume_ml: number;
  mean: number | null;
  sd: number | null;
  minimum: number | null;
  maximum: number | null;
  median: number | null;
  histogram: Histogram | null;
  longest_axial: Diameter | null;
  perpendicular: Diameter | null;
}

export const fetchStatistics = (client: Client, session: string, name: string) =>
  client.json<ObjectStatistics>("GET", `/sessions/${session}/objects/${encodeURIComponent(name)}/statistics`);

export const fetchStatisticsTable = async (client: Client, session: string): Promise<Blob> =>
  (await client.fetch(`/sessions/${session}/statistics.csv`)).blob();
