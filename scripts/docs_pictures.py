"""Take the pictures of docs/start and docs/explained anew, with the program itself, a browser and the CT phantom.

python scripts/docs_pictures.py [first-mask] [first-project] [propagation]

Needs the extra `dev` and Chromium, as the tests of the page do. The pictures of docs/web.md are made by
tests/e2e/test_web_app.py (CONTRIBUTING.md).
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import App, chromium, serving  # noqa: E402
from command_line import CommandLine, Target  # noqa: E402
from radsam.data.adapters.phantom import make_phantom  # noqa: E402
from radsam.io.volume_read import read_labels  # noqa: E402
from radsam.io.volume_write import write_volume  # noqa: E402
from radsam.render.slice_drawing import Viewport  # noqa: E402
from radsam.render.slice_picture import Outlined, SlicePicture, crop_around  # noqa: E402
from radsam.session import load  # noqa: E402
from radsam.simulate import centre_click  # noqa: E402
from radsam.volume import Box, Plane, SliceGrid  # noqa: E402
from radsam.volume.object_colours import OBJECT_COLOURS  # noqa: E402

#: Small enough to read the page's words when the picture is as wide as a text.
SIZE = {"width": 1240, "height": 740}
RING = "#ff4fa3"


def main(wanted: list[str]) -> None:
    """Take the pictures that are named, or all."""
    makers = {"first-mask": first_mask, "first-project": first_project, "propagation": propagation}
    if unknown := sorted(set(wanted) - set(makers)):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(makers)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted or makers:
            (work := Path(folder) / name).mkdir()
            makers[name](work)


def first_mask(work: Path) -> None:
    """From the open page to the saved mask, on the phantom of `radsam demo`."""
    phantom, out = make_phantom(seed=0), ROOT / "docs" / "start" / "first-mask"
    write_volume(phantom.volume, work / "ct.nii.gz")
    truth = phantom.mask("liver") | phantom.mask("liver_tumour")
    target, grid = Target.of(truth), SliceGrid.of(phantom.volume.geometry, Plane.AXIAL)
    with chromium() as browser, serving(CommandLine(work), work, work / "ct.nii.gz") as server:
        app = App.open(browser, server, color_scheme="dark", **SIZE)
        app.page.keyboard.press("x")  # without crosshair
        app.go_to(grid, target.k)
        save(app, out / "1-open.png")
        app.draw_box(grid, target.box)
        app.page.get_by_label("Object", exact=True).fill("liver")
        app.page.keyboard.press("Escape")  # closes the list of names
        app.page.keyboard.press("Escape")  # leaves the field
        for slice_, key in zip(target.bounds, "[]", strict=True):
            app.go_to(grid, slice_)
            app.page.keyboard.press(key)
        app.go_to(grid, target.k)
        save(app, out / "2-box.png")
        app.page.keyboard.press("Enter")
        app.settled()
        mask = saved_mask(app, work)
        worst = int(np.argmax([np.count_nonzero(mask[k] != truth[k]) for k in range(len(truth))]))
        click = centre_click(mask[worst], truth[worst])
        assert click is not None
        app.page.keyboard.press("p")
        app.go_to(grid, worst)
        ring = app.client_xy(grid, *grid.uv_to_display_xy(float(click.x), float(click.y)))
        save(app, out / "3-wrong.png", ring)
        with app.page.expect_response(lambda each: each.url.endswith("/correct")):
            click_on(app, ring, click.positive)
        app.count(".prompts li", 2)
        app.settled()
        save(app, out / "4-corrected.png", ring)
        app.page.keyboard.press("Control+s")
        save(app, out / "5-save.png")
        app.page.context.close()


def saved_mask(app: App, work: Path) -> np.ndarray:
    """The first object's voxels, without a message on the page."""
    session = re.search(r"session=([^&]+)", app.page.url)
    assert session
    answer = app.page.request.get(f"{app.server.url}api/sessions/{session[1]}/export?format=nii.gz")
    (work / "mask.nii.gz").write_bytes(answer.body())
    return np.asarray(read_labels(work / "mask.nii.gz").ids) == 1


def dismiss_messages(app: App) -> None:
    """Close what lies over the page for a while."""
    while app.page.locator(".toasts button").count():
        app.page.locator(".toasts button").first.click()


def click_on(app: App, place: tuple[float, float], positive: bool) -> None:
    """Click what is missing, or with Shift what is too much."""
    if not positive:
        app.page.keyboard.down("Shift")
    app.page.mouse.click(*place)
    app.page.keyboard.up("Shift")


