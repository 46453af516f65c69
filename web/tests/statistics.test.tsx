// @vitest-environment happy-dom
/** The statistics of objects are those of their masks as they are, in the dialog and drawn on the slice. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ObjectStatistics } from "../src/api/statistics";
import type { App } from "../src/state/app";
import { MeasurementList } from "../src/ui/measurement_list";
import { StatisticsDialog } from "../src/ui/statistics_dialog";
import { drawDiameters } from "../src/view/measurement_drawing";
import type { Pen } from "../src/view/overlay_pen";
import { objectOf, openSession, settled } from "./fake_client";

const statisticsOf = (
  name: string,
  id: number,
  change: Partial<ObjectStatistics> = {},
): ObjectStatistics => ({
  ...{
    name,
    id,
    unit: "HU",
    voxels: 100,
    volume_ml: 1.25,
    mean: 54.26,
    sd: 12.04,
    minimum: -20,
    maximum: 111,
  },
  median: 55,
  histogram: { low: -10, width: 5, counts: [1, 0, 4, 2], below: 2, above: 1 },
  longest_axial: {
    index: 3,
    mm: 21.26,
    ends_ijk: [
      [0, 0.5, 3],
      [2, 3, 3],
    ],
  },
  perpendicular: {
    index: 3,
    mm: 10.04,
    ends_ijk: [
      [1, 1, 3],
      [1, 2.5, 3],
    ],
  },
  ...change,
});

function opened() {
  const answers = new Map([
    ["liver", statisticsOf("liver", 1)],
    ["cyst", statisticsOf("cyst", 2, { mean: 3.456 })],
  ]);
  const { session, server, toasts } = openSession([objectOf("liver", 1), objectOf("cyst", 2)]);
  const json = session.client.json.bind(session.client);
  const asked: string[] = [];
  session.client.json = (async (method: string, path: string, body?: unknown) => {
    const name = /objects\/(\w+)\/statistics/.exec(path)?.[1];
    if (!name) return json(method, path, body);
    asked.push(name);
    if (server.failing) throw new Error(server.failing);
    return answers.get(name);
  }) as never;
  const version = new Map<number, number>();
  session.labels.versionOf = (id) => version.get(id) ?? 0;
  return { session, server, toasts, answers, asked, version };
}

const rendered = () => new Promise((resolve) => setTimeout(resolve));

afterEach(() => {
  render(null, document.body);
});

describe("statistics", () => {
  it("are fetched once per change of a mask", async () => {
    const { session, asked, version } = opened();
    await session.statistics.fetch(session.objects);
    await session.statistics.fetch(session.objects);
    expect(asked).toEqual(["liver", "cyst"]);
    expect(session.statistics.of(2)?.mean).toBe(3.456);
    version.set(2, 5);
    expect(session.statistics.of(2)).toBeNull();
    await session.statistics.fetch(session.objects);
    expect(asked).toEqual(["liver", "cyst", "cyst"]);
  });

  it("are drawn on their axial slice only, and again where the mask has changed", async () => {
    const { session, version, answers, asked } = opened();
    await session.statistics.fetch(session.objects);
    session.statistics.draw(1);
    const pen = { line: vi.fn(), dot: vi.fn(), label: vi.fn() };
    const draw = (plane: "axial" | "coronal", index: number) =>
      drawDiameters({ session, grid: session.geometry.grids[plane], index }, pen as unknown as Pen);
    draw("coronal", 3);
    draw("axial", 2);
    expect(pen.line).not.toHaveBeenCalled();
    draw("axial", 3);
    const { axial } = session.geometry.grids;
    expect(pen.line.mock.calls.map(([ends]) => ends)).toEqual([
      [axial.ijkToXy([1, 1, 3]), axial.ijkToXy([1, 2.5, 3])],
      [axial.ijkToXy([0, 0.5, 3]), axial.ijkToXy([2, 3, 3])],
    ]);
    expect(pen.label.mock.calls.map(([text]) => text)).toEqual(["10.0 mm", "21.3 mm"]);
    version.set(1, 1);
    pen.line.mockReset();
    draw("axial", 3);
    expect(pen.line).not.toHaveBeenCalled();
    answers.set("liver", statisticsOf("liver", 1, { voxels: 7 }));
    session.statistics.follow(session.objects, true);
    expect(asked.length).toBe(2);
    session.statistics.follow(session.objects, false);
    await settled();
    expect(session.statistics.of(1)?.voxels).toBe(7);
    session.statistics.follow([], false);
    expect(session.statistics.drawn).toBeNull();
  });

  it("say what went wrong, once", async () => {
    const { session, server, toasts, asked } = opened();
    server.failing = "The volume is gone.";
    await session.statistics.fetch(session.objects);
    await session.statistics.fetch(session.objects.slice(0, 1));
    expect(toasts).toEqual(["error: The volume is gone."]);
    expect(asked).toEqual(["liver"]);
  });
});

describe("the dialog", () => {
  async function shown() {
    const all = opened();
    HTMLDialogElement.prototype.showModal ??= () => undefined;
    const app = { session: all.session, show: vi.fn(), showToast: vi.fn() };
    act(() => render(<StatisticsDialog app={app as unknown as App} />, document.body));
    await rendered();
    await rendered();
    const button = (text: string) =>
      [...document.querySelectorAll("button")].find((each) => each.textContent?.includes(text))!;
    return { ...all, app, button };
  }
  const cells = () =>
    [...document.querySelectorAll("tbody tr")].map((row) =>
      [...row.children].map((each) => each.textContent?.trim()),
    );

  it("lists all objects, and draws the histogram of the chosen one", async () => {
    const { button } = await shown();
    expect(cells()).toEqual([
      ["liver", "1.25", "54.3", "12", "-20", "111", "55", "21.3", "10.0"],
      ["cyst", "1.25", "3.46", "12", "-20", "111", "55", "21.3", "10.0"],
    ]);
    act(() => button("liver").click());
    await rendered();
    expect(document.querySelector(".details")!.getAttribute("aria-label")).toBe("More about liver");
    const bars = [...document.querySelectorAll(".details rect")].map((each) =>
      Number(each.getAttribute("height")),
    );
    expect(bars).toEqual([30, 0, 120, 60]);
    expect(document.querySelector("figcaption")!.textContent).toBe("-10 HU3 voxels outside10 HU");
    expect(document.querySelector(".details")!.textContent).toContain("21.3 × 10.0 mm");
  });

  it("leads to the slice of the diameters, or keeps them as measurements", async () => {
    const { session, button, app } = await shown();
    act(() => button("liver").click());
    await rendered();
    button("Keep as measurements").click();
    expect(session.measurements.list.map((each) => [each.kind, each.plane, each.points])).toEqual([
      [
        "length",
        "axial",
        [
          [0, 0.5, 3],
          [2, 3, 3],
        ],
      ],
      [
        "length",
        "axial",
        [
          [1, 1, 3],
          [1, 2.5, 3],
        ],
      ],
    ]);
    button("Show on its slice").click();
    expect(session.statistics.drawn).toBe(1);
    expect(session.display.index("axial")).toBe(3);
    expect(app.show).toHaveBeenCalledWith(null);
  });

  it("copies the table", async () => {
    const { button, app } = await shown();
    const writeText = vi.fn(async (_: string) => undefined);
    vi.stubGlobal("navigator", { ...navigator, clipboard: { writeText } });
    button("Copy the table").click();
    await settled();
    const lines = writeText.mock.calls[0][0].split("\n");
    expect(lines[0].split("\t").slice(0, 3)).toEqual(["Object", "Volume, ml", "Mean"]);
    expect(lines[2]).toBe("cyst\t1.25\t3.46\t12\t-20\t111\t55\t21.3\t10.0");
    expect(app.showToast).toHaveBeenCalledWith("done", expect.stringContaining("Copied"));
    vi.unstubAllGlobals();
  });
});

it("the list of measurements has the drawn diameters, and hides them", async () => {
  const { session } = opened();
  await session.statistics.fetch(session.objects);
  session.statistics.draw(1);
  act(() => render(<MeasurementList session={session} />, document.body));
  const text = document.querySelector(".measurement")!.textContent;
  expect(text).toBe("liver: 21.3 × 10.0 mmaxial 3");
  document.querySelector<HTMLButtonElement>('[aria-label="Hide the diameters of liver"]')!.click();
  expect(session.statistics.drawn).toBeNull();
});

it("an object that changes while others are fetched is fetched again", async () => {
  const { session, asked, version } = opened();
  const { statistics, objects } = session;
  const first = statistics.fetch(objects);
  version.set(1, 1); // during the first request
  await statistics.fetch(objects);
  await first;
  expect(asked).toEqual(["liver", "cyst", "liver"]);
  expect(objects.map(({ id }) => statistics.of(id)?.name)).toEqual(["liver", "cyst"]);
});
