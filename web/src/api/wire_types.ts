/** What the server sends and takes. Voxels are (i, j, k) as stored, counted from 0; ranges include both ends. */

export type PlaneName = "axial" | "coronal" | "sagittal";
export const PLANES: readonly PlaneName[] = ["axial", "coronal", "sagittal"];
export type Ijk = [number, number, number];
export type AxisName = "i" | "j" | "k";

export interface Info {
  version: string;
  model: { name: string; capabilities: string[]; max_zoom: number; window_hu: [number, number] };
  limits: { upload_bytes: number };
  formats: string[];
  user: string;
}

export interface VolumeSummary {
  id: string;
  name: string;
  shape_ijk: Ijk;
  spacing_mm_ijk: Ijk;
  modality: string;
  source: "given" | "data" | "upload";
  /** What was left out of it, and what its file does not state about its grid. */
  notes: string[];
}

export interface PlaneInfo {
  axis: AxisName;
  count: number;
  uv_axes: [AxisName, AxisName];
  transpose: boolean;
  flip_rows: boolean;
  flip_cols: boolean;
  spacing_mm_vu: [number, number];
}

export interface VolumeInfo extends Omit<VolumeSummary, "source"> {
  affine_lps: number[][] | number[];
  default_window_hu: [number, number];
  dicom: boolean;
  planes: Record<PlaneName, PlaneInfo>;
}

export interface PointPrompt {
  point: Ijk;
  positive: boolean;
}
export interface BoxPrompt {
  box: Record<string, number>;
}
export interface MaskPrompt {
  mask: Partial<Record<AxisName, number>>;
  shape: [number, number];
  runs: number[];
}
export type Prompt = PointPrompt | BoxPrompt | MaskPrompt;

/** A prompt or a correction of an object. */
export interface ObjectPrompt {
  number: number;
  index: number;
  kind: "box" | "point" | "mask";
  positive?: boolean;
  box?: Record<string, number>;
  point?: Ijk;
}

export interface SegmentedObject {
  id: number;
  name: string;
  color: string;
  visible: boolean;
  locked: boolean;
  plane: PlaneName;
  bounds: [number, number] | null;
  low_end: string;
  high_end: string;
  slices: [number, number] | null;
  volume_ml: number;
  voxels: number;
  prompts: ObjectPrompt[];
  scores: Record<string, number>;
}

export interface SessionState {
  id: string;
  volume: string;
  revision: number;
  window_hu: [number, number];
  can_undo: boolean;
  can_redo: boolean;
  overlap: string;
  encoded?: Partial<Record<PlaneName, number[]>>;
  busy: { job: string; name: string; done: number; total: number | null } | null;
  interrupted: { name: string; finished: number[]; what: "segment" | "correct" } | null;
  objects: SegmentedObject[];
}

export interface SessionSummary {
  id: string;
  volume: string;
  name: string;
  objects: number;
  changed: string;
  interrupted: boolean;
}

export interface RunsMask {
  shape: [number, number];
  runs: number[];
}

export interface Preview {
  index: number;
  masks: (RunsMask & { score: number })[];
  ms: number;
}

export interface NextSlice {
  plane: PlaneName;
  index: number;
  name: string;
  score: number;
  /** Sent back as `after`, gives the slice with the next lowest score. */
  cursor: string;
}

export interface ServerEvents {
  state: SessionState;
  progress: { job: string; name: string; done: number; total: number | null; seconds: number };
  slice: {
    job: string;
    name: string;
    object_id: number;
    plane: PlaneName;
    index: number;
    score: number;
    shape: [number, number];
    runs_b64: string;
  };
  ended: {
    job: string;
    name: string;
    low_end: string;
    high_end: string;
    warnings: string[];
  };
  failed: { job: string; name: string; kind: string; message: string };
  cancelled: { job: string };
  encoded: { plane: PlaneName; index: number };
}
