// @vitest-environment happy-dom
/** The list of cases on the page: opening, deleting, thumbnails. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "../src/state/app";
import { CaseList } from "../src/ui/case_list";
import { sessionOf, uploadOf, volumeOf } from "./fake_cases";
import { settled } from "./fake_client";

let app: App;
let seen: ((entries: { isIntersecting: boolean }[]) => void)[];
const requests: string[] = [];

class FakeObserver {
  constructor(callback: (entries: { isIntersecting: boolean }[]) => void) {
    seen.push(callback);
  }
  observe() {}
  disconnect() {}
}

beforeEach(() => {
  seen = [];
  requests.length = 0;
  vi.stubGlobal("IntersectionObserver", FakeObserver);
  app = new App(async () => undefined);
  const scan = {
    uid: "1",
    number: 1,
    description: "",
    acquisition: "2",
    time: "14:02:31",
    contrast: "",
    slices: 20,
  };
  app.volumes = [
    volumeOf("a", { added: "2026-11-03" }),
    volumeOf("b", { scan, patient: { name: "Doe, Ada", id: "P-7", study_date: "2026-03-11", study: "" } }),
    volumeOf("c", { source: "given", upload: null }),
  ];
  app.sessions = [
    sessionOf("s1", "b", { objects: 4, object_names: ["liver", "spleen", "aorta", "kidney"] }),
    sessionOf("s2", "b", { changed: "2026-11-01" }),
    sessionOf("s3", "gone", { objects: 1 }),
  ];
  app.uploads = [uploadOf([app.volumes[0]]), uploadOf([app.volumes[1]]), uploadOf([], { bytes: 3e6 })];
  app.client.json = vi.fn(async (method: string, path: string) => {
    requests.push(`${method} ${path}`);
    return [] as never;
  });
  app.client.deleteSession = vi.fn(async (id: string) => void requests.push(`DELETE /sessions/${id}`));
  app.client.volumes = async () => app.volumes;
  app.client.sessions = async () => app.sessions;
  app.openSession = vi.fn(async () => undefined);
  app.openVolume = vi.fn(async () => undefined);
  render(<CaseList app={app} />, document.body);
});

afterEach(() => {
  render(null, document.body);
  vi.unstubAllGlobals();
});

const button = (name: string | RegExp) => {
  const found = [...document.querySelectorAll("button")].find((each) =>
    new RegExp(name).test(each.getAttribute("aria-label") ?? each.textContent ?? ""),
  );
  if (!found) throw new Error(`no button ${name}`);
  return found;
};
const texts = () => [...document.querySelectorAll(".case")].map((each) => each.textContent ?? "");

test("a case says what it is, and its sessions what they hold", () => {
  expect(texts().length).toBe(3);
  const b = texts().find((each) => each.includes("b.nii.gz"));
  expect(b).toContain("Doe, Ada · P-7 · 2026-03-11");
  expect(b).toContain("acquisition 2 · at 14:02:31");
  expect(b).toContain("64 × 48 × 20 · 0.7 × 0.7 × 2.5 mm");
  expect(b).toContain("1.5 MB");
  expect(b).toMatch(/Session 1 · liver, spleen, aorta and 1 more .*Session 2 · no objects/);
});

test("a case is opened in its latest session, a session by its own button", () => {
  button("^b.nii.gz").click();
  expect(app.openVolume).toHaveBeenCalledWith("b");
  button("Session 2").click();
  expect(app.openSession).toHaveBeenCalledWith("s2");
  button("New session").click();
  expect(app.openVolume).toHaveBeenCalledWith("b", true);
});

describe("deleting", () => {
  const confirmed = (answer: boolean) => {
    const requested = vi.fn((_: string) => answer);
    vi.stubGlobal("confirm", requested);
    return requested;
  };

  test("a session needs consent, also one without objects", async () => {
    const requested = confirmed(false);
    button("Delete session 2 on b").click();
    await settled();
    expect(requested.mock.calls[0][0]).toBe(
      "Delete the session on b.nii.gz without objects? This cannot be undone.",
    );
    expect(requests).toEqual([]);
    confirmed(true);
    button("Delete session 2 on b").click();
    await settled();
    expect(requests[0]).toBe("DELETE /sessions/s2");
  });

  test("an upload needs consent, which names its size and sessions", async () => {
    const requested = confirmed(true);
    button("Delete the upload b").click();
    await settled();
    expect(requested.mock.calls[0][0]).toBe(
      "Delete b.nii.gz (1.5 MB) and the 2 sessions on it? This cannot be undone.",
    );
    expect(requests[0]).toBe("DELETE /uploads/u-b");
  });

  test("damaged uploads and sessions without a volume can be deleted", async () => {
    confirmed(true);
    button("Delete the upload damaged").click();
    button("Delete the session on gone").click();
    await settled();
    expect(requests).toEqual(expect.arrayContaining(["DELETE /uploads/u-damaged", "DELETE /sessions/s3"]));
  });

  test("a volume that was not uploaded cannot be", () => {
    expect(() => button("Delete the upload c")).toThrow();
  });
});

test("the list is there before any thumbnail, and fetches those that come into view", async () => {
  const fetched: string[] = [];
  app.client.fetch = vi.fn(async (path: string) => {
    fetched.push(path);
    return new Response(new Blob(["x"]));
  });
  await vi.waitUntil(() => seen.length === 3);
  expect([document.querySelectorAll("img").length, fetched]).toEqual([0, []]);
  seen[0]([{ isIntersecting: false }]);
  seen[1]([{ isIntersecting: true }]);
  await vi.waitUntil(() => document.querySelectorAll("img").length === 1);
  expect(fetched).toEqual(["/volumes/b/thumbnail.webp"]);
});

test("a search narrows the list and says by how much", async () => {
  const field = document.querySelector("input[type=search]") as HTMLInputElement;
  field.value = "spleen";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await vi.waitUntil(() => document.querySelectorAll(".case").length === 1);
  expect(document.querySelector("[role=status]")?.textContent).toContain("1 of 3 cases");
});
