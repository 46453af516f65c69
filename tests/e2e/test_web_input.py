"""Fingers on the page of `radsam serve`: does a real browser hand its touches to the views?"""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import App, chromium, serving
from command_line import CommandLine, PhantomFile
from radsam.volume import SliceGrid

pytestmark = pytest.mark.slow


def test_fingers_zoom_scroll_and_draw(
    run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    grid = SliceGrid.of(phantom_ct.phantom.volume.geometry, "axial")
    target = phantom_ct.target("liver")
    with serving(run_radsam, tmp_path, phantom_ct.path, "--model", tiny_bundle) as server, chromium() as browser:
        app = App.open(browser, server, has_touch=True)
        app.go_to(grid, target.k)
        app.page.keyboard.press("b")
        u0, v0, u1, v1 = target.box
        corners = [app.client_xy(grid, *grid.uv_to_display_xy(float(u), float(v))) for u, v in ((u0, v0), (u1, v1))]
        touch(app, [[corner] for corner in (corners[0], middle(*corners), corners[1])])
        app.page.wait_for_selector(".alternatives button[aria-checked=true]:not(:disabled)")

        x, y = app.client_xy(grid, *((size - 1) / 2 for size in reversed(grid.display_shape)))
        touch(app, [[(x - 40, y - up), (x + 40, y - up)] for up in range(0, 61, 12)])
        bar = app.page.get_by_role("slider", name="axial slice", exact=True)
        assert bar.get_attribute("aria-valuenow") != str(target.k)

        before = px_per_mm(app)
        touch(app, [[(x - 40 - wide, y), (x + 40 + wide, y)] for wide in range(0, 41, 8)])
        assert px_per_mm(app) == pytest.approx(2 * before, rel=0.02)
        assert app.page.evaluate("visualViewport.scale") == 1
        app.close()


def touch(app: App, path: list[list[tuple[float, float]]]) -> None:
    """Put fingers down one after the other, move them along the path together, and lift them."""
    devtools = app.page.context.new_cdp_session(app.page)

    def send(kind: str, fingers: list[tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(fingers)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for count in range(len(path[0])):
        send("touchStart", path[0][: count + 1])
    for fingers in path[1:]:
        send("touchMove", fingers)
    send("touchEnd", [])
    app.page.wait_for_timeout(100)  # drawn at the next frame


def middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def px_per_mm(app: App) -> float:
    """Read the scale of the axial view."""
    bar = app.page.locator("[data-plane=axial] .pane-scale")
    number, unit = bar.inner_text().split()
    return float(bar.bounding_box()["width"]) / (float(number) * {"mm": 1, "cm": 10}[unit])
