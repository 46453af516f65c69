"""How fast the page is with a large CT, in Chromium: start, scrolling, memory, and what a change blocks.

The CT is the phantom, 512×512×600, with the ten objects of its truth. Run by hand on a machine with Chromium::

    python benchmarks/web_page.py
    python benchmarks/web_page.py --slices 200 --volume /tmp/ct      # keeps the files for the next run

The page is opened once as a local user and once at 10 Mbit/s with 40 ms, in a fresh browser context each: nothing
comes from a cache. The server has read the volume before, as it has for everybody but the first user of the day;
the time of that is printed, too. Chromium draws with the CPU (`--use-angle=swiftshader`).
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

import radsam.server
from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_write import write_labels, write_volume
from radsam.volume import Geometry, LabelVolume, Volume

SCALE = 4
NOISE_HU = 12
SLOW = {"offline": False, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8, "latency": 40}
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--no-first-run",
    "--disable-background-networking",
]
#: Notes when the axial view shows its slice, and every block of the main thread.
WATCH = """
window.marks = {}; window.blocks = [];
const keep = (list) => { for (const each of list.getEntries()) blocks.push([each.startTime, each.duration]); };
new PerformanceObserver(keep).observe({ type: "longtask", buffered: true });
new MutationObserver(() => {
  const view = document.querySelector("[data-plane=axial]");
  const note = view?.querySelector(".pane-loading");
  const mark = (name) => { marks[name] ??= performance.now(); };
  if (note?.textContent.includes("Coarse")) mark("coarse");
  if (view && (!note || note.dataset.coarse === "false")) mark("slice");
  if (view && !note) mark("whole");
}).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""
#: One slice further with every frame; the times of the frames in ms.
SCROLL = """(frames) => new Promise((resolve) => {
  const times = [];
  const step = (now) => {
    times.push(now);
    if (times.length > frames) return resolve(times);
    const key = times.length % 120 < 60 ? "ArrowUp" : "ArrowDown";
    const view = document.querySelector("[data-plane=axial]");
    view.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true }));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def make_files(folder: Path, slices: int) -> tuple[Path, Path]:
    """Write the CT and its objects, enlarged from a small phantom, with noise of its own in every voxel."""
    ct, masks = folder / f"ct{slices}.nii", folder / f"masks{slices}.nii.gz"
    if ct.exists() and masks.exists():
        return ct, masks
    spacing = np.array([3.2, 3.2, 1.8 * 600 / slices])
    small = make_phantom(shape_ijk=(128, 128, slices // SCALE), spacing_mm_ijk=tuple(spacing.tolist()))
    affine = small.volume.geometry.affine_lps.copy()
    affine[:3, :3] /= SCALE
    grid = Geometry(tuple(size * SCALE for size in small.volume.geometry.shape_kji), affine)
    random = np.random.default_rng(0)

    def larger(slice_ji: np.ndarray) -> np.ndarray:
        return slice_ji.repeat(SCALE, axis=0).repeat(SCALE, axis=1)

    hu = np.empty(grid.shape_kji, np.int16)
    ids = np.empty(grid.shape_kji, np.uint8)
    for k in range(len(hu)):
        noise = random.normal(0, NOISE_HU, hu.shape[1:])
        hu[k] = np.rint(larger(small.volume.values[k // SCALE]) + noise)
        ids[k] = larger(small.truth.ids[k // SCALE])
    write_volume(Volume(hu, grid), ct)
    write_labels(LabelVolume(ids, grid, small.truth.names), masks)
    return ct, masks


@contextmanager
def serving(ct: Path, state: Path) -> Iterator[str]:
    """Serve the CT on a free port."""
    command = [sys.executable, "-m", "radsam", "serve", ct, "--port", "0", "--no-browser", "--state", state]
    server = subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout is not None
        url = next(found.group() for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        yield url
    finally:
        server.terminate()
        server.communicate(timeout=60)


def prepared(url: str, masks: Path) -> str:
    """Start a session with the objects; return its id."""
    with httpx.Client(base_url=url, timeout=600) as client:
        volume = client.get("/api/volumes").json()[0]["id"]
        start = time.perf_counter()
        session = client.post("/api/sessions", json={"volume": volume}).json()["id"]
        print(f"server: reads the volume and starts a session {time.perf_counter() - start:.1f} s")
        added = client.post(
            f"/api/sessions/{session}/objects", params={"filename": masks.name}, content=masks.read_bytes()
        )
        added.raise_for_status()
        print(f"objects: {len(added.json()['objects'])}")
    return str(session)


def opened(browser: Any, address: str, conditions: dict[str, Any] | None) -> Any:
    """Open the page and print when it shows what."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True).new_page()
    page.set_default_timeout(600_000)
    page.add_init_script(WATCH)
    if conditions:
        page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)
    page.goto(address)
    page.wait_for_function("marks.slice")
    page.locator("[data-plane=axial]").focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelector('[data-plane=axial] .pane-loading')?.dataset.coarse !== 'true'")
    near = page.evaluate("performance.now()")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    marks = page.evaluate("marks")
    shown = "  ".join(f"{name} {marks.get(name, float('nan')) / 1000:.2f} s" for name in ("coarse", "slice"))
    used = max(main_thread_seconds(pid) for pid in renderers(browser))
    print(f"first paint {painted / 1000:.2f} s  {shown}  four slices further {near / 1000:.2f} s", end="  ")
    print(f"processor time of the main thread {used:.2f} s")
    return page


