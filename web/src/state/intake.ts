/** Files that the user gives: uploads, the choice of a series, and what to do with a label map. */
import { deleteUpload, volumeFile } from "../api/cases";
import type { Client } from "../api/client";
import type { Info, VolumeSummary } from "../api/wire_types";
import { MOST_FILES, zipOf } from "../api/zip_files";
import { sameGrid, sizeText } from "./case_list";
import { type DroppedFile, sortFiles } from "./dropped_files";
import { Observable } from "./observable";
import type { ShowToast } from "./open_session";

/** A file of masks, of which the user says to which volume it belongs. */
export interface MaskFile {
  file: File;
  /** The upload that it became before it was recognised; null for DICOM SEG and RTSTRUCT. */
  uploaded: VolumeSummary | null;
}

/** What the page does with what was given. */
export interface IntakeHost {
  readonly client: Client;
  readonly info: Info | null;
  readonly volumes: readonly VolumeSummary[];
  readonly session: { volume: { id: string } } | null;
  readonly screen: string;
  showToast: ShowToast;
  show(dialog: "series" | "masks" | "open" | null): void;
  notify(): void;
  refresh(): Promise<void>;
  openVolume(id: string, newSession?: boolean): Promise<void>;
  importSession(file: File): Promise<void>;
  /** Take the masks of a file as objects of the open session; whether the user did. */
  importMasks(file: File): Promise<boolean>;
}

/** One upload: a file, or the DICOM files of a folder. */
interface Parcel {
  name: string;
  file?: File;
  folder?: DroppedFile[];
}

export class Intake extends Observable {
  /** The upload that runs, and the share of this step that is done. */
  upload: { step: "preparing" | "sending"; name: string; share: number; stop: AbortController } | null = null;
  /** The series of an upload, of which the user chooses one. */
  series: VolumeSummary[] = [];
  /** Files of masks that wait for the user's choice; the first is shown. */
  masks: MaskFile[] = [];

  constructor(private readonly app: IntakeHost) {
    super();
  }

  /** Take files that were dropped or chosen. */
  async take(files: readonly DroppedFile[]): Promise<void> {
    if (files.length === 0) return;
    if (this.upload)
      return this.app.showToast(
        "error",
        "An upload is running. Drop the files when it has ended, or stop it.",
      );
    const stop = new AbortController();
    this.show({
      step: "preparing",
      name: files.length === 1 ? files[0].path : `${files.length} files`,
      share: 0,
      stop,
    });
    const uploaded: VolumeSummary[] = [];
    this.masks = [];
    try {
      const sorted = await sortFiles(files);
      const [session, ...more] = sorted.sessions;
      if (session && more.length === 0 && files.length === 1) {
        this.show(null);
        return await this.app.importSession(session);
      }
      const parcels = parcelsOf(sorted.volumes, sorted.dicom);
      this.masks.push(...sorted.masks.map((file) => ({ file, uploaded: null })));
      this.reportLeftOut(
        [...sorted.others, ...sorted.sessions.map((file) => ({ file, path: file.name }))],
        parcels.length + sorted.masks.length,
      );
      for (const [n, parcel] of parcels.entries())
        uploaded.push(
          ...(await this.send(parcel, parcels.length > 1 ? ` (${n + 1} of ${parcels.length})` : "", stop)),
        );
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError"))
        this.app.showToast("error", (error as Error).message);
    }
    this.show(null);
    await this.openWhatCame(uploaded);
  }

  /** Open one of the series of an upload. */
  async openSeries(volume: VolumeSummary): Promise<void> {
    this.series = [];
    this.app.show(null);
    await this.app.openVolume(volume.id, true);
    await this.showNextMasks();
  }

  /** The volumes that a file of masks may belong to, the likely ones first. */
  volumesFor({ uploaded }: MaskFile): VolumeSummary[] {
    const open = this.app.session?.volume.id;
    const likely = (each: VolumeSummary) =>
      (each.id === open ? 2 : 0) + (uploaded && sameGrid(each, uploaded) ? 1 : 0);
    return [...this.app.volumes]
      .filter((each) => each.id !== uploaded?.id && !each.labels)
      .sort((a, b) => likely(b) - likely(a));
  }

  /** The file holds masks of a volume: open that, and take them as objects. Otherwise the upload stays. */
  async takeAsMasks(masks: MaskFile, volume: VolumeSummary): Promise<void> {
    this.masks = this.masks.filter((each) => each !== masks);
    this.app.show(null);
    if (this.app.session?.volume.id !== volume.id) await this.app.openVolume(volume.id);
    const taken = this.app.session?.volume.id === volume.id && (await this.app.importMasks(masks.file));
    if (taken && masks.uploaded?.upload) await this.deleteUploaded(masks.uploaded.upload);
    await this.showNextMasks();
  }

  /** Let the user say again what an upload is that looks like a label map. */
  async chooseAgain(uploaded: VolumeSummary): Promise<void> {
    try {
      this.masks = [{ file: await volumeFile(this.app.client, uploaded.id, uploaded.name), uploaded }];
      this.app.show("masks");
    } catch (error) {
      this.app.showToast("error", (error as Error).message);
    }
  }

