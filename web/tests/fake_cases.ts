/** Volumes, sessions and uploads for tests of the list of cases. */
import type { SessionSummary, UploadSummary, VolumeSummary } from "../src/api/wire_types";

export function volumeOf(id: string, change: Partial<VolumeSummary> = {}): VolumeSummary {
  return {
    id,
    name: `${id}.nii.gz`,
    shape_ijk: [64, 48, 20],
    spacing_mm_ijk: [0.7, 0.7, 2.5],
    modality: "CT",
    modality_source: "header",
    modality_doubt: "",
    unit: "HU",
    source: "upload",
    notes: [],
    bytes: 1_500_000,
    added: "2026-11-01T10:00:00.000+00:00",
    upload: `u-${id}`,
    labels: false,
    scan: null,
    patient: null,
    ...change,
  };
}

export function sessionOf(id: string, volume: string, change: Partial<SessionSummary> = {}): SessionSummary {
  return {
    id,
    volume,
    name: `${volume}.nii.gz`,
    objects: 0,
    object_names: [],
    modality: "CT",
    created: "2026-11-02T10:00:00.000+00:00",
    changed: "2026-11-02T11:00:00.000+00:00",
    interrupted: false,
    ...change,
  };
}

export function uploadOf(volumes: VolumeSummary[], change: Partial<UploadSummary> = {}): UploadSummary {
  return {
    id: volumes[0]?.upload ?? "u-damaged",
    name: volumes[0]?.name ?? "damaged.nii.gz",
    bytes: volumes.reduce((sum, each) => sum + each.bytes, 0),
    created: "2026-11-01T10:00:00.000+00:00",
    volumes: volumes.map((each) => each.id),
    ...change,
  };
}

/** A file that looks like DICOM, of a SOP class; CT by default. */
export function dicom(name: string, sopClass = "1.2.840.10008.5.1.4.1.1.2"): File {
  const head = new Uint8Array(400);
  head.set(new TextEncoder().encode("DICM"), 128);
  head.set(new TextEncoder().encode(`${sopClass}\0`), 160);
  return new File([head], name);
}
