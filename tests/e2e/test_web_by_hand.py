"""Paint and erase on the page of `radsam serve`: does the screen show the voxels that the server has?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt16

from browser import App, chromium, serving
from command_line import CommandLine, PhantomFile
from radsam.io.volume_read import read_labels
from radsam.metrics import dice
from radsam.volume import Geometry, SliceGrid

pytestmark = pytest.mark.slow


def test_paint_in_one_plane_and_erase_in_another(
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
        for _ in range(7):
            app.page.keyboard.press("=")
        stroke(app, coronal, (i - 12, j, k - 3), (i + 9, j, k + 2))
        app.count(".edit-list li", 1)
        app.page.keyboard.press("e")
        app.page.get_by_role("radio", name="2D").click()
        for _ in range(3):
            app.page.keyboard.press("-")
        stroke(app, axial, (i - 9, j + 9, k), (i + 1, j - 3, k))
        app.count(".edit-list li", 2)
        ids = check(app, geometry, (i, j, k), tmp_path / "labels.nii.gz")
        assert ids[k - 1, j + 2, i - 5]
        assert not ids[k, j + 2, i - 5]
        app.close()


def stroke(app: App, grid: SliceGrid, *voxels: tuple[int, int, int]) -> None:
    """Draw through voxels of one slice."""
    index, *_ = grid.split(voxels[0])
    app.go_to(grid, index)
    places = [grid.uv_to_display_xy(float(u), float(v)) for _, u, v in map(grid.split, voxels)]
    app.drag(*(app.client_xy(grid, *place) for place in places))


def check(app: App, geometry: Geometry, voxel: tuple[int, int, int], path: Path) -> UInt16[np.ndarray, "k j i"]:
    """Compare the screen with the saved label map, on slices through a voxel; return the label map."""
    app.settled()
    ids = np.asarray(read_labels(app.save("NIfTI", path)).ids).astype(np.uint16)
    app.page.mouse.move(5, 5)
    for plane in ("axial", "sagittal"):
        grid = SliceGrid.of(geometry, plane)
        index, *_ = grid.split(voxel)
        app.go_to(grid, index)
        _, shown = app.view(grid)
        assert dice(shown, grid.to_display(grid.take(ids > 0, index))) > 0.85, f"{plane} slice {index}"
    return ids
