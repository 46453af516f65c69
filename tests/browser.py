"""A browser on a running server: how the tests of the page start them and read the screen."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from command_line import CommandLine
from radsam.volume import SliceGrid
from waiting import HANG_SECONDS

#: Software WebGL2 for the 3D view. The page itself is composed on the CPU: through software GL a frame takes half a
#: second on two cores, which no user has.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Margin that a view leaves around a whole slice, in CSS pixels (MARGIN_PX of `web/src/view/slice_pane.ts`).
MARGIN_PX = 20
#: Checks the page against WCAG; `npm ci` in web/ installs it.
AXE = Path(__file__).resolve().parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: Only ends a test that hangs.
TIMEOUT_MS = 1000 * HANG_SECONDS


def find_chromium() -> str:
    """Return the path of Debian's Chromium, or skip the test."""
    pytest.importorskip("playwright", reason="no playwright here (pip install playwright)")
    found = os.environ.get("RADSAM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium here (apt-get install chromium), so nothing can open the page")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser."""
    path = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Server:
    """`radsam serve` as a process."""

    process: subprocess.Popen[str]
    url: str
    state: Path


@contextmanager
def serving(run_radsam: CommandLine, folder: Path, *args: object) -> Iterator[Server]:
    """Serve volumes on a free port until the end of the block."""
    state = folder / "state"
    process = run_radsam.start(
        "serve", *args, "--port", 0, "--no-browser", "--state", state, cwd=folder, stderr=subprocess.STDOUT
    )
    try:
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                break
        else:
            raise AssertionError("".join(lines))
        yield Server(process, found.group(), state)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@dataclass
class App:
    """The page in the browser."""

    page: Any
    server: Server
    errors: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, browser: Any, server: Server, width: int = 1280, height: int = 800, **options: Any) -> App:
        """Open the page, with options of Playwright's context."""
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        app = cls(context.new_page(), server)
        app.page.set_default_timeout(TIMEOUT_MS)
        app.page.on("pageerror", lambda error: app.errors.append(str(error)))
        app.page.on("console", lambda message: message.type == "error" and app.errors.append(message.text))
        app.page.on("request", lambda request: app.errors.extend(_outside(request.url)))
        app.page.goto(server.url)
        return app

    @classmethod
    def open(cls, browser: Any, server: Server, width: int = 1280, height: int = 800, **options: Any) -> App:
        """Open the page of one volume, and wait for the picture."""
        app = cls.start(browser, server, width, height, **options)
        app.loaded()
        return app

    def loaded(self) -> None:
        self.page.wait_for_selector(".pane-view")
        self.page.wait_for_selector(".pane-loading", state="detached")

    def close(self) -> None:
        self.page.context.close()
        assert not self.errors, self.errors

    # The state on the server

    @property
    def session(self) -> dict[str, Any]:
        found = re.search(r"session=([^&]+)", self.page.url)
        assert found, self.page.url
        return self.get(f"sessions/{found.group(1)}")

    def get(self, path: str) -> Any:
        response = self.page.request.get(f"{self.server.url}api/{path}")
        assert response.ok, response.text()
        return response.json()

    def settled(self, objects: int = 1) -> dict[str, Any]:
        """Wait until no edit runs, for the server and on the page."""
        self.count(".object", objects)
        self.page.wait_for_selector(".card progress", state="detached")
        self.page.wait_for_timeout(300)  # the masks follow the state
        return self.session

    def count(self, selector: str, number: int) -> None:
        """Wait until the selector matches `number` elements."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_count(number, timeout=TIMEOUT_MS)

    # Positions on the screen

    def client_xy(self, grid: SliceGrid, x: float, y: float) -> tuple[float, float]:
        """Position of displayed pixel (x, y) of a slice on the page: a whole slice is centred, in true proportions."""
        edges = self.page.locator(f"[data-plane={grid.plane}]").bounding_box()
        (rows, cols), (row_mm, col_mm) = grid.display_shape, grid.display_spacing_mm
        px_per_mm = min(
            (edges["width"] - 2 * MARGIN_PX) / (cols * col_mm), (edges["height"] - 2 * MARGIN_PX) / (rows * row_mm)
        )
        middle_x, middle_y = edges["x"] + edges["width"] / 2, edges["y"] + edges["height"] / 2
        return (
            middle_x + (x + 0.5 - cols / 2) * col_mm * px_per_mm,
            middle_y + (y + 0.5 - rows / 2) * row_mm * px_per_mm,
        )

    def at_pixels(self, picture: UInt8[np.ndarray, "h w 3"], grid: SliceGrid) -> UInt8[np.ndarray, "rows cols 3"]:
        """Read a screenshot at the middle of every pixel of a displayed slice."""
        rows, cols = grid.display_shape
        x = [int(self.client_xy(grid, float(col), 0.0)[0]) for col in range(cols)]
        y = [int(self.client_xy(grid, 0.0, float(row))[1]) for row in range(rows)]
        return picture[np.ix_(y, x)]

    def screenshot(self) -> UInt8[np.ndarray, "h w 3"]:
        self.page.wait_for_timeout(150)  # drawn at the next frame
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def view(self, grid: SliceGrid) -> tuple[Float[np.ndarray, "rows cols"], Bool[np.ndarray, "rows cols"]]:
        """Read a slice: its grey values without masks, 0 to 255, and the pixels that the masks change."""
        shown = self.at_pixels(self._without_notices(), grid).astype(float)
        self.page.keyboard.press("h")
        hidden = self.at_pixels(self._without_notices(), grid).astype(float)
        self.page.keyboard.press("h")
        return hidden.mean(axis=2), np.abs(shown - hidden).max(axis=2) > 8

    def _without_notices(self) -> UInt8[np.ndarray, "h w 3"]:
        """Take a screenshot without what lies over the views for a while."""
        show = "(value) => document.querySelectorAll('.toasts, .masks-hidden').forEach(e => e.style.visibility = value)"
        self.page.wait_for_timeout(150)
        self.page.evaluate(show, "hidden")
        picture = self.screenshot()
        self.page.evaluate(show, "")
        return picture

    def draft_pixels(self, grid: SliceGrid) -> Bool[np.ndarray, "rows cols"]:
        """The pixels of a slice that are coloured; a draft is not hidden with the masks."""
        picture = self.at_pixels(self.screenshot(), grid).astype(int)
        return picture.max(axis=2) - picture.min(axis=2) > 12

    # What a user does

    def focus(self, plane: str) -> None:
        self.page.locator(f"[data-plane={plane}]").focus()

    def go_to(self, grid: SliceGrid, index: int) -> None:
        """Go to a slice by keys."""
        from playwright.sync_api import expect

        bar = self.page.get_by_role("slider", name=f"{grid.plane} slice", exact=True)
        self.focus(grid.plane)
        start = int(bar.get_attribute("aria-valuenow"))
        if start == index:
            return
        self.page.keyboard.press("ArrowUp")
        self.page.wait_for_timeout(50)
        now = int(bar.get_attribute("aria-valuenow"))
        nearer = now != start and (now > start) == (index > start)
        for _ in range(abs(index - now)):
            self.page.keyboard.press("ArrowUp" if nearer else "ArrowDown")
        expect(bar).to_have_attribute("aria-valuenow", str(index))

    def drag(self, *path: tuple[float, float]) -> None:
        self.page.mouse.move(*path[0])
        self.page.mouse.down()
        for point in path[1:]:
            self.page.mouse.move(*point, steps=4)
        self.page.mouse.up()

    def draw_box(self, grid: SliceGrid, uvuv: tuple[int, int, int, int]) -> None:
        """Draw a box, in stored pixels of the slice in view, with the mouse, and wait for the preview."""
        self.page.keyboard.press("b")
        corners = [grid.uv_to_display_xy(float(u), float(v)) for u, v in (uvuv[:2], uvuv[2:])]
        self.drag(*(self.client_xy(grid, *corner) for corner in corners))
        self.page.wait_for_selector(".alternatives button[aria-checked=true]:not(:disabled)")

    def save(self, name: str, path: Path) -> Path:
        """Save through the menu."""
        self.page.keyboard.press("Control+s")
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=name).click()
        download.value.save_as(path)
        return path


def _outside(url: str) -> list[str]:
    inside = url.startswith(("http://127.0.0.1:", "blob:", "data:"))
    return [] if inside else [f"a request to {url}"]


def violations(page: Any) -> list[str]:
    """Return what axe-core finds against WCAG 2.1 A and AA on what is shown, in dark and in light."""
    # Evaluated, not added as a tag: the page's policy allows no scripts but its own.
    page.evaluate(AXE.read_text() + ";0")
    page.emulate_media(color_scheme="dark")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    results = [page.evaluate("(tags) => axe.run({ runOnly: tags })", tags)]
    page.emulate_media(color_scheme="light")
    results.append(page.evaluate("axe.run({ runOnly: { type: 'rule', values: ['color-contrast'] } })"))
    return [
        f"{each['id']}: {each['help']}: {node['target']} {node['failureSummary']}"
        for result in results
        for each in result["violations"]
        for node in each["nodes"]
    ]
