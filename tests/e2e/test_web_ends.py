"""Ends of an object, dragged in another plane on the page of `radsam serve`: which slices go, and which come?"""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import TIMEOUT_MS, App, chromium, serving
from command_line import CommandLine, PhantomFile
from radsam.volume import SliceGrid

pytestmark = pytest.mark.slow


def test_an_end_is_dragged_in_the_coronal_plane(
    run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    geometry = phantom_ct.phantom.volume.geometry
    coronal, axial = (SliceGrid.of(geometry, plane) for plane in ("coronal", "axial"))
    i, j, k = (size // 2 for size in geometry.shape_ijk)
    with serving(run_radsam, tmp_path, phantom_ct.path, "--model", tiny_bundle) as server, chromium() as browser:
        app = App.open(browser, server)
        app.page.keyboard.press("d")
        app.page.get_by_role("radio", name="By hand").click()
        app.page.get_by_role("radio", name="3D").click()
        app.go_to(axial, k)
        for _ in range(9):
            app.page.keyboard.press("=")
        place = axial.uv_to_display_xy(*(float(each) for each in axial.split((i, j, k))[1:]))
        x, y = app.client_xy(axial, *place)
        app.drag((x, y), (x + 12, y))
        low, high = app.settled()["objects"][0]["slices"]
        assert low < k - 1
        assert high > k + 1
        app.page.keyboard.press("v")

        def outside(index: int) -> tuple[float, float]:
            """A place in the coronal view on the upper side of an axial slice, beside the object."""
            sides = []
            for at in (index, index + 1):
                voxel = [4, j, 4]
                voxel[axial.axis] = at
                _, u, v = coronal.split((voxel[0], voxel[1], voxel[2]))
                sides.append(app.client_xy(coronal, *coronal.uv_to_display_xy(float(u), float(v))))
            (x0, y0), (x1, y1) = sides
            return (x0 + x1) / 2, (y0 + y1) / 2

        requests: list[str] = []
        app.page.on("request", lambda request: "/bounds" in request.url and requests.append(request.post_data))
        app.drag(outside(high), outside(high - 1), outside(high - 2))
        app.page.get_by_text(f"{low} – {high - 2}").wait_for(timeout=TIMEOUT_MS)
        assert len(requests) == 1
        (object_,) = app.settled()["objects"]
        assert object_["slices"] == [low, high - 2]
        assert (object_["low_end"], object_["high_end"]) == ("bound", "bound")
        assert app.page.get_by_role("slider", name="end of object 1").count() == 2
        app.close()