def first_project(work: Path) -> None:
    """A project of three phantoms: a case at work, and the worklist after it."""
    out, labels = ROOT / "docs" / "start" / "first-project", ("liver", "spleen")
    phantoms = {f"case{seed}": make_phantom(seed=seed) for seed in (1, 2, 3)}
    (work / "ct").mkdir()
    for name, each in phantoms.items():
        write_volume(each.volume, work / "ct" / f"{name}.nii.gz")
    (work / "labels.toml").write_text(
        "".join(f'[[label]]\nname = "{name}"\nvalue = {value}\n' for value, name in enumerate(labels, start=1)), "utf-8"
    )
    radsam = CommandLine(work)
    create = ("project", "create", "abdomen", "--cases", "ct", "--labels", "labels.toml", "--order", "listed")
    radsam(*create, cwd=work).done()
    phantom = phantoms["case1"]
    grid = SliceGrid.of(phantom.volume.geometry, Plane.AXIAL)
    with chromium() as browser, serving(radsam, work, "--project", work / "abdomen") as server:
        app = App.start(browser, server, color_scheme="dark", **SIZE)
        app.page.get_by_text("case1").first.wait_for()
        app.page.keyboard.press("n")
        app.loaded()
        app.page.keyboard.press("x")  # without crosshair
        for number, label in enumerate(labels, start=1):
            truth = phantom.mask(label) | (phantom.mask("liver_tumour") if label == "liver" else False)
            target = Target.of(truth)
            app.page.keyboard.press(str(number))
            app.go_to(grid, target.k)
            app.draw_box(grid, target.box)
            for slice_, key in zip(target.bounds, "[]", strict=True):
                app.go_to(grid, slice_)
                app.page.keyboard.press(key)
            app.go_to(grid, target.k)
            app.page.keyboard.press("Enter")
            app.page.wait_for_selector(".card progress")
            app.page.wait_for_selector(".card progress", state="detached")
            if label == labels[-1]:
                save(app, out / "1-case.png")
            with app.page.expect_response(lambda each: each.url.endswith("/done")):
                app.page.keyboard.press("Shift+D")
        app.page.keyboard.press("Shift+W")
        app.page.get_by_text(re.compile(r"^All \d")).first.click()
        app.page.get_by_text("case1").first.wait_for()
        dismiss_messages(app)
        save(app, out / "2-worklist.png")
        app.page.context.close()


def propagation(work: Path) -> None:
    """A strip of slices: the box, and the mask from there to the liver's last slice."""
    phantom = make_phantom(seed=0)
    truth = phantom.mask("liver") | phantom.mask("liver_tumour")
    target, grid = Target.of(truth), SliceGrid.of(phantom.volume.geometry, Plane.AXIAL)
    box = Box.on(grid, target.k, *target.box)
    session = load(None).open(phantom.volume)
    session.segment(box, bounds=target.bounds, name="liver")
    picture = SlicePicture(
        phantom.volume, grid, (-160.0, 240.0), [Outlined(session.mask("liver"), OBJECT_COLOURS[0])], [box]
    )
    around = crop_around(
        picture.object_pixels(*target.bounds), grid.display_shape, grid.display_spacing_mm, share=0.08, margin=8.0
    )
    slices = np.linspace(target.k, target.bounds[1], 6).round().astype(int)
    tile = Viewport.fit(grid, (0, 0, 200, 200), around)
    page = Image.new("RGB", (len(slices) * (tile.width + 4) - 4, tile.height), "white")
    for number, index in enumerate(slices):
        view = Viewport(tile.crop, number * (tile.width + 4), 0, tile.width, tile.height)
        picture.draw(page, view, int(index), line_px=2, mark_px=6, caption_size=14)
    shrink(page, ROOT / "docs" / "explained" / "propagation.png")


def save(app: App, path: Path, ring: tuple[float, float] | None = None) -> None:
    """Save the page as a small picture, with a ring around a place."""
    app.page.mouse.move(300, 5)  # away from the views
    app.page.wait_for_timeout(400)
    page = Image.open(io.BytesIO(app.page.screenshot())).convert("RGB")
    if ring:
        x, y = ring
        ImageDraw.Draw(page).ellipse((x - 16, y - 16, x + 16, y + 16), outline=RING, width=3)
    shrink(page, path)


def shrink(picture: Image.Image, path: Path) -> None:
    """Save with few colours; those of small objects stay, which the usual palette loses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
