/** Requests about what the user measures. */
import type { Client } from "./client";
import type { Ijk, PlaneName } from "./wire_types";

export type MeasurementKind = "length" | "angle" | "ellipse" | "rectangle";

/** Points are voxels (i, j, k) as stored, with fractions, all on one slice; the vertex of an angle is the second. */
export interface Measurement {
  readonly kind: MeasurementKind;
  readonly plane: PlaneName;
  readonly points: readonly Ijk[];
}

export async function readMeasurements(client: Client, session: string): Promise<Measurement[]> {
  const path = `/sessions/${session}/measurements`;
  return (await client.json<{ measurements: Measurement[] }>("GET", path)).measurements;
}

export async function writeMeasurements(
  client: Client,
  session: string,
  measurements: readonly Measurement[],
): Promise<void> {
  await client.json("PUT", `/sessions/${session}/measurements`, { measurements });
}
