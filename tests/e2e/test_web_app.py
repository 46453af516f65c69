"""The page of `radsam serve` in a real browser: does it show what the server and the command line compute?"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import AXE, TIMEOUT_MS, App, chromium, serving, violations
from command_line import CommandLine, PhantomFile, Target
from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_volume
from radsam.metrics import dice
from radsam.volume import Geometry, Plane, SliceGrid, Volume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        # The first page of a fresh browser pays for the browser's own start.
        running.new_page().goto("data:text/html,warm")
        yield running


def windowed(hu: np.ndarray, low: float = -160, high: float = 240) -> np.ndarray:
    return np.clip((hu.astype(float) - low) / (high - low), 0, 1) * 255


def label_ids(path: Path) -> np.ndarray:
    return np.asarray(read_labels(path).ids)


def saved(app: App, path: Path) -> np.ndarray:
    return label_ids(app.save("NIfTI", path))


def check_slice(app: App, volume: Volume, ids: np.ndarray, plane: str, index: int, number: int = 1) -> None:
    """Compare picture and mask on the screen with the volume and with the label map, in the radiological display."""
    grid = SliceGrid.of(volume.geometry, plane)
    app.go_to(grid, index)
    grey, shown = app.view(grid)
    expected = windowed(grid.to_display(grid.take(volume.values, index)))
    assert np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.97, f"{plane} slice {index} shows something else"
    mask = grid.to_display(grid.take(ids == number, index))
    assert mask.any()
    assert dice(shown, mask) > 0.9, f"the mask on {plane} slice {index} lies elsewhere"


def test_prompt_correct_undo_save_and_reload(
    browser: Any, run_radsam: CommandLine, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    target = phantom_ct.target("kidney_right")
    volume = read_volume(phantom_ct.path)
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    low, high = target.near(1)
    with serving(run_radsam, tmp_path, phantom_ct.path) as server:
        app = App.open(browser, server)
        app.go_to(grid, target.k)
        app.draw_box(grid, target.box)
        truth = grid.to_display(phantom_ct.phantom.mask("kidney_right")[target.k])
        assert dice(app.draft_pixels(grid), truth) > 0.5

        scores = app.page.locator(".alternatives button")
        app.page.keyboard.press("a")
        assert scores.nth(1).get_attribute("aria-checked") == "true"
        app.page.keyboard.press("Shift+a")
        assert scores.nth(0).get_attribute("aria-checked") == "true"

        app.page.get_by_label("Object", exact=True).fill("kidney_right")
        app.page.keyboard.press("Escape")
        for slice_, key in ((low, "["), (high, "]")):
            app.go_to(grid, slice_)
            app.page.keyboard.press(key if grid_grows_upwards(volume.geometry) else {"[": "]", "]": "["}[key])
        app.page.keyboard.press("Enter")
        state = app.settled()
        (object_,) = state["objects"]
        prompt = object_["prompts"][0]
        assert object_["name"] == "kidney_right"
        assert object_["bounds"] == [low, high]
        box = [prompt["box"][name] for name in ("i0", "j0", "i1", "j1")]
        assert np.abs(np.subtract(box, target.box)).max() <= 1  # the mouse moves in pixels of the screen
        first = saved(app, tmp_path / "first.nii.gz")
        check_slice(app, volume, first, "axial", target.k)

        # One negative click on the neighbouring slice.
        app.go_to(grid, low)
        wrong = clickable(first[low] == 1)
        app.page.keyboard.press("n")
        app.page.mouse.click(*app.client_xy(grid, *grid.uv_to_display_xy(*wrong)))
        app.count(".prompts li", 2)
        app.settled()
        second = saved(app, tmp_path / "second.nii.gz")
        assert (second != first).any()
        assert not second[low, int(wrong[1]), int(wrong[0])]
        check_slice(app, volume, second, "axial", low)

        app.page.keyboard.press("Control+z")
        app.count(".prompts li", 1)
        np.testing.assert_array_equal(saved(app, tmp_path / "undone.nii.gz"), first)
        app.page.keyboard.press("Control+Shift+z")
        app.count(".prompts li", 2)
        np.testing.assert_array_equal(saved(app, tmp_path / "redone.nii.gz"), second)

        app.page.keyboard.press("r")
        next_slice = app.get(f"sessions/{state['id']}/next")
        app.page.get_by_text(f"Slice {next_slice['index']} of kidney_right").wait_for()

        app.page.reload()
        app.loaded()
        assert app.settled()["objects"] == app.session["objects"]
        check_slice(app, volume, second, "axial", target.k)
        # Through its largest part, in the only view: three slices of a kidney are few pixels elsewhere.
        app.focus("coronal")
        app.page.keyboard.press("g")
        check_slice(app, volume, second, "coronal", int(np.count_nonzero(second, axis=(0, 2)).argmax()))
        app.close()

    prompts = ("--slice", target.k, "--box", *box, "--bounds", low, high, "--name", "kidney_right")
    run_radsam("segment", phantom_ct.path, *prompts, "-o", "a.nii.gz", "--session", "a.radsam", cwd=tmp_path).done()
    np.testing.assert_array_equal(label_ids(tmp_path / "a.nii.gz"), first)
    click = (int(wrong[0]), int(wrong[1]), low)
    run_radsam("edit", "a.radsam", "--fix-not", *click, "--name", "kidney_right", "-o", "b.nii.gz", cwd=tmp_path).done()
    np.testing.assert_array_equal(label_ids(tmp_path / "b.nii.gz"), second)


def grid_grows_upwards(geometry: Geometry) -> bool:
    """Whether higher axial slices are nearer to the head, which the slice bar has at its top."""
    return bool(geometry.direction[2, SliceGrid.of(geometry, Plane.AXIAL).axis] > 0)


def clickable(mask: np.ndarray) -> tuple[float, float]:
    """A pixel (u, v) of a mask near its middle."""
    rows, cols = np.nonzero(mask)
    nearest = np.hypot(rows - rows.mean(), cols - cols.mean()).argmin()
    return float(cols[nearest]), float(rows[nearest])


@pytest.mark.parametrize(
    ("axes", "tilt_deg"),
    [("LPS", (0, 0, 0)), ("RAS", (0, 0, 0)), ("LAI", (12, -9, 15)), ("SRP", (-8, 10, 6))],
    ids=["usual", "flipped", "oblique_flipped", "oblique_stored_sagittally"],
)
def test_picture_and_masks_are_in_the_right_place(
    browser: Any, run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path, axes: str, tilt_deg: tuple[int, int, int]
) -> None:
    size = {"L": (64, 5.0), "R": (64, 5.0), "A": (48, 5.0), "P": (48, 5.0), "S": (20, 8.0), "I": (20, 8.0)}
    shape, spacing = zip(*(size[letter] for letter in axes), strict=True)
    phantom = make_phantom(shape_ijk=shape, spacing_mm_ijk=spacing, axes=axes, tilt_deg=tilt_deg)
    ct = tmp_path / "ct.nii.gz"
    write_volume(phantom.volume, ct)
    volume = read_volume(ct)
    grid = SliceGrid.of(volume.geometry, Plane.CORONAL)
    with serving(run_radsam, tmp_path, ct, "--model", tiny_bundle) as server:
        app = App.open(browser, server)
        app.page.keyboard.press("t")  # four equal views
        app.page.keyboard.press("x")  # without crosshair
        index = grid.count // 2
        app.go_to(grid, index)
        rows, cols = grid.shape_vu
        app.draw_box(grid, (cols // 5, rows // 4, cols // 2, rows // 2))
        app.page.keyboard.press("Enter")
        (object_,) = app.settled()["objects"]
        assert object_["plane"] == "coronal"
        assert object_["prompts"][0]["index"] == index
        ids = saved(app, tmp_path / "out.nii.gz")
        for plane in Plane:
            each = SliceGrid.of(volume.geometry, plane)
            areas = [int(each.take(ids == 1, n).sum()) for n in range(each.count)]
            check_slice(app, volume, ids, plane, int(np.argmax(areas)))
        app.close()


def test_with_the_keyboard_alone(
    browser: Any, run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    with serving(run_radsam, tmp_path, phantom_ct.path, "--model", tiny_bundle) as server:
        app = App.open(browser, server)
        press = app.page.keyboard.press
        for _ in range(40):
            press("Tab")
            if app.page.evaluate("document.activeElement?.dataset?.plane") == "axial":
                break
        else:
            raise AssertionError("the axial view cannot be reached with Tab")
        press("b")
        press("Shift+ArrowLeft")
        press("Space")
        for _ in range(2):
            press("Control+Shift+ArrowLeft")
            press("Control+Shift+ArrowUp")
        press("Space")
        app.page.wait_for_selector(".alternatives button[aria-checked=true]:not(:disabled)")
        press("ArrowUp")
        press("]")
        press("ArrowDown")
        press("ArrowDown")
        press("[")
        press("Enter")
        app.settled()
        press("p")
        press("Shift+ArrowRight")
        press("Space")
        app.count(".prompts li", 2)
        app.settled()
        press("Shift+?")
        app.page.get_by_role("dialog", name="Keys and mouse").wait_for()
        press("Escape")
        app.page.wait_for_selector("dialog", state="detached")
        press("Control+s")
        app.page.wait_for_selector("dialog")
        with app.page.expect_download() as download:
            press("Tab")
            press("Enter")
        download.value.save_as(tmp_path / "out.nii.gz")
        assert label_ids(tmp_path / "out.nii.gz").any()
        app.close()


def test_the_page_is_painted_before_the_voxels_arrive(
    browser: Any, run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    """So a large CT does not delay it."""
    with serving(run_radsam, tmp_path, phantom_ct.path, "--model", tiny_bundle) as server:
        page = browser.new_context().new_page()
        page.set_default_timeout(TIMEOUT_MS)
        held: list[Any] = []
        voxels = re.compile("/api/volumes/[^/]+/(slices|coarse)")
        page.route(voxels, lambda route: held.append(route))
        with page.expect_request(voxels):
            page.goto(server.url)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        page.wait_for_selector(".pane-loading")
        page.route(voxels, lambda route: route.continue_())
        for route in held:
            route.continue_()
        page.wait_for_selector(".pane-loading", state="detached")
        page.context.close()


def test_uploads_and_refusals(
    browser: Any, run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"this is not an image")
    with serving(run_radsam, tmp_path, "--model", tiny_bundle) as server:
        page = browser.new_page()
        page.goto(server.url)
        choose = page.get_by_label("File to upload")
        choose.set_input_files(tmp_path / "broken.nii.gz")
        page.get_by_role("alert").filter(has_text="damaged").wait_for(timeout=TIMEOUT_MS)
        choose.set_input_files(phantom_ct.path)
        page.wait_for_selector("[data-plane=axial]")
        page.wait_for_selector(".pane-loading", state="detached")
        assert page.locator(".volume-name").inner_text().startswith("ct")
        page.context.close()


def test_an_interrupted_propagation_can_be_resumed(
    browser: Any, run_radsam: CommandLine, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    target = phantom_ct.target("liver")
    grid = SliceGrid.of(phantom_ct.phantom.volume.geometry, Plane.AXIAL)
    with serving(run_radsam, tmp_path, phantom_ct.path) as server:
        app = App.open(browser, server)
        app.go_to(grid, target.k)
        app.draw_box(grid, target.box)
        app.page.keyboard.press("Enter")
        app.page.locator(".card .numbers").filter(has_text=re.compile("^[1-9]")).first.wait_for()
        server.process.send_signal(signal.SIGKILL)
        app.page.get_by_text("Reconnecting").wait_for()
        app.page.context.close()
    with serving(run_radsam, tmp_path, phantom_ct.path) as server:
        app = App.open(browser, server)
        card = app.page.get_by_label("Interrupted edit")
        assert "object 1" in card.inner_text()
        app.go_to(grid, app.session["interrupted"]["finished"][0])
        assert app.view(grid)[1].any()
        card.get_by_role("button", name="Resume").click()
        (object_,) = app.settled()["objects"]
        assert object_["voxels"] > 0
        app.close()


def test_accessible(
    browser: Any, run_radsam: CommandLine, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path
) -> None:
    """Every screen, list and dialog, in light and in dark."""
    if not AXE.is_file():
        pytest.skip("no axe-core here (npm ci in web/ installs it)")
    grid = SliceGrid.of(phantom_ct.phantom.volume.geometry, Plane.AXIAL)
    target = phantom_ct.target("liver")
    with serving(run_radsam, tmp_path, phantom_ct.path, "--model", tiny_bundle) as server:
        app = App.open(browser, server)
        found = violations(app.page)
        app.go_to(grid, target.k)
        app.draw_box(grid, target.box)
        app.page.keyboard.press("]")
        found += violations(app.page)
        app.page.keyboard.press("Enter")
        app.settled()
        found += violations(app.page)
        for key in ("Shift+?", "Control+s", "Control+o", "q"):
            app.page.keyboard.press(key)
            app.page.get_by_role("dialog").wait_for()
            found += violations(app.page)
            app.page.keyboard.press("Escape")
            app.page.wait_for_selector("dialog", state="detached")
        for menu in ("Look of masks and slices", "View settings"):
            app.page.get_by_role("button", name=menu).click()
            app.page.get_by_role("dialog", name=menu).wait_for()
            found += violations(app.page)
            app.page.keyboard.press("Escape")
        # An upright tablet has the panel as a sheet.
        app.page.set_viewport_size({"width": 768, "height": 1024})
        app.page.get_by_role("button", name="Objects", expanded=True).wait_for()
        found += violations(app.page)
        app.close()
        for status, heading in ((401, "Access token"), (503, "Drop")):
            page = browser.new_page()
            page.route("**/api/info", refusal(status))
            page.goto(server.url)
            page.get_by_text(heading).first.wait_for()
            found += violations(page)
            page.context.close()
    assert not found, "\n".join(found)


def refusal(status: int) -> Callable[[Any], None]:
    """Answer a request of the page with an error."""
    return lambda route: route.fulfill(status=status, json={"detail": "no"})


def test_a_real_ct(browser: Any, run_radsam: CommandLine, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ct" / "sarcoma_003"
    volume = read_volume(folder / "ct.nii.gz")
    truth = label_ids(folder / "seg.nii.gz") == 1
    target = Target.of(truth)
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    low, high = target.near(2)
    with serving(run_radsam, tmp_path, folder / "ct.nii.gz") as server:
        app = App.open(browser, server)
        app.go_to(grid, target.k)
        app.draw_box(grid, target.box)
        app.page.get_by_label(re.compile("^Set")).check()
        for slice_ in (low, high):
            app.go_to(grid, slice_)
            app.page.keyboard.press("[" if (slice_ == low) == grid_grows_upwards(volume.geometry) else "]")
        app.page.keyboard.press("Enter")
        app.settled()
        ids = saved(app, tmp_path / "out.nii.gz")
        assert dice(ids[low : high + 1] == 1, truth[low : high + 1]) > 0.6
        check_slice(app, volume, ids, "axial", target.k)
        app.close()


def test_pictures_of_the_docs(browser: Any, run_radsam: CommandLine, tmp_path: Path) -> None:
    if not (folder := os.environ.get("RADSAM_WEB_PICTURES")):
        pytest.skip("rewrites docs/web/*.png; set RADSAM_WEB_PICTURES to a folder to run it")
    pictures = Path(folder)
    phantom = make_phantom(shape_ijk=(288, 240, 44), spacing_mm_ijk=(1.2, 1.2, 5.0))
    write_volume(phantom.volume, tmp_path / "phantom.nii.gz")
    grid = SliceGrid.of(phantom.volume.geometry, Plane.AXIAL)
    organs = "spleen", "kidney_left", "liver"
    with serving(run_radsam, tmp_path, tmp_path / "phantom.nii.gz") as server:
        app = App.open(browser, server, color_scheme="dark")
        for count, organ in enumerate(organs, start=1):
            target = Target.of(phantom.mask(organ))
            app.go_to(grid, target.k)
            app.page.keyboard.press("o")
            app.draw_box(grid, target.box)
            app.page.get_by_label("Object", exact=True).fill(organ)
            app.page.keyboard.press("Escape")  # closes the list of names
            app.page.keyboard.press("Escape")  # leaves the field
            low, high = target.near(9)
            for slice_, key in ((low, "["), (high, "]"), (target.k, "v")):
                app.go_to(grid, slice_)
                app.page.keyboard.press(key)
            if organ == "liver":
                app.page.keyboard.press("b")
                picture(app, pictures / "prompt.png")
            app.page.keyboard.press("Enter")
            app.settled(objects=count)
        app.page.keyboard.press("p")
        wrong = clickable((phantom.mask("liver") | phantom.mask("liver_tumour"))[target.k])
        app.page.mouse.click(*app.client_xy(grid, *grid.uv_to_display_xy(*wrong)))
        app.count(".prompts li", 2)
        app.settled(objects=3)
        app.page.get_by_role("button", name="Show 3D").click()
        app.page.locator(".view-from").wait_for()
        app.page.wait_for_timeout(15000)  # software WebGL draws the first scene
        picture(app, pictures / "result.png")
        app.page.keyboard.press("m")
        tumour = Target.of(phantom.mask("liver_tumour"))
        app.go_to(grid, tumour.k)
        corners = [grid.uv_to_display_xy(float(u), float(v)) for u, v in (tumour.box[:2], tumour.box[2:])]
        app.drag(*(app.client_xy(grid, *corner) for corner in corners))
        app.count(".measurement-list .value", 1)
        for name, width, colours in (("desktop", 1920, "dark"), ("tablet", 810, "light")):
            app.page.emulate_media(color_scheme=colours)
            app.page.set_viewport_size({"width": width, "height": 1080})
            app.page.wait_for_timeout(5000)  # the 3D view follows
            picture(app, pictures / f"{name}.png")
        app.page.context.close()


def picture(app: App, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    app.page.mouse.move(300, 5)  # away from the views
    # The colours of small objects stay, which the usual palette loses.
    few = Image.fromarray(app.screenshot()).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
