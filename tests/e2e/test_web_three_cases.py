"""An annotator's work on the page of `radsam serve`: three cases, organs with their ends, a brush, masks, a length."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from browser import AXE, App, chromium, serving, violations
from command_line import CommandLine, Target
from radsam.data.adapters.phantom import Phantom, make_phantom
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels, write_volume
from radsam.metrics import dice
from radsam.volume import LabelVolume, SliceGrid

pytestmark = pytest.mark.slow
ORGANS = ("liver", "spleen", "kidney_right", "kidney_left", "aorta")


def test_three_cases(run_radsam: CommandLine, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    phantoms = [make_phantom(seed=n, shape_ijk=(80, 64, 24), spacing_mm_ijk=(4.2, 4.2, 8.0)) for n in range(3)]
    for n, phantom in enumerate(phantoms):
        write_volume(phantom.volume, cases / f"case_{n}.nii.gz")
    phantom = phantoms[0]
    with serving(run_radsam, tmp_path, "--data", cases) as server, chromium() as browser:
        app = App.start(browser, server)
        app.count(".case", 3)
        open_case(app, "case_0")
        for count, organ in enumerate(ORGANS, 1):
            segment(app, phantom, organ, count)
        for each in app.session["objects"]:
            target = Target.of(phantom.mask(each["name"])).near(1)
            assert each["bounds"] == list(target), f"the ends of {each['name']} in the coronal view"

        painted = paint(app, phantom, "liver")
        open_masks(app, tumour_file(phantom, tmp_path / "tumour.nii.gz"), len(ORGANS) + 1)
        correct(app, phantom, "liver_tumour")
        length = measure(app, phantom, "liver_tumour")

        ids, names = exported(app, tmp_path / "labels.zip", tmp_path)
        assert set(names) == {*ORGANS, "liver_tumour"}
        for organ in ORGANS:
            low, high = Target.of(phantom.mask(organ)).near(1)
            truth, found = phantom.mask(organ)[low : high + 1], ids[low : high + 1] == names[organ]
            assert dice(found, truth) > 0.5, organ
        assert ids[painted[::-1]] == names["liver"]
        assert (ids == names["liver_tumour"]).sum() > 0.5 * phantom.mask("liver_tumour").sum()

        app.page.reload()
        app.loaded()
        assert app.page.locator(".measurement-list .value").first.inner_text() == length
        app.page.keyboard.press("Control+o")
        open_case(app, "case_1")
        assert app.session["objects"] == []
        app.close()


def open_case(app: App, name: str) -> None:
    app.page.locator(".case-open").filter(has_text=name).click()
    app.page.locator(".volume-name").filter(has_text=name).wait_for()
    app.loaded()


def segment(app: App, phantom: Phantom, organ: str, count: int) -> None:
    """Draw a box on the axial slice, drag both ends in the coronal view, propagate."""
    axial, coronal = (SliceGrid.of(phantom.volume.geometry, plane) for plane in ("axial", "coronal"))
    target = Target.of(phantom.mask(organ))
    app.go_to(axial, target.k)
    app.draw_box(axial, target.box)
    app.page.get_by_label("Object", exact=True).fill(organ)
    app.page.keyboard.press("Escape")
    app.page.locator("[data-plane=axial]").focus()
    app.page.get_by_role("radio", name="Set [ ]").check()
    app.page.keyboard.press("v")
    i0, j0, i1, j1 = target.box
    for end, wanted in zip(("low", "high"), target.near(1), strict=True):
        app.go_to(coronal, (j0 + j1) // 2)
        upwards = bool(phantom.volume.geometry.direction[2, axial.axis] > 0)
        handle = app.page.locator(".bound-top" if (end == "high") == upwards else ".bound-bottom")
        now = int(handle.get_attribute("aria-valuenow") or -1)
        side = -0.5 if end == "low" else 0.5
        path = [coronal.uv_to_display_xy((i0 + i1) / 2, each + side) for each in (now, wanted)]
        app.drag(*(app.client_xy(coronal, *place) for place in path))
    app.page.locator("[data-plane=axial]").focus()
    app.page.keyboard.press("Enter")
    app.settled(objects=count)


def paint(app: App, phantom: Phantom, organ: str) -> tuple[int, int, int]:
    """Paint a stroke onto an organ by hand; return a voxel (i, j, k) of it."""
    axial = SliceGrid.of(phantom.volume.geometry, "axial")
    target = Target.of(phantom.mask(organ))
    i0, j0, _, j1 = target.box
    voxel = (i0 - 3, (j0 + j1) // 2, target.k)
    app.page.get_by_role("button", name=organ, exact=True).click()
    app.page.keyboard.press("d")
    app.go_to(axial, target.k)
    places = [axial.uv_to_display_xy(float(u), float(voxel[1])) for u in (voxel[0] - 1, voxel[0] + 2)]
    app.drag(*(app.client_xy(axial, *place) for place in places))
    app.count(".edit-list li", 2)
    app.settled(objects=len(ORGANS))
    return voxel


def tumour_file(phantom: Phantom, path: Path) -> Path:
    """Write the tumour as another program's mask would be: without its last slice."""
    mask = phantom.mask("liver_tumour").copy()
    mask[np.flatnonzero(mask.any(axis=(1, 2)))[-1]] = False
    write_labels(LabelVolume(mask.astype(np.uint8), phantom.volume.geometry, {1: "liver_tumour"}), path)
    return path


