/** What the server sends and takes. Voxels are (i, j, k) as stored, counted from 0; ranges include both ends. */

export type PlaneName = "axial" | "coronal" | "sagittal";
export const PLANES: readonly PlaneName[] = ["axial", "coronal", "sagittal"];
export type Ijk = [number, number, number];
export type AxisName = "i" | "j" | "k";
export type Modality = "CT" | "MR" | "PET" | "other";

export interface Info {
  version: string;
  model: { name: string; capabilities: string[]; max_zoom: number; window: [number, number] };
  limits: { upload_bytes: number };
  formats: string[];
  /** The server's PACS, in a few words; null if it has none. */
  pacs?: string | null;
  user: string;
  /** Whether a project of many cases is served. */
  project?: boolean;
}

export interface VolumeSummary {
  id: string;
  name: string;
  shape_ijk: Ijk;
  spacing_mm_ijk: Ijk;
  /** Null where its file does not state it and it has not been opened yet. */
  modality: Modality | null;
  /** Who says so: its file, a user, or a guess from its values. */
  modality_source: "header" | "given" | "values" | null;
  /** Why it may be another one; empty if it is sure. */
  modality_doubt: string;
  /** Of its values: "HU", "SUV", "Bq/ml"; null where they have none. */
  unit: string | null;
  source: "given" | "data" | "upload";
  /** What was left out of it, and what its file does not state about its grid. */
  notes: string[];
  /** Its size on disk. */
  bytes: number;
  /** ISO time of the upload, or of the file's last change. */
  added: string;
  /** The upload that it belongs to. */
  upload: string | null;
  /** Whether the upload looks like a label map. */
  labels: boolean;
  /** What tells a DICOM volume from others of its folder. */
  scan: Scan | null;
  /** Only where the server's operator allows it. */
  patient: Patient | null;
}

export interface Scan {
  uid: string;
  number: number;
  description: string;
  acquisition: string;
  /** HH:MM:SS; empty if unknown. */
  time: string;
  contrast: string;
  slices: number;
  /** What else tells it from the other images of its series: "echo=2". */
  part?: string;
}

export interface Patient {
  name: string;
  id: string;
  study_date: string;
  study: string;
}

/** An upload; a damaged one has no volumes. */
export interface UploadSummary {
  id: string;
  name: string;
  bytes: number;
  created: string;
  volumes: string[];
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
  default_window: [number, number];
  dicom: boolean;
  planes: Record<PlaneName, PlaneInfo>;
}

export interface PointPrompt {
  point: Ijk;
  positive: boolean;
}
/** Without `positive`, a box or a mask is positive. */
export interface BoxPrompt {
  box: Record<string, number>;
  positive?: boolean;
}
export interface MaskPrompt {
  mask: Partial<Record<AxisName, number>>;
  shape: [number, number];
  runs: number[];
  positive?: boolean;
}
/** A stroke: the voxels on the lines between its points. */
export interface ScribblePrompt {
  scribble: Ijk[];
  positive: boolean;
}
/** A closed polygon on one slice, in stored voxels along the slice's two axes (u, v). */
export interface LassoPrompt {
  lasso: Partial<Record<AxisName, number>>;
  polygon: [number, number][];
  positive: boolean;
}
export type Prompt = PointPrompt | BoxPrompt | MaskPrompt | ScribblePrompt | LassoPrompt;

/** What a hand paints or erases. */
export type HandShape =
  | { brush: { path: Ijk[]; radius_mm: number; ball?: boolean; plane?: PlaneName } }
  | Omit<LassoPrompt, "positive">
  | Pick<BoxPrompt, "box">
  | Omit<MaskPrompt, "positive">;

/** How far an edit propagates: its slice, so many slices to each side, half-way to the next prompt, or the ends. */
export type Reach = "slice" | "next" | "ends" | number;

