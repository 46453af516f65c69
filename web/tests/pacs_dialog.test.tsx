// @vitest-environment happy-dom
/** Search in the PACS: what is requested, what is shown, and how a series is opened. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Client } from "../src/api/client";
import type { Retrieval } from "../src/api/pacs";
import type { App } from "../src/state/app";
import { PacsBrowser } from "../src/state/pacs_browser";
import { PacsDialog } from "../src/ui/pacs_dialog";

const STUDY = {
  uid: "1.2",
  date: "20240131",
  modalities: "CT",
  description: "Abdomen",
  series: 2,
  instances: 300,
  patient_id: "4711",
  patient_name: "Meier^Anna",
};
const SERIES = { uid: "1.2.3", number: 4, modality: "CT", description: "portal venous", instances: 300 };
const drawn = () => act(() => new Promise<void>((resolve) => setTimeout(resolve)));

beforeEach(() => {
  HTMLDialogElement.prototype.showModal ??= () => undefined;
});
afterEach(() => render(null, document.body));

async function open(steps: Partial<Retrieval>[] = [{ state: "done", done: 300, volume: "v7" }]) {
  const requests: string[] = [];
  const state = { failing: null as string | null };
  const running: Retrieval = { id: "r1", state: "running", done: 0, total: 300, volume: null, message: "" };
  const client = {
    json: async (method: string, path: string, body?: unknown) => {
      requests.push(`${method} ${path} ${JSON.stringify(body) ?? ""}`.trim());
      if (state.failing) throw new Error(state.failing);
      if (path === "/pacs/search") return { found: [STUDY], more: false };
      if (path.endsWith("/series")) return { found: [SERIES], more: false };
      return method === "POST" ? running : { ...running, ...steps.shift() };
    },
  } as unknown as Client;
  const opened = vi.fn(async () => undefined);
  const pacs = new PacsBrowser(client, opened, async () => undefined);
  const app = { info: { pacs: "pacs.example.org" }, show: vi.fn() } as unknown as App;
  await act(() => render(<PacsDialog app={app} pacs={pacs} />, document.body));
  return { pacs, requests, opened, state };
}
const text = () => document.body.textContent ?? "";
const press = async (label: string) => {
  const found = [...document.querySelectorAll("button")].find((each) => each.textContent?.includes(label));
  found!.click();
  await drawn();
};

it("searches, lists the series of a study, and opens one", async () => {
  const { pacs, requests, opened } = await open([{ done: 20 }, { state: "done", done: 300, volume: "v7" }]);
  pacs.want({ patient_id: "4711", date_from: "20240101" });
  document.querySelector("form")!.dispatchEvent(new Event("submit", { cancelable: true }));
  await drawn();
  expect(text()).toContain("Meier^Anna");
  expect(text()).toContain("2024-01-31");
  await press("Meier^Anna");
  expect(text()).toContain("portal venous");
  await press("Open");
  expect(requests).toEqual([
    'POST /pacs/search {"patient_id":"4711","patient_name":"","date_from":"20240101","date_to":"","modality":"CT"}',
    "GET /pacs/studies/1.2/series",
    'POST /pacs/retrievals {"study":"1.2","series":"1.2.3"}',
    "GET /pacs/retrievals/r1",
    "GET /pacs/retrievals/r1",
  ]);
  expect(opened).toHaveBeenCalledWith("v7");
});

it("says why a series did not arrive, and opens nothing", async () => {
  const { pacs, opened } = await open([{ state: "failed", message: "The PACS closed the connection." }]);
  await pacs.show("1.2");
  await pacs.retrieve("1.2.3");
  await drawn();
  expect(document.querySelector('[role="alert"]')!.textContent).toBe("The PACS closed the connection.");
  expect(opened).not.toHaveBeenCalled();
  expect(pacs.retrieving).toBeNull();
});

it("shows an error of the search", async () => {
  const { pacs, state } = await open();
  state.failing = "The PACS refused the login.";
  await pacs.search();
  await drawn();
  expect(text()).toContain("The PACS refused the login.");
});

it("stops a retrieval when the dialog is closed", async () => {
  const { pacs, requests } = await open();
  pacs.retrieving = { id: "r1", state: "running", done: 1, total: 3, volume: null, message: "" };
  await act(() => render(null, document.body));
  expect(requests).toContain("DELETE /pacs/retrievals/r1");
});