def frames(browser: Any, page: Any, count: int) -> str:
    """Scroll and describe the time of a frame; that of the processor tells what other programs do not take."""
    page.evaluate(SCROLL, 10)
    processor = {pid: main_thread_seconds(pid) for pid in renderers(browser)}
    times = np.diff(page.evaluate(SCROLL, count))
    used = max(main_thread_seconds(pid) - before for pid, before in processor.items())
    middle, slowest = np.percentile(times, (50, 95))
    return (
        f"{1000 / times.mean():.0f} a second; median {middle:.0f} ms, 95th percentile {slowest:.0f} ms; "
        f"processor time of the main thread {1000 * used / count:.1f} ms"
    )


def renderers(browser: Any) -> list[int]:
    """Return the processes of the tabs."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [each["id"] for each in processes if each["type"] == "renderer"]


def main_thread_seconds(pid: int) -> float:
    """Return the processor time of a process's main thread."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(browser: Any, page: Any) -> str:
    """Describe the memory of the page: what scripts hold, and the whole process of its tab."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("HeapProfiler.collectGarbage")
    heap = protocol.send("Runtime.getHeapUsage")
    scripts = heap["usedSize"] + heap.get("embedderHeapUsedSize", 0) + heap.get("backingStorageSize", 0)
    private = 0
    for pid in renderers(browser):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kilobytes = sum(int(found) for found in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.M))
        private = max(private, kilobytes * 1024)
    return (
        f"scripts and their buffers {scripts / 1e6:.0f} MB, private memory of the tab's process {private / 1e6:.0f} MB"
    )


def changed(page: Any, url: str, session: str) -> str:
    """Erase 41 slices of the largest object, take that back, and describe the longest block of the main thread."""
    address = f"{url}api/sessions/{session}"
    with httpx.Client(timeout=60) as client:
        largest = max(client.get(address).json()["objects"], key=lambda each: each["voxels"])
        k = sum(largest["slices"]) // 2
        start = page.evaluate("performance.now()")
        for path, body in (
            ("/delete-slices", {"name": largest["name"], "slices": list(range(k - 20, k + 21))}),
            ("/undo", None),
        ):
            client.post(f"{address}{path}", json=body).raise_for_status()
            while client.get(address).json()["busy"]:
                time.sleep(0.1)
            page.wait_for_timeout(3000)
    blocks = [length for at, length in page.evaluate("blocks") if at > start]
    return f"longest {max(blocks, default=0):.0f} ms of {len(blocks)} over 50 ms"


def measure(url: str, session: str) -> None:
    """Measure the page and print what was found."""
    scripts = list((Path(radsam.server.__file__).parent / "static").rglob("*.js"))
    print(f"JavaScript: {sum(len(gzip.compress(each.read_bytes(), 9)) for each in scripts) / 1000:.0f} kB (gzip)")
    address = f"{url}?session={session}"
    path = os.environ.get("RADSAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        browser.new_page().goto("data:text/html,warm")
        for name, conditions in (("10 Mbit/s, 40 ms", SLOW), ("local", None)):
            print(f"{name}: ", end="", flush=True)
            page = opened(browser, address, conditions)
            print(f"frames while it loads: {frames(browser, page, 60)}")
            if conditions:
                page.context.close()
        page.wait_for_function("marks.whole")
        print(f"local: the whole volume {page.evaluate('marks.whole') / 1000:.1f} s")
        page.wait_for_timeout(8000)  # workers that have nothing to do end
        print(f"frames while scrolling: {frames(browser, page, 240)}")
        print(f"memory: {memory(browser, page)}")
        print(f"blocks after changes of 41 slices: {changed(page, url, session)}")
        page.get_by_role("button", name="Show 3D").click()
        page.wait_for_timeout(15_000)
        print(f"with the 3D view: {changed(page, url, session)}; memory: {memory(browser, page)}")
        browser.close()


def main() -> None:
    """Read the options, serve, measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--slices", type=int, default=600)
    options.add_argument("--volume", type=Path, help="a folder that keeps the CT between runs")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.volume or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        ct, masks = make_files(folder, given.slices)
        with serving(ct, Path(scratch) / "state") as url:
            measure(url, prepared(url, masks))


if __name__ == "__main__":
    main()
