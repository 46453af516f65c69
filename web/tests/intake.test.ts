// @vitest-environment happy-dom
/** What the user gives: every file is uploaded, and nothing is opened that the user did not choose. */
import { beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "../src/api/client";
import type { VolumeSummary } from "../src/api/wire_types";
import type { DroppedFile } from "../src/state/dropped_files";
import { Intake, type IntakeHost } from "../src/state/intake";
import { dicom, volumeOf } from "./fake_cases";

/** A page and a server: `answers` has the volumes that an upload becomes, by its name. */
class FakeHost {
  volumes: VolumeSummary[] = [];
  session: { volume: { id: string } } | null = null;
  screen = "start";
  info = { limits: { upload_bytes: 10_000 } };
  answers: Record<string, VolumeSummary[] | ApiError> = {};
  uploaded: string[] = [];
  done: string[] = [];
  private onServer: VolumeSummary[] = [];

  client = {
    fetch: async (_: string): Promise<Response> => new Response(),
    upload: async (file: File, progress: (share: number) => void, signal: AbortSignal) => {
      this.uploaded.push(file.name);
      progress(0.5);
      if (signal.aborted) throw new DOMException("", "AbortError");
      const answer = this.answers[file.name] ?? [volumeOf(file.name)];
      if (answer instanceof ApiError) throw answer;
      this.onServer.push(...answer);
      return answer[0];
    },
    json: async (method: string, path: string) => {
      this.done.push(`${method} ${path}`);
      this.onServer = this.onServer.filter((each) => !path.endsWith(`/${each.upload}`));
    },
  };
  showToast = (kind: string, text: string) => this.done.push(`${kind}: ${text}`);
  show = (dialog: string | null) => dialog && this.done.push(`show ${dialog}`);
  notify = () => undefined;
  refresh = async () => {
    this.volumes = [...this.given, ...this.onServer];
  };
  openVolume = async (id: string, fresh = false) => {
    this.session = { volume: { id } };
    this.screen = "session";
    this.done.push(`open ${id}${fresh ? " anew" : ""}`);
  };
  importSession = async (file: File) => void this.done.push(`session ${file.name}`);
  taken = true;
  importMasks = async (file: File) => {
    this.done.push(`masks ${file.name} of ${this.session?.volume.id}`);
    return this.taken;
  };

  constructor(private readonly given: VolumeSummary[] = []) {
    this.volumes = given;
  }
}

let host: FakeHost;
let intake: Intake;
const start = (given: VolumeSummary[] = []) => {
  host = new FakeHost(given);
  intake = new Intake(host as unknown as IntakeHost);
};
const at = (path: string, file?: File): DroppedFile => ({
  path,
  file: file ?? new File(["x"], path.split("/").at(-1) as string),
});
const labels = (id: string) => volumeOf(id, { labels: true });

beforeEach(() => start());

describe("volumes", () => {
  test("one file is uploaded and opened", async () => {
    await intake.take([at("ct.nii.gz")]);
    expect(host.uploaded).toEqual(["ct.nii.gz"]);
    expect(host.done).toEqual(["open ct.nii.gz anew"]);
    expect(intake.upload).toBeNull();
  });

  test("a folder of DICOM files becomes one upload", async () => {
    const steps: string[] = [];
    intake.subscribe(() => intake.upload && steps.push(`${intake.upload.step} ${intake.upload.name}`));
    await intake.take(["a/IM1", "a/deep/IM2", "a/IM3"].map((path) => at(path, dicom(path))));
    expect(host.uploaded).toEqual(["a.zip"]);
    expect([...new Set(steps)]).toEqual(["preparing 3 files", "preparing a.zip", "sending a.zip"]);
  });

  test("a folder of three cases is uploaded, and none of them is opened silently", async () => {
    await intake.take([at("c/1/ct.nii.gz"), at("c/2/ct.nii.gz"), at("c/mr.nrrd"), at("c/readme.txt")]);
    expect(host.uploaded).toEqual(["1 - ct.nii.gz", "2 - ct.nii.gz", "mr.nrrd"]);
    expect(host.done).toEqual(["info: Left out: c/readme.txt.", "done: 3 volumes were uploaded."]);
  });

  test("the user chooses among the series of an upload", async () => {
    const series = ["arterial", "venous"].map((id) => volumeOf(id, { upload: "u1" }));
    host.answers = { "a.zip": [series[1], series[0]] };
    await intake.take([at("a/IM1", dicom("IM1")), at("a/IM2", dicom("IM2"))]);
    expect(host.done).toEqual(["show series"]);
    expect(intake.series.map((each) => each.id)).toEqual(["venous", "arterial"]);
    await intake.openSeries(series[0]);
    expect(host.done.at(-1)).toBe("open arterial anew");
  });

  test("a refused file does not keep the others from being uploaded", async () => {
    host.answers = { "bad.nii": new ApiError(422, "input", "bad.nii is damaged.") };
    await intake.take([at("bad.nii"), at("good.nii")]);
    expect(host.done).toEqual(["error: bad.nii is damaged.", "open good.nii anew"]);
  });

  test("what is too large is not sent", async () => {
    await intake.take([at("big.nii", new File(["x".repeat(20_000)], "big.nii"))]);
    expect(host.uploaded).toEqual([]);
    expect(host.done[0]).toContain("error: big.nii has 20 kB, and this server takes up to 10 kB.");
  });

  test("files that are nothing say so", async () => {
    await intake.take([at("report.txt")]);
    expect(host.uploaded).toEqual([]);
    expect(host.done[0]).toMatch(/^error: report.txt: not a .nii/);
  });

  test("a stopped upload leaves no error, and the next files are not sent", async () => {
    host.client.upload = async (file: File) => {
      host.uploaded.push(file.name);
      intake.upload?.stop.abort();
      throw new DOMException("Upload stopped.", "AbortError");
    };
    await intake.take([at("a.nii"), at("b.nii")]);
    expect([host.uploaded, host.done, intake.upload]).toEqual([["a.nii"], [], null]);
  });

  test("a second drop waits for the upload that runs", async () => {
    const first = intake.take([at("a.nii")]);
    await intake.take([at("b.nii")]);
    await first;
    expect(host.uploaded).toEqual(["a.nii"]);
    expect(host.done[0]).toContain("An upload is running");
  });

  test("a session file is imported", async () => {
    await intake.take([at("work.radsam")]);
    expect(host.done).toEqual(["session work.radsam"]);
  });
});

describe("masks", () => {
  test("a label map dropped alone is not opened: the user says what it is", async () => {
    start([volumeOf("other", { shape_ijk: [9, 9, 9] }), volumeOf("ct")]);
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("seg.nii.gz")]);
    expect(host.done).toEqual(["show masks"]);
    const [masks] = intake.masks;
    expect(intake.volumesFor(masks).map((each) => each.id)).toEqual(["ct", "other"]);
    await intake.takeAsMasks(masks, host.volumes[1]);
    expect(host.done.slice(1)).toEqual(["open ct", "masks seg.nii.gz of ct", "DELETE /uploads/u-seg"]);
    expect(host.volumes.map((each) => each.id)).toEqual(["other", "ct"]);
  });

  test("an upload whose masks were not taken stays", async () => {
    start([volumeOf("ct")]);
    host.session = { volume: { id: "ct" } };
    host.taken = false;
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("seg.nii.gz")]);
    expect(host.done).toEqual(["masks seg.nii.gz of ct"]);
    expect(host.volumes.map((each) => each.id)).toEqual(["ct", "seg"]);
  });

  test("it may be a volume anyway, which keeps the upload", async () => {
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("seg.nii.gz")]);
    await intake.takeAsVolume(intake.masks[0]);
    expect(host.done).toEqual(["show masks", "open seg anew"]);
  });

  test("on the grid of the open volume it becomes objects at once", async () => {
    start([volumeOf("ct")]);
    host.session = { volume: { id: "ct" } };
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("seg.nii.gz")]);
    expect(host.done).toEqual(["masks seg.nii.gz of ct", "DELETE /uploads/u-seg"]);
  });

  test("on another grid than the open volume's the user says whose it is", async () => {
    start([volumeOf("ct", { shape_ijk: [9, 9, 9] })]);
    host.session = { volume: { id: "ct" } };
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("seg.nii.gz")]);
    expect(host.done).toEqual(["show masks"]);
  });

  test("a case with its label map: the volume is opened, then its masks", async () => {
    host.answers = { "seg.nii.gz": [labels("seg")] };
    await intake.take([at("case/ct.nii.gz"), at("case/seg.nii.gz")]);
    expect(host.done).toEqual([
      "open ct.nii.gz anew",
      "masks seg.nii.gz of ct.nii.gz",
      "DELETE /uploads/u-seg",
    ]);
  });

  test("what was closed without an answer can be chosen later", async () => {
    start([volumeOf("ct")]);
    host.answers = { "seg.nii.gz": [labels("seg")] };
    host.client.fetch = async (path: string) => {
      host.done.push(`GET ${path}`);
      return new Response(new Blob(["voxels"]));
    };
    await intake.take([at("seg.nii.gz")]);
    await intake.take([]);
    const seg = host.volumes.find((each) => each.id === "seg") as VolumeSummary;
    await intake.chooseAgain({ ...seg, name: "seg.nii.gz" });
    expect(host.done).toEqual(["show masks", "GET /volumes/seg/image.nii", "show masks"]);
    await intake.takeAsMasks(intake.masks[0], host.volumes[0]);
    expect(host.done.slice(3)).toEqual(["open ct", "masks seg.nii of ct", "DELETE /uploads/u-seg"]);
  });

  test("DICOM segmentations are not uploaded as volumes", async () => {
    const seg = dicom("seg.dcm", "1.2.840.10008.5.1.4.1.1.66.4");
    await intake.take([at("seg.dcm", seg)]);
    expect(host.done).toEqual(["error: seg.dcm holds masks. Open their volume first, then drop them on it."]);
    start([volumeOf("ct")]);
    host.session = { volume: { id: "ct" } };
    await intake.take([at("seg.dcm", seg)]);
    expect([host.uploaded, host.done]).toEqual([[], ["masks seg.dcm of ct"]]);
  });
});