export type CleanUpStep =
  | { step: "keep_largest" }
  | { step: "keep_at"; voxel_ijk: Ijk }
  | { step: "remove_islands"; smallest_ml: number }
  | { step: "fill_holes"; in_slices?: boolean; axis?: AxisName }
  | { step: "smooth"; mm: number; axis?: AxisName }
  | { step: "grow"; mm: number }
  | { step: "interpolate"; slices: number[]; axis: AxisName }
  | { step: "copy_slice"; index: number; to: number[]; axis: AxisName };

/** A prompt or a correction of an object. */
export interface ObjectPrompt {
  number: number;
  index: number;
  kind: "box" | "point" | "mask" | "scribble" | "lasso";
  positive?: boolean;
  box?: Record<string, number>;
  point?: Ijk;
  scribble?: Ijk[];
  lasso?: Partial<Record<AxisName, number>>;
  polygon?: [number, number][];
}

/** An edit of an object, of any kind; `number` deletes it. */
export interface ObjectEdit {
  number: number;
  kind: string;
  slices: number[];
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
  /** Before the overlap policy applies. */
  whole_volume_ml: number;
  whole_voxels: number;
  prompts: ObjectPrompt[];
  scores: Record<string, number>;
  /** The Dice that each slice probably has, 0 to 1. */
  expected_dice: Record<string, number>;
  /** Whether the last clicks were painted because the model did not follow them. */
  by_hand: boolean;
  unfollowed: Ijk[];
  /** What kind of edit started it: by a prompt ("segment"), or by a mask of the whole object. */
  start: "segment" | "start_from_mask";
  /** Slices that are marked right. */
  confirmed: number[];
  /** The ends at which its propagation was stopped, each with the requested slice; null: the stop rule finds it. */
  unfinished?: { low?: number | null; high?: number | null };
  /** Other slices at which it may end, where the stop rule was unsure. */
  other_ends?: { low?: number[]; high?: number[] };
  edits: ObjectEdit[];
}

export type OverlapPolicy = "last wins" | "keep first" | "keep both";

/** Voxels of one object that another one has in the label map. */
export interface CoveredVoxels {
  name: string;
  by: string;
  voxels: number;
}

/** The running edit. */
export interface RunningJob {
  job: string;
  name: string;
  done: number;
  total: number | null;
}

export interface SessionState {
  id: string;
  volume: string;
  revision: number;
  window: [number, number];
  /** The name of its model. */
  model: string;
  modality: Modality;
  unit: string | null;
  can_undo: boolean;
  can_redo: boolean;
  overlap: OverlapPolicy;
  /** Objects that come first where several claim a voxel. */
  order: string[];
  overlaps: CoveredVoxels[];
  notes: string[];
  encoded?: Partial<Record<PlaneName, number[]>>;
  busy: RunningJob | null;
  interrupted: { name: string; finished: number[]; what: "segment" | "correct" } | null;
  objects: SegmentedObject[];
}

/** What an edit did. */
export interface EditOutcome {
  name: string;
  slices: number[];
  added_ml: number;
  taken_ml: number;
  taken_from: Record<string, number>;
  refused_by: Record<string, number>;
  refused_why: Record<string, string>;
  unfollowed: Ijk[];
}

/** The prompt that started an object, as it was sent. */
export interface StartOfObject {
  plane: PlaneName;
  index: number;
  prompt: Prompt;
  bounds: [number, number] | null;
}

export interface SessionSummary {
  id: string;
  volume: string;
  name: string;
  objects: number;
  object_names: string[];
  modality: Modality | null;
  created: string;
  changed: string;
  interrupted: boolean;
}

export interface RunsMask {
  shape: [number, number];
  runs: number[];
}

export interface Preview {
  index: number;
  masks: (RunsMask & { index: number; score: number })[];
  /** First and last slice that the edit would change; null for the first prompt of an object. */
  reach: [number, number] | null;
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
  progress: RunningJob & { seconds: number };
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
    low_end: string | null;
    /** Whether the user stopped it and kept what was done. */
    stopped?: boolean;
    high_end: string | null;
    warnings: string[];
    outcome: EditOutcome | null;
  };
  failed: { job: string; name: string; kind: string; message: string };
  cancelled: { job: string };
  encoded: { plane: PlaneName; index: number };
}
