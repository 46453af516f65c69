/** The HU shown as black and as white. */
export type WindowHu = [number, number];

export interface WindowPreset {
  name: string;
  center: number;
  width: number;
}

/** The usual presets of CT consoles. */
export const PRESETS: readonly WindowPreset[] = [
  { name: "Soft tissue", center: 40, width: 400 },
  { name: "Lung", center: -600, width: 1500 },
  { name: "Bone", center: 400, width: 1800 },
  { name: "Liver", center: 60, width: 160 },
  { name: "Brain", center: 40, width: 80 },
];

export function presetWindow({ center, width }: WindowPreset): WindowHu {
  return [center - width / 2, center + width / 2];
}

export function centerWidth([low, high]: WindowHu): { center: number; width: number } {
  return { center: Math.round((low + high) / 2), width: Math.round(high - low) };
}

/** The window after a drag: to the right widens it, downwards raises the centre, in proportion to its width. */
export function draggedWindow(from: WindowHu, dx: number, dy: number): WindowHu {
  const width = from[1] - from[0];
  const step = Math.max(0.25, width / 300);
  const next = Math.min(8000, Math.max(2, width + dx * step));
  const center = Math.min(4000, Math.max(-2000, (from[0] + from[1]) / 2 + dy * step));
  return [center - next / 2, center + next / 2];
}
