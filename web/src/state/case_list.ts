/** The list of cases: each volume with its sessions, searched and sorted. */
import type { SessionSummary, UploadSummary, VolumeSummary } from "../api/wire_types";

export interface CaseSession {
  session: SessionSummary;
  /** Its number among the sessions on the volume, in the order in which they were started. */
  number: number;
}

export interface Case {
  volume: VolumeSummary;
  /** The sessions on it, the latest change first. */
  sessions: CaseSession[];
  /** ISO time of the last work on it, or else of its upload; empty for a file of the server without a session. */
  changed: string;
}

export interface CaseList {
  cases: Case[];
  /** Sessions whose volume is not there now. */
  withoutVolume: SessionSummary[];
  /** Uploads whose files can no longer be read. */
  damaged: UploadSummary[];
}

export type CaseOrder = "changed" | "name" | "added" | "size";
export const CASE_ORDERS: [CaseOrder, string][] = [
  ["changed", "Last worked on"],
  ["name", "Name"],
  ["added", "Date"],
  ["size", "Size"],
];

export function caseList(
  volumes: readonly VolumeSummary[],
  sessions: readonly SessionSummary[],
  uploads: readonly UploadSummary[],
): CaseList {
  const byVolume = new Map<string, SessionSummary[]>();
  for (const each of sessions) byVolume.set(each.volume, [...(byVolume.get(each.volume) ?? []), each]);
  const cases = volumes.map((volume) => {
    const known = numbered(byVolume.get(volume.id) ?? []);
    byVolume.delete(volume.id);
    return {
      volume,
      sessions: known,
      changed: known[0]?.session.changed ?? (volume.upload ? volume.added : ""),
    };
  });
  return {
    cases,
    withoutVolume: [...byVolume.values()].flat(),
    damaged: uploads.filter((each) => each.volumes.length === 0),
  };
}

function numbered(sessions: SessionSummary[]): CaseSession[] {
  return [...sessions]
    .sort((a, b) => a.created.localeCompare(b.created))
    .map((session, n) => ({ session, number: n + 1 }))
    .sort((a, b) => b.session.changed.localeCompare(a.session.changed));
}

/** The cases that contain every word of a search, in an order. */
export function shownCases(cases: readonly Case[], search: string, order: CaseOrder): Case[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const compare: Record<CaseOrder, (a: Case, b: Case) => number> = {
    changed: (a, b) => b.changed.localeCompare(a.changed),
    name: (a, b) => byName(a, b),
    added: (a, b) => b.volume.added.localeCompare(a.volume.added),
    size: (a, b) => b.volume.bytes - a.volume.bytes,
  };
  return cases
    .filter((each) => {
      const text = searchedText(each);
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => compare[order](a, b) || byName(a, b));
}

const byName = (a: Case, b: Case) =>
  a.volume.name.localeCompare(b.volume.name, undefined, { numeric: true, sensitivity: "base" });

function searchedText({ volume, sessions }: Case): string {
  const { patient, scan } = volume;
  return [
    volume.name,
    volume.modality,
    ...(scan ? [scan.description, scan.contrast] : []),
    ...(patient ? [patient.name, patient.id, patient.study_date, patient.study] : []),
    ...sessions.flatMap(({ session }) => session.object_names),
  ]
    .join(" ")
    .toLowerCase();
}

/** "512 × 512 × 120 · 0.7 × 0.7 × 1 mm". */
export function gridText(volume: Pick<VolumeSummary, "shape_ijk" | "spacing_mm_ijk">): string {
  const spacing = volume.spacing_mm_ijk.map((mm) => Number(mm.toFixed(2))).join(" × ");
  return `${volume.shape_ijk.join(" × ")} · ${spacing} mm`;
}

/** What tells a DICOM volume from others of its folder: "phase 2 · 14:02:31 · contrast Iomeprol". */
export function scanText(volume: VolumeSummary): string {
  const { scan } = volume;
  if (!scan) return "";
  return [
    `${scan.slices} slices`,
    scan.acquisition && `acquisition ${scan.acquisition}`,
    scan.part?.replace("=", " "),
    scan.time && `at ${scan.time}`,
    scan.contrast && `contrast ${scan.contrast}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

export function sizeText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e5) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

/** Whether masks on one grid probably lie on the other: as many voxels, of the same size. */
export function sameGrid(a: VolumeSummary, b: VolumeSummary): boolean {
  return (
    a.shape_ijk.every((count, n) => count === b.shape_ijk[n]) &&
    a.spacing_mm_ijk.every((mm, n) => Math.abs(mm - b.spacing_mm_ijk[n]) < 1e-3 * mm)
  );
}