def open_masks(app: App, path: Path, count: int) -> None:
    app.page.keyboard.press("Control+o")
    app.page.get_by_label("File to upload").set_input_files(path)
    name = app.page.get_by_role("dialog").get_by_role("combobox")
    name.fill("liver_tumour")
    app.page.keyboard.press("Tab")
    assert not AXE.is_file() or not violations(app.page)
    app.page.get_by_role("button", name="Open 1 object").click()
    app.page.wait_for_selector("dialog", state="detached")
    app.settled(objects=count)


def correct(app: App, phantom: Phantom, organ: str) -> None:
    """Click what is missing from an opened mask."""
    axial = SliceGrid.of(phantom.volume.geometry, "axial")
    target = Target.of(phantom.mask(organ))
    i0, j0, i1, j1 = target.box
    app.page.get_by_role("button", name=organ, exact=True).click()
    app.page.keyboard.press("p")
    app.go_to(axial, target.k)
    app.page.mouse.click(*app.client_xy(axial, *axial.uv_to_display_xy((i0 + i1) / 2, (j0 + j1) / 2)))
    app.count(".edit-list li", 2)
    app.settled(objects=len(ORGANS) + 1)


def measure(app: App, phantom: Phantom, organ: str) -> str:
    """Measure across an organ; return what the page shows."""
    axial = SliceGrid.of(phantom.volume.geometry, "axial")
    i0, j0, i1, j1 = Target.of(phantom.mask(organ)).box
    app.page.keyboard.press("m")
    ends = [axial.uv_to_display_xy(float(u), (j0 + j1) / 2) for u in (i0, i1)]
    app.drag(*(app.client_xy(axial, *place) for place in ends))
    shown = app.page.locator(".measurement-list .value").first
    shown.wait_for()
    text: str = shown.inner_text()
    assert float(text.split()[0]) == pytest.approx((i1 - i0) * 4.2, abs=2.5)
    return text


def exported(app: App, path: Path, folder: Path) -> tuple[np.ndarray, dict[str, int]]:
    """Save as NIfTI with its legend; return the label map and the value of each name."""
    app.save("NIfTI", path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "exported")
    (labels,) = (folder / "exported").rglob("*.nii.gz")
    (legend,) = (folder / "exported").rglob("*.json")
    rows = json.loads(legend.read_text())["labels"]
    return np.asarray(read_labels(labels).ids), {each["name"]: each["value"] for each in rows}
