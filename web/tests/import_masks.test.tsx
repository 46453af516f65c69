// @vitest-environment happy-dom
/** Opening the objects of a file of masks: what is shown, what is requested, and what cannot be opened. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../src/api/client";
import type { MaskContents } from "../src/api/mask_files";
import type { App } from "../src/state/app";
import { importMasks, type MaskImport, type MaskImporter } from "../src/state/import_masks";
import { ImportDialog } from "../src/ui/import_dialog";
import { objectOf, openSession } from "./fake_client";

const FILE = new File(["x"], "model masks.nrrd");
const CONTENTS: MaskContents = {
  objects: [
    { number: 1, name: "liver", suggested: "liver", color: "#ff0000", voxels: 9, volume_ml: 1200 },
    { number: 3, name: "label 3", suggested: "spleen", color: null, voxels: 4, volume_ml: 2.5 },
  ],
  resampled: null,
  notes: [],
};

const drawn = () => act(() => new Promise<void>((resolve) => setTimeout(resolve)));

beforeEach(() => {
  HTMLDialogElement.prototype.showModal ??= () => undefined;
});
afterEach(() => render(null, document.body));

/** Drop the file on a session that has a liver; the server answers with these contents, or with an error. */
async function drop(contents: MaskContents | string = CONTENTS, names = ["liver"]) {
  const { session } = openSession(names.map((name, n) => objectOf(name, n + 1)));
  const requests: string[] = [];
  let refusal: string | null = typeof contents === "string" ? contents : null;
  (session.client as unknown as { fetch: unknown }).fetch = async (path: string, init: RequestInit) => {
    requests.push(`${init.method} ${path} ${(init.body as File).name}`);
    if (refusal) throw new ApiError(422, "input", refusal);
    return new Response(JSON.stringify(contents));
  };
  const toasts: string[] = [];
  const app: MaskImporter = {
    session,
    showToast: (kind, text) => toasts.push(`${kind}: ${text}`),
    maskImport: null,
    show: vi.fn(),
  };
  const ended = vi.fn();
  void importMasks(app, FILE).then(ended);
  const masks = app.maskImport as unknown as MaskImport;
  await act(() => render(<ImportDialog app={app as unknown as App} masks={masks} />, document.body));
  await drawn();
  return {
    masks,
    requests,
    toasts,
    ended,
    app,
    refuse: (text: string | null) => {
      refusal = text;
    },
  };
}

const fields = () => [...document.querySelectorAll<HTMLInputElement>('[role="combobox"]')];
const boxes = () => [...document.querySelectorAll<HTMLInputElement>('li input[type="checkbox"]')];
const opener = () => document.querySelector<HTMLButtonElement>("button.primary")!;
const text = () => document.body.textContent ?? "";

it("shows names, sizes and colours; a taken name gets a number, and the label set names a value", async () => {
  const { requests, app } = await drop();
  expect(app.show).toHaveBeenCalledWith("import");
  expect(requests).toEqual(["POST /sessions/s1/look-into-masks?filename=model+masks.nrrd model masks.nrrd"]);
  expect(fields().map((each) => each.value)).toEqual(["liver 2", "spleen"]);
  expect(text()).toContain("1200.0 ml");
  expect(opener().textContent).toBe("Open 2 objects");
  expect(text()).toContain("An object that is locked (K) keeps them.");
});

it("opens the chosen objects under their names, and ends when the dialog is closed", async () => {
  const { requests, toasts, app, ended } = await drop();
  boxes()[0].click();
  await drawn();
  expect(opener().textContent).toBe("Open 1 object");
  opener().click();
  await drawn();
  await drawn();
  expect(requests[1]).toBe(
    "POST /sessions/s1/objects?objects=label+3&names=spleen&filename=model+masks.nrrd model masks.nrrd",
  );
  expect(toasts).toEqual(["done: Opened spleen of model masks.nrrd."]);
  expect(app.session?.selected).toBe("spleen");
  expect(app.show).toHaveBeenLastCalledWith(null);
  expect(ended).not.toHaveBeenCalled();
  await act(() => render(null, document.body));
  await drawn();
  expect(ended).toHaveBeenCalledOnce();
});

it("says what resampling does, and requests it", async () => {
  const { requests } = await drop({ ...CONTENTS, resampled: "model was resampled from 5 mm." });
  expect(text()).toContain("Each voxel of the volume takes the label that lies nearest");
  expect(text()).toContain("model was resampled from 5 mm.");
  expect(opener().textContent).toBe("Resample and open 2 objects");
  opener().click();
  await drawn();
  expect(requests[1]).toContain("&resample=true&");
});

it("tells the server's notes", async () => {
  await drop({ ...CONTENTS, notes: ["left out 'Isocentre' has no contours."] });
  expect(text()).toContain("Isocentre");
});

it.each([
  ["liver", "The session has liver already"],
  ["spleen", "Two of these objects have this name"],
  ["  ", "Give it a name"],
])("refuses the name %s before anything is sent", async (name, problem) => {
  const { masks } = await drop();
  masks.change(masks.rows[0], { name });
  await drawn();
  expect(text()).toContain(problem);
  expect(opener().disabled).toBe(true);
});

it("lets the user choose again after a refusal: nothing was opened", async () => {
  const { refuse, toasts, masks } = await drop();
  refuse("An edit of 'liver' is still running.");
  opener().click();
  await drawn();
  expect(text()).toContain("An edit of 'liver' is still running.");
  expect(toasts).toEqual([]);
  refuse(null);
  opener().click();
  await drawn();
  await drawn();
  expect(masks.status).toBe("done");
  expect(toasts).toEqual(["done: Opened 2 objects of model masks.nrrd."]);
});

it("shows why a file cannot be read", async () => {
  await drop("model masks.nrrd is not a label map.");
  expect(document.querySelector('[role="alert"]')!.textContent).toBe("model masks.nrrd is not a label map.");
  expect(opener()).toBeNull();
});

it("needs an open volume", async () => {
  const toasts: string[] = [];
  const showToast = (kind: string, message: string) => toasts.push(`${kind}: ${message}`);
  await importMasks({ session: null, showToast, maskImport: null, show: vi.fn() }, FILE);
  expect(toasts[0]).toMatch(/^error: .*Open their volume first/);
});

it("numbers the names of a file that are as long as names may be, without making them longer", async () => {
  const long = { ...CONTENTS.objects[0], name: "x".repeat(300), suggested: "x".repeat(64) };
  const { masks } = await drop({ ...CONTENTS, objects: [long, { ...long, number: 2, name: "y" }] });
  expect(masks.rows.map((each) => each.name)).toEqual(["x".repeat(64), `${"x".repeat(60)} 2`]);
  expect(masks.ready).toBe(true);
});
