"""A folder that is dropped onto the page of `radsam serve`: read by a real browser, uploaded, and chosen from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from browser import TIMEOUT_MS, chromium, serving
from command_line import CommandLine
from dicom_files import write_series
from phantoms import touching_balls
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

pytestmark = pytest.mark.slow


def test_a_dropped_folder_of_phases_then_its_masks(run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    scene, folder = touching_balls(), tmp_path / "scan"
    for number, time in ((1, "140231"), (2, "140301")):
        write_series(
            folder / f"phase {number}",
            scene.volume.values + np.int16(number),
            series_uid="1.2.3",
            acquisition=number,
            spacing_mm_ijk=scene.volume.geometry.spacing_mm_ijk,
            edit=lambda _, image, time=time: image.update({"AcquisitionTime": time}),
        )
    (folder / "readme.txt").write_text("not a slice")
    masks = tmp_path / "masks.nii.gz"

    with serving(run_radsam, tmp_path, "--model", tiny_bundle) as server, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(server.url)
        page.get_by_label("Folder to upload").wait_for(state="attached")
        drop(page, folder)
        chosen = page.get_by_role("dialog", name="Which series?")
        chosen.locator("img").nth(1).wait_for()
        assert chosen.locator("li").count() == 2
        chosen.get_by_role("button", name="at 14:03:01").click()
        page.wait_for_selector("[data-plane=axial]")
        page.wait_for_selector(".pane-loading", state="detached")
        assert "acquisition 2" in page.locator(".volume-name").inner_text()

        (volume,) = (each for each in get(page, server.url, "volumes") if "acquisition 2" in each["name"])
        details = get(page, server.url, f"volumes/{volume['id']}")
        geometry = type(scene.volume.geometry)(scene.volume.geometry.shape_kji, np.array(details["affine_lps"]))
        write_labels(LabelVolume(scene.truth.astype(np.uint8), geometry), masks)
        drop(page, masks)
        page.get_by_role("button", name="Open 1 object").click()
        page.locator(".object").first.wait_for()
        page.get_by_role("dialog").wait_for(state="detached")
        (session,) = get(page, server.url, "sessions")
        (found,) = get(page, server.url, f"sessions/{session['id']}")["objects"]
        assert found["voxels"] == np.count_nonzero(scene.truth)
        page.wait_for_function("fetch('/api/volumes').then(r => r.json()).then(all => all.length === 2)")
        assert [each["source"] for each in get(page, server.url, "volumes")] == ["upload"] * 2
        page.context.close()


def drop(page: object, path: Path) -> None:
    """Drop a file or a folder onto the page, as from the computer's desktop."""
    devtools = page.context.new_cdp_session(page)  # type: ignore[attr-defined]
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 200, "data": data})


def get(page: object, url: str, path: str) -> list:
    response = page.request.get(f"{url}api/{path}")  # type: ignore[attr-defined]
    assert response.ok, response.text()
    return response.json()
