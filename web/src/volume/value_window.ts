import type { VolumeInfo } from "../api/wire_types";

/** The values shown as black and as white, in the volume's unit. */
export type ValueWindow = [number, number];

export interface WindowPreset {
  name: string;
  window: ValueWindow;
}

/** The usual presets of CT consoles, in HU. */
const OF_CT = [
  { name: "Soft tissue", center: 40, width: 400 },
  { name: "Lung", center: -600, width: 1500 },
  { name: "Bone", center: 400, width: 1800 },
  { name: "Liver", center: 60, width: 160 },
  { name: "Brain", center: 40, width: 80 },
  { name: "Abdomen", center: 50, width: 400 },
  { name: "Mediastinum", center: 50, width: 350 },
  { name: "Angiography", center: 300, width: 600 },
  { name: "Spine", center: 50, width: 250 },
  { name: "Stroke", center: 40, width: 40 },
  { name: "Subdural", center: 75, width: 215 },
  { name: "Temporal bone", center: 600, width: 2800 },
];
/** Upper ends of windows of standardised uptake values, from 0. */
const OF_SUV = [5, 10, 20] as const;
/** So many presets have a key of their own, from 1 on. */
export const KEYS_OF_PRESETS = 5;

export function windowOf({ center, width }: { center: number; width: number }): ValueWindow {
  return [center - width / 2, center + width / 2];
}

/** The presets of CT; keys choose the first ones. */
export const CT_PRESETS: readonly WindowPreset[] = OF_CT.map((each) => ({
  name: each.name,
  window: windowOf(each),
}));

/** The presets that fit a volume: those of its unit, or those that follow from its own window. */
export function presetsOf(volume: Pick<VolumeInfo, "modality" | "unit" | "default_window">): WindowPreset[] {
  if (volume.modality === "CT") return [...CT_PRESETS];
  const [low, high] = volume.default_window;
  const to = (share: number): ValueWindow => [low, low + share * (high - low)];
  if (volume.unit === "SUV")
    return OF_SUV.map((most) => ({ name: `SUV 0–${most}`, window: [0, most] satisfies ValueWindow }));
  return [
    { name: "Automatic", window: [low, high] },
    { name: "Bright", window: to(0.6) },
    { name: "Dark", window: to(1.6) },
    { name: "High contrast", window: [low + 0.2 * (high - low), low + 0.7 * (high - low)] },
  ];
}

/** Whether two windows look the same. */
export function sameWindow(a: ValueWindow, b: ValueWindow): boolean {
  const tolerance = (a[1] - a[0]) / 1000;
  return Math.abs(a[0] - b[0]) < tolerance && Math.abs(a[1] - b[1]) < tolerance;
}

export function centerWidth([low, high]: ValueWindow): { center: number; width: number } {
  // Narrow windows, as of a PET, need fractions.
  const scale = 10 ** Math.max(0, 1 - Math.floor(Math.log10((high - low) / 2)));
  const rounded = (value: number) => Math.round(value * scale) / scale;
  return { center: rounded((low + high) / 2), width: rounded(high - low) };
}

/**
 * The window after a drag: to the right widens it, downwards raises the centre, in proportion to its width.
 * In a CT it stays within the range of HU; the values of other modalities can have any size.
 */
export function draggedWindow(from: ValueWindow, dx: number, dy: number, isCt = true): ValueWindow {
  const width = from[1] - from[0];
  if (!isCt) {
    const next = width * Math.exp(dx / 300);
    const center = (from[0] + from[1]) / 2 + (dy * width) / 300;
    return [center - next / 2, center + next / 2];
  }
  const step = Math.max(0.25, width / 300);
  const next = Math.min(8000, Math.max(2, width + dx * step));
  const center = Math.min(4000, Math.max(-2000, (from[0] + from[1]) / 2 + dy * step));
  return [center - next / 2, center + next / 2];
}