  /** The file is a volume after all. */
  async takeAsVolume(masks: MaskFile): Promise<void> {
    this.masks = this.masks.filter((each) => each !== masks);
    this.app.show(null);
    if (masks.uploaded) await this.app.openVolume(masks.uploaded.id, true);
    await this.showNextMasks();
  }

  /** Delete the upload of a label map that has become objects. */
  private async deleteUploaded(upload: string): Promise<void> {
    try {
      await deleteUpload(this.app.client, upload);
      await this.app.refresh();
    } catch (error) {
      this.app.showToast("error", (error as Error).message);
    }
  }

  private show(upload: Intake["upload"]): void {
    this.upload = upload;
    this.app.notify();
    this.notify();
  }

  private reportLeftOut(others: readonly DroppedFile[], taken: number): void {
    if (others.length === 0) return;
    const shown = others
      .slice(0, 3)
      .map((each) => each.path)
      .join(", ");
    const names = `${shown}${others.length > 3 ? ` and ${others.length - 3} more` : ""}`;
    if (taken) this.app.showToast("info", `Left out: ${names}.`);
    else
      this.app.showToast(
        "error",
        `${names}: not a .nii, .nii.gz, .nrrd or .mha file, nor DICOM, nor a .zip with a DICOM series.`,
      );
  }

  /** Upload one file or folder; return its volumes. */
  private async send(parcel: Parcel, which: string, stop: AbortController): Promise<VolumeSummary[]> {
    const label = parcel.name + which;
    const file = parcel.file ?? (await this.pack(parcel, label, stop));
    const limit = this.app.info?.limits.upload_bytes ?? Number.POSITIVE_INFINITY;
    if (file.size > limit) {
      const smaller = parcel.folder ? "Drop its folders one at a time, or give its" : "Give its";
      this.app.showToast(
        "error",
        `${parcel.name} has ${sizeText(file.size)}, and this server takes up to ${sizeText(limit)}. ${smaller} path to \`radsam serve\` instead.`,
      );
      return [];
    }
    let first: VolumeSummary;
    try {
      first = await this.app.client.upload(
        new File([file], parcel.name),
        (share) => this.show({ step: "sending", name: label, share, stop }),
        stop.signal,
      );
    } catch (error) {
      if (error instanceof DOMException) throw error;
      this.app.showToast("error", (error as Error).message); // the other files are uploaded all the same
      return [];
    }
    await this.app.refresh();
    const found = this.app.volumes.filter((each) => each.upload === first.upload);
    if (!first.labels || !parcel.file) return found.length ? found : [first];
    this.masks.push({ file: parcel.file, uploaded: first });
    return [];
  }

  private async pack(parcel: Parcel, label: string, stop: AbortController): Promise<Blob> {
    const files = parcel.folder ?? [];
    if (files.length > MOST_FILES)
      throw new Error(`${parcel.name} has ${files.length} files; at most ${MOST_FILES} are taken at once.`);
    return zipOf(files, (share) => this.show({ step: "preparing", name: label, share, stop }), stop.signal);
  }

  /** Open the only volume that was uploaded; let the user choose among several. */
  private async openWhatCame(uploaded: VolumeSummary[]): Promise<void> {
    const series = new Set(uploaded.map((each) => each.upload)).size === 1 && uploaded.length > 1;
    if (series) {
      this.series = uploaded;
      this.app.show("series");
    } else if (uploaded.length === 1) {
      await this.app.openVolume(uploaded[0].id, true);
      await this.showNextMasks();
    } else {
      if (uploaded.length > 1) this.app.showToast("done", `${uploaded.length} volumes were uploaded.`);
      if (this.masks.length) await this.showNextMasks();
      else if (uploaded.length > 1 && this.app.screen === "session") this.app.show("open");
    }
  }

  /** Take masks on the grid of the open volume at once; let the user say what others are. */
  private async showNextMasks(): Promise<void> {
    const [next] = this.masks;
    if (!next) return this.notify();
    const open = this.app.volumes.find((each) => each.id === this.app.session?.volume.id);
    if (open && (next.uploaded === null || sameGrid(open, next.uploaded))) await this.takeAsMasks(next, open);
    else if (next.uploaded === null && this.volumesFor(next).length === 0) {
      this.masks = [];
      this.app.showToast(
        "error",
        `${next.file.name} holds masks. Open their volume first, then drop them on it.`,
      );
    } else this.app.show("masks");
  }
}

/** What becomes an upload each; files of the same name get those of their folders, too. */
function parcelsOf(volumes: DroppedFile[], dicom: Map<string, DroppedFile[]>): Parcel[] {
  const names = volumes.map((each) => each.file.name);
  const files = volumes.map(({ file, path }) => {
    const same = names.filter((name) => name === file.name).length > 1;
    return { name: same ? path.split("/").slice(-2).join(" - ") : file.name, file };
  });
  return [...files, ...[...dicom].map(([folder, found]) => ({ name: `${folder}.zip`, folder: found }))];
}
