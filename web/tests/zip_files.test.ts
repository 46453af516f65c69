/** Zips that the page packs: are they what Python and everybody else reads? */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32, zipOf } from "../src/api/zip_files";

const fileOf = (content: string | Uint8Array<ArrayBuffer>, name: string) => new File([content], name);
const never = new AbortController().signal;

test("the checksum is CRC-32, also in pieces", () => {
  const bytes = new TextEncoder().encode("123456789");
  expect(crc32(bytes)).toBe(0xcbf43926);
  expect(crc32(bytes.slice(4), crc32(bytes.slice(0, 4)))).toBe(0xcbf43926);
});

test("a packed folder is read by Python, with names and checksums", async () => {
  const noise = Uint8Array.from({ length: 200_000 }, (_, n) => (n * n * 31) & 255);
  const shares: number[] = [];
  const zip = await zipOf(
    [
      { file: fileOf(noise, "1.dcm"), path: "Fall Ä/1.dcm" },
      { file: fileOf("", "empty"), path: "Fall Ä/empty" },
      { file: fileOf("x", "2.dcm"), path: "Fall Ä/deep/2.dcm" },
    ],
    (share) => shares.push(share),
    never,
  );
  const folder = mkdtempSync(join(tmpdir(), "radsam-zip-"));
  try {
    const path = join(folder, "a.zip");
    writeFileSync(path, new Uint8Array(await zip.arrayBuffer()));
    const script =
      "import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); " +
      "print(json.dumps([z.testzip(), [[i.filename, i.file_size] for i in z.infolist()], sum(z.read(z.infolist()[0]))]))";
    const [broken, files, sum] = JSON.parse(
      execFileSync("python3", ["-c", script, path], { encoding: "utf8" }),
    );
    expect(broken).toBeNull();
    expect(files).toEqual([
      ["Fall Ä/1.dcm", 200_000],
      ["Fall Ä/empty", 0],
      ["Fall Ä/deep/2.dcm", 1],
    ]);
    expect(sum).toBe(noise.reduce((a, b) => a + b, 0));
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(shares[0]).toBe(0);
});

test("packing stops when the user stops it", async () => {
  const stop = new AbortController();
  const packed = zipOf(
    [1, 2, 3].map((n) => ({ file: fileOf("x", `${n}`), path: `${n}` })),
    (share) => share > 0.3 && stop.abort(),
    stop.signal,
  );
  await expect(packed).rejects.toThrow("stopped");
});
