/** The list of cases: search, order, numbers of sessions. */
import { describe, expect, test } from "vitest";
import { caseList, sameGrid, scanText, shownCases, sizeText } from "../src/state/case_list";
import { sessionOf, uploadOf, volumeOf } from "./fake_cases";

const scan = {
  uid: "1.2",
  number: 3,
  description: "portal venous",
  acquisition: "2",
  time: "14:02:31",
  contrast: "Iomeprol",
  slices: 120,
};
const patient = { name: "Doe, Ada", id: "P-7", study_date: "2026-03-11", study: "Abdomen" };
const volumes = [
  volumeOf("case10", { added: "2026-11-03", bytes: 5 }),
  volumeOf("case2", { added: "2026-11-02", bytes: 9, scan, patient }),
  volumeOf("case1", { added: "2026-11-01", bytes: 7 }),
];
const archive = ["b11", "b2"].map((id) =>
  volumeOf(id, { added: "2026-12-01", upload: null, source: "data" }),
);
const sessions = [
  sessionOf("s3", "case1", { created: "2026-11-05", changed: "2026-11-08" }),
  sessionOf("s1", "case1", { created: "2026-11-04", changed: "2026-11-09", object_names: ["spleen"] }),
  sessionOf("s9", "gone"),
];

describe("cases", () => {
  const list = caseList(volumes, sessions, [uploadOf([volumes[0]]), uploadOf([])]);
  const names = (search: string, order: Parameters<typeof shownCases>[2]) =>
    shownCases(list.cases, search, order).map((each) => each.volume.id);

  test("each has its sessions, numbered as they were started, the latest change first", () => {
    const numbers = list.cases[2].sessions.map(({ session, number }) => [session.id, number]);
    expect(numbers).toEqual([
      ["s1", 1],
      ["s3", 2],
    ]);
    expect(list.withoutVolume.map((each) => each.id)).toEqual(["s9"]);
    expect(list.damaged.map((each) => each.id)).toEqual(["u-damaged"]);
  });

  test("the orders", () => {
    expect(names("", "name")).toEqual(["case1", "case2", "case10"]);
    expect(names("", "added")).toEqual(["case10", "case2", "case1"]);
    expect(names("", "size")).toEqual(["case2", "case1", "case10"]);
    expect(names("", "changed")).toEqual(["case1", "case10", "case2"]);
  });

  test("files of the server that nobody worked on come last, by name", () => {
    const all = caseList([...archive, ...volumes], sessions, []).cases;
    const found = shownCases(all, "", "changed").map((each) => each.volume.id);
    expect(found).toEqual(["case1", "case10", "case2", "b2", "b11"]);
  });

  test.each([
    ["ADA abdomen", ["case2"]],
    ["p-7", ["case2"]],
    ["2026-03", ["case2"]],
    ["venous iomeprol", ["case2"]],
    ["spleen", ["case1"]],
    ["case1", ["case1", "case10"]],
    ["case1 spleen liver", []],
  ])("a search for %s", (search, found) => {
    expect(names(search, "name")).toEqual(found);
  });

  test("what tells a phase from another", () => {
    expect(scanText(volumes[1])).toBe("120 slices · acquisition 2 · at 14:02:31 · contrast Iomeprol");
    expect(scanText(volumes[0])).toBe("");
    const echo = volumeOf("mr", {
      scan: { ...scan, acquisition: "", time: "", contrast: "", part: "echo=2" },
    });
    expect(scanText(echo)).toBe("120 slices · echo 2");
  });

  test("sizes and grids", () => {
    const sizes = [900, 12_300, 1_500_000, 52e6, 2.34e9].map(sizeText);
    expect(sizes).toEqual(["1 kB", "13 kB", "1.5 MB", "52 MB", "2.3 GB"]);
    expect(sameGrid(volumes[0], volumeOf("x", { spacing_mm_ijk: [0.70001, 0.7, 2.5] }))).toBe(true);
    expect(sameGrid(volumes[0], volumeOf("x", { spacing_mm_ijk: [0.7, 0.7, 2.6] }))).toBe(false);
    expect(sameGrid(volumes[0], volumeOf("x", { shape_ijk: [48, 64, 20] }))).toBe(false);
  });
});
