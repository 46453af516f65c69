/** What the 3D view can show around the objects. */
import type { VolumeInfo } from "../api/wire_types";

/** The values around the objects that are shown, and their colours; null shows none. */
export type Surroundings = { colormap: string; low: number; high: number } | null;

export interface NamedSurroundings {
  name: string;
  shown: Surroundings;
}

const OBJECTS_ONLY: NamedSurroundings = { name: "objects only", shown: null };
/** In HU. */
const OF_CT: readonly NamedSurroundings[] = [
  { name: "with bones", shown: { colormap: "bone", low: 140, high: 900 } },
  { name: "with body", shown: { colormap: "gray", low: -320, high: 400 } },
];
/** Where the background of an MR ends, as a share of its window. */
const BACKGROUND = 0.12;

/** Bones and body of a CT; of other volumes, what is brighter than the background, in the volume's own window. */
export function surroundingsOf(
  volume: Pick<VolumeInfo, "modality" | "default_window">,
): readonly NamedSurroundings[] {
  if (volume.modality === "CT") return [...OF_CT, OBJECTS_ONLY];
  const [low, high] = volume.default_window;
  const shown = { colormap: "gray", low: low + BACKGROUND * (high - low), high };
  return [{ name: "with the volume", shown }, OBJECTS_ONLY];
}
