/** Files and folders that the user dropped or chose: read, and sorted by what they are. */

export interface DroppedFile {
  file: File;
  /** Its path below what was dropped; for a single file its name. */
  path: string;
}

/** What was dropped, by what it is. */
export interface SortedFiles {
  sessions: File[];
  /** Volumes of one file, and zips; each becomes an upload. */
  volumes: DroppedFile[];
  /** Files that look like DICOM, by the dropped folder; each group becomes an upload. */
  dicom: Map<string, DroppedFile[]>;
  /** DICOM SEG and RTSTRUCT. */
  masks: File[];
  /** What is none of these. */
  others: DroppedFile[];
}

const VOLUME = /\.(nii|nii\.gz|nrrd|mha|zip)$/i;
/** Files of operating systems, and what lies in hidden folders. */
const HIDDEN = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/i;
/** The SOP classes of SEG (also of label maps) and RTSTRUCT, as a DICOM file's own header has them. */
const MASK_CLASS = /1\.2\.840\.10008\.5\.1\.4\.1\.1\.(66\.4|66\.7|481\.3)[^\d.]/;
const HEAD_BYTES = 1024;
/** Files that are read at the same time. */
const AT_ONCE = 16;

/**
 * Take files and folders from a drop.
 *
 * The browser empties the drop after its event, so they are taken at once and read later.
 */
export function droppedFiles(transfer: DataTransfer): Promise<DroppedFile[]> {
  const found = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return Promise.all(
    found.map((each) => {
      if (each === null) return [];
      return each instanceof File ? [{ file: each, path: each.name }] : filesBelow(each, each.name);
    }),
  ).then((lists) => lists.flat());
}

/** Files from a field; one for folders gives paths that begin with the folder's name. */
export function chosenFiles(files: Iterable<File>): DroppedFile[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

async function filesBelow(entry: FileSystemEntry, path: string): Promise<DroppedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ file, path }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: DroppedFile[] = [];
  for (;;) {
    // A part of the folder: Chrome gives 100 entries at a time.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return found;
    for (const each of entries) found.push(...(await filesBelow(each, `${path}/${each.name}`)));
  }
}

/** Sort files by their names and, where these say nothing, by their first bytes. */
export async function sortFiles(files: readonly DroppedFile[]): Promise<SortedFiles> {
  const sorted: SortedFiles = { sessions: [], volumes: [], dicom: new Map(), masks: [], others: [] };
  const unnamed: DroppedFile[] = [];
  for (const each of [...files].sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }))) {
    if (HIDDEN.test(each.path)) continue;
    if (/\.radsam$/i.test(each.path)) sorted.sessions.push(each.file);
    else if (VOLUME.test(each.path)) sorted.volumes.push(each);
    else unnamed.push(each);
  }
  const images: DroppedFile[] = [];
  for (let at = 0; at < unnamed.length; at += AT_ONCE) {
    const some = unnamed.slice(at, at + AT_ONCE);
    const heads = await Promise.all(some.map(({ file }) => headOf(file)));
    for (const [n, each] of some.entries()) {
      if (!looksLikeDicom(heads[n])) sorted.others.push(each);
      else if (MASK_CLASS.test(heads[n])) sorted.masks.push(each.file);
      else images.push(each);
    }
  }
  for (const each of images) {
    const folder = each.path.includes("/") ? each.path.split("/")[0] : "DICOM files";
    const group = sorted.dicom.get(folder);
    if (group) group.push(each);
    else sorted.dicom.set(folder, [each]);
  }
  return sorted;
}

/** The first bytes of a file, each as a character. */
async function headOf(file: File): Promise<string> {
  return String.fromCharCode(...new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
}

/** As the server decides it: the DICOM mark behind 128 bytes, or an old file that begins with a first element. */
function looksLikeDicom(head: string): boolean {
  return head.slice(128, 132) === "DICM" || head.startsWith("\x02\0") || head.startsWith("\x08\0");
}
