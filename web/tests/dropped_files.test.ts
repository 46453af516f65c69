// @vitest-environment happy-dom
/** Dropped files and folders: is everything found, and recognised for what it is? */
import { describe, expect, test } from "vitest";
import { type DroppedFile, droppedFiles, sortFiles } from "../src/state/dropped_files";
import { dicom } from "./fake_cases";

const at = (path: string, file?: File): DroppedFile => ({
  path,
  file: file ?? new File(["text"], path.split("/").at(-1) as string),
});

describe("sorting", () => {
  test("names and first bytes decide", async () => {
    const sorted = await sortFiles([
      at("case/IM10", dicom("IM10")),
      at("case/IM2", dicom("IM2")),
      at("other/x.dcm", dicom("x.dcm")),
      at("case/seg.dcm", dicom("seg.dcm", "1.2.840.10008.5.1.4.1.1.66.4")),
      at("rt.dcm", dicom("rt.dcm", "1.2.840.10008.5.1.4.1.1.481.3")),
      at("surface.dcm", dicom("surface.dcm", "1.2.840.10008.5.1.4.1.1.66.5")),
      at("a/ct.NII.GZ"),
      at("b.zip"),
      at("s.radsam"),
      at("case/report.txt"),
      at("case/.DS_Store"),
      at("__MACOSX/x.nii"),
      at(".hidden/y.nii"),
    ]);
    expect(sorted.volumes.map((each) => each.path)).toEqual(["a/ct.NII.GZ", "b.zip"]);
    expect([...sorted.dicom].map(([folder, files]) => [folder, files.map((each) => each.file.name)])).toEqual(
      [
        ["case", ["IM2", "IM10"]],
        ["other", ["x.dcm"]],
        ["DICOM files", ["surface.dcm"]],
      ],
    );
    expect(sorted.masks.map((each) => each.name)).toEqual(["seg.dcm", "rt.dcm"]);
    expect(sorted.sessions.map((each) => each.name)).toEqual(["s.radsam"]);
    expect(sorted.others.map((each) => each.path)).toEqual(["case/report.txt"]);
  });
});

describe("a drop", () => {
  const fileEntry = (name: string) => ({
    isFile: true,
    name,
    file: (take: (file: File) => void) => take(new File(["x"], name)),
  });
  /** As in Chrome: a part of the entries for each call, and none at the end. */
  const folderEntry = (name: string, inside: object[], part = 100) => ({
    isFile: false,
    name,
    createReader: () => {
      let given = 0;
      return {
        readEntries: (take: (entries: object[]) => void) => {
          take(inside.slice(given, given + part));
          given += part;
        },
      };
    },
  });
  const dropOf = (entries: (object | null)[]) => {
    const items = entries.map((entry) => ({
      kind: "file",
      webkitGetAsEntry: () => entry,
      getAsFile: () => new File(["x"], "plain.nii"),
    }));
    return { items: [...items, { kind: "string" }] } as unknown as DataTransfer;
  };

  test("folders are read to their last file", async () => {
    const slices = Array.from({ length: 250 }, (_, n) => fileEntry(`IM${n}`));
    const drop = dropOf([
      folderEntry("case", [folderEntry("series", slices), fileEntry("readme.txt")]),
      fileEntry("ct.nii"),
      null,
    ]);
    const found = await droppedFiles(drop);
    expect(found.length).toBe(253);
    expect(found[0].path).toBe("case/series/IM0");
    expect(found[249].path).toBe("case/series/IM249");
    expect(found.slice(250).map((each) => each.path)).toEqual(["case/readme.txt", "ct.nii", "plain.nii"]);
  });

  test("the drop is taken before its event ends", async () => {
    const drop = dropOf([fileEntry("ct.nii")]);
    const found = droppedFiles(drop);
    (drop as unknown as { items: object[] }).items.length = 0;
    expect((await found).map((each) => each.path)).toEqual(["ct.nii"]);
  });
});
