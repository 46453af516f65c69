/** The HU shown as black and as white. */
export type ValueWindow = [number, number];

export interface WindowPreset {
  name: string;
  center: number;
  width: number;
}

/** The usual presets of CT consoles; keys choose the first ones. */
export const PRESETS: readonly WindowPreset[] = [
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
/** The presets that have a key of their own. */
export const KEYED_PRESETS = PRESETS.slice(0, 5);

export function presetWindow({ center, width }: Pick<WindowPreset, "center" | "width">): ValueWindow {
  return [center - width / 2, center + width / 2];
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
