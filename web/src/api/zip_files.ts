/**
 * A zip of files, without compression.
 *
 * The files stay on disk: the zip is a `Blob` that refers to them, and the browser reads them while it uploads. Only
 * their checksums are computed before, a piece at a time.
 */
/** Limits of a zip without the extension for larger ones. */
export const MOST_FILES = 65_535;

export interface ZipEntry {
  file: File;
  /** Its name in the zip. */
  path: string;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** Continue a CRC-32, which starts with 0. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  let value = ~crc;
  for (let n = 0; n < bytes.length; n++) value = (value >>> 8) ^ CRC_TABLE[(value ^ bytes[n]) & 255];
  return ~value >>> 0;
}

async function crcOf(file: File): Promise<number> {
  let crc = 0;
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return crc;
    crc = crc32(value, crc);
  }
}

/**
 * Pack files into a zip; `progress` gets the share of the files that were read.
 *
 * Throws a `DOMException` named "AbortError" when the signal aborts.
 */
export async function zipOf(
  files: readonly ZipEntry[],
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const [done, { file, path }] of files.entries()) {
    if (signal.aborted) throw new DOMException("Upload stopped.", "AbortError");
    progress(done / files.length);
    const name = new TextEncoder().encode(path);
    const crc = await crcOf(file);
    const local = header(0x04034b50, 30, name, (view, at) =>
      commonFields(view, at, crc, file.size, name.length),
    );
    const central = header(0x02014b50, 46, name, (view) => {
      view.setUint16(4, 20, true); // made by version 2.0
      commonFields(view, 6, crc, file.size, name.length);
      view.setUint32(42, offset, true);
    });
    parts.push(local, file);
    directory.push(central);
    offset += local.length + file.size;
  }
  const size = directory.reduce((sum, each) => sum + each.length, 0);
  const end = header(0x06054b50, 22, new Uint8Array(), (view) => {
    view.setUint16(8, files.length, true);
    view.setUint16(10, files.length, true);
    view.setUint32(12, size, true);
    view.setUint32(16, offset, true);
  });
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** A header of a signature and a fixed length, with the name behind it. */
function header(
  signature: number,
  length: number,
  name: Uint8Array,
  fill: (view: DataView, at: number) => void,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  fill(view, 4);
  bytes.set(name, length);
  return bytes;
}

/** What the header before a file and the one in the directory share: stored, names in UTF-8, 1 January 1980. */
function commonFields(view: DataView, at: number, crc: number, size: number, nameLength: number): void {
  view.setUint16(at, 20, true); // needs version 2.0
  view.setUint16(at + 2, 1 << 11, true);
  view.setUint16(at + 8, 0x21, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, size, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, nameLength, true);
}
