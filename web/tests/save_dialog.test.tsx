// @vitest-environment happy-dom
/** The Save dialog: chosen objects, and what is requested of the server for each format. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ExportChoice, exportChoice, exportFile } from "../src/api/export_request";
import type { App } from "../src/state/app";
import { SaveDialog } from "../src/ui/save_dialog";
import { objectOf, openSession } from "./fake_client";

const liver = objectOf("liver", 1);
const kidney = objectOf("kidney, left", 2);

beforeEach(() => {
  HTMLDialogElement.prototype.showModal ??= () => undefined;
});
afterEach(() => render(null, document.body));

function open(objects = [liver, kidney]) {
  const { session } = openSession(objects);
  const saved: ExportChoice[] = [];
  const app = {
    session,
    info: null,
    show: vi.fn(),
    save: async (choice: ExportChoice) => saved.push(choice),
  };
  render(<SaveDialog app={app as unknown as App} />, document.body);
  return saved;
}
const boxes = () => [...document.querySelectorAll<HTMLInputElement>('input[type="checkbox"]')];
const button = (text: string) =>
  [...document.querySelectorAll<HTMLButtonElement>(".choices button")].find(
    (each) => each.querySelector("b")?.textContent === text,
  )!;
const drawn = () => new Promise((resolve) => setTimeout(resolve));

it("saves all objects unless some are left out", async () => {
  const saved = open();
  button("NRRD").click();
  boxes()[1].click();
  await drawn();
  expect(document.querySelector("legend")!.textContent).toBe("Objects: 1 of 2");
  button("NRRD").click();
  button("Session").click();
  expect(saved.map((each) => each.objects)).toEqual([null, ["kidney, left"], null]);
});

it("offers no label map of nothing", async () => {
  open();
  boxes()[0].click();
  await drawn();
  expect(boxes().map((each) => each.checked)).toEqual([false, false, false]);
  expect(button("NIfTI").disabled).toBe(true);
  expect(button("Session").disabled).toBe(false);
  boxes()[0].click();
  await drawn();
  expect(boxes().map((each) => each.checked)).toEqual([true, true, true]);
});

it("has no boxes for one object", () => {
  open([liver]);
  expect(boxes()).toEqual([]);
  expect(button("NIfTI").textContent).not.toContain(".zip");
});

it("says that NIfTI comes with its names", () => {
  open();
  expect(button("NIfTI").textContent).toContain("in a .zip with its names and colours");
  expect(button("NRRD").textContent).not.toContain(".zip");
});

it("sends to the PACS of the server what was opened from DICOM", () => {
  const { session } = openSession([liver]);
  (session.volume as { dicom: boolean }).dicom = true;
  const sent = vi.fn();
  const app = { session, info: { pacs: "pacs.example.org" }, show: vi.fn(), sendToPacs: sent };
  const infoWithFormats = { ...app.info, formats: ["seg"] };
  render(<SaveDialog app={{ ...app, info: infoWithFormats } as unknown as App} />, document.body);
  const [seg, rtstruct] = document.querySelectorAll<HTMLButtonElement>(".to-pacs button");
  seg.click();
  rtstruct.click();
  expect(sent.mock.calls).toEqual([
    ["seg", null],
    ["rtstruct", null],
  ]);
  (session.volume as { dicom: boolean }).dicom = false;
});

describe("a request", () => {
  it("asks for a legend where NIfTI would not say what its values are", () => {
    const legend = (format: string, ...chosen: (typeof liver)[]) =>
      exportChoice(format, chosen, [liver, kidney]).legend;
    expect([legend("nii.gz", liver), legend("nii.gz", kidney), legend("nii.gz", liver, kidney)]).toEqual([
      false,
      true,
      true,
    ]);
    expect(legend("nrrd", liver, kidney)).toBe(false);
  });

  it("names each object, also with a comma, and saves under the server's name", async () => {
    const paths: string[] = [];
    const links: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      links.push(this.download);
    });
    URL.createObjectURL = () => "blob:x";
    const client = {
      fetch: async (path: string) => {
        paths.push(path);
        return new Response("x", {
          headers: { "Content-Disposition": 'attachment; filename="ct-labels.zip"' },
        });
      },
    };
    const choice = { format: "nii.gz", objects: ["liver", "kidney, left"], legend: true };
    expect(await exportFile(client as never, "s1", choice)).toBe("ct-labels.zip");
    expect(paths).toEqual([
      "/sessions/s1/export?format=nii.gz&objects=liver&objects=kidney%2C+left&legend=true",
    ]);
    expect(links).toEqual(["ct-labels.zip"]);
  });
});
