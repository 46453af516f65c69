"""Try napari's nnInteractive plug-in with `radsam serve`, as a person would: mouse, buttons, export.

Runs in napari's own environment, which needs no radsam; `scripts/try_napari.sh` makes it and starts this. A real napari
window is opened (under Xvfb where there is no screen), the volume is read by the plug-in's own reader, and every prompt
is drawn with the mouse. What comes back is exported by the plug-in and compared, voxel by voxel, with the masks that
the command line makes of the same prompts. Any difference ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import napari
import numpy as np
import SimpleITK as sitk
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog

POINT, BOX, SCRIBBLE, LASSO = range(4)
#: Longest wait for an answer of the server; a propagation takes seconds.
SECONDS = 300.0
LABELS = "nnInteractive - Label Layer"


def wait_until(reached: Callable[[], bool], what: str) -> None:
    """Process the window's events until something holds."""
    end = time.monotonic() + SECONDS
    while not reached():
        if time.monotonic() > end:
            sys.exit(f"Waited {SECONDS:.0f} s for: {what}")
        QApplication.processEvents()
        time.sleep(0.02)


@contextmanager
def serving(radsam: list[str], folder: Path) -> Iterator[str]:
    """Start `radsam serve` on a free port; yield its address."""
    line = [*radsam, "serve", "--no-browser", "--port", "0", "--state", str(folder / "state")]
    log = folder / "serve.log"
    found: re.Match[str] | None = None
    with log.open("w") as out, subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT) as server:
        try:
            wait_until(lambda: "http://" in log.read_text() or server.poll() is not None, "the server's start")
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            if found is None:
                sys.exit(f"The server did not start:\n{log.read_text()}")
            # The first claim loads packages, and the plug-in waits 60 s for its own.
            urllib.request.urlopen(f"{found[0]}/claim", data=b"", timeout=SECONDS).close()
            yield found[0]
        finally:
            server.terminate()


@dataclass
class Stored:
    """How the voxels of the window's array lie in the file.

    Args:
        shape_kji: Shape of both.
        flipped: Which axes of the array run against the file's.
    """

    shape_kji: tuple[int, ...]
    flipped: tuple[bool, ...]

    @classmethod
    def of(cls, path: Path) -> Stored:
        """The reader gives superior, anterior, right: the file may be stored in any of the eight mirrored ways."""
        image = sitk.ReadImage(str(path))
        direction = np.array(image.GetDirection()).reshape(3, 3)
        if (np.abs(direction).argmax(axis=0) != np.arange(3)).any():
            sys.exit("Give a volume whose slices are stored as axial ones.")
        signs = np.diag(direction)[::-1] * (1, -1, -1)  # ITK's x grows to the left, its y to the back
        return cls(image.GetSize()[::-1], tuple(bool(each < 0) for each in signs))

    def voxel(self, index_kji: list[int]) -> list[int]:
        """Return a voxel of the array as (k, j, i) of the file."""
        sizes = zip(index_kji, self.shape_kji, self.flipped, strict=True)
        return [size - 1 - at if flipped else at for at, size, flipped in sizes]

    @property
    def slices(self) -> tuple[slice, ...]:
        """How to turn a mask of the array into one of the file."""
        return tuple(slice(None, None, -1 if flipped else None) for flipped in self.flipped)


class Window:
    """A napari window with the plug-in, worked with the mouse.

    Args:
        volume: The file to open.
        url: Address of the server.
    """

    def __init__(self, volume: Path, url: str) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1280, 860)
        self.layer = self.viewer.open(volume, plugin="napari-nifti")[0]
        self.layer.contrast_limits = (-160, 240)
        _, self.plugin = self.viewer.window.add_plugin_dock_widget("napari-nninteractive", "nnInteractive")
        self.plugin.server_url_edit.setText(url)
        self.plugin.init_button.click()
        wait_until(
            lambda: self.plugin.session is not None and any("Layer" in each.name for each in self._prompts()),
            "the plug-in's connection: " + url,
        )
        wait_until(lambda: self.plugin._upload_dialog is None, "the upload")

    def _prompts(self) -> list[object]:
        return [each for each in self.viewer.layers if each.name in self.plugin.layer_dict.values()]

    @property
    def mask(self) -> np.ndarray:
        """The mask that the window shows."""
        return np.asarray(self.viewer.layers[LABELS].data) > 0

    def show_slice(self, axis: int, index: int) -> None:
        """Look across an axis of the array, at one of its slices, with the whole slice in sight."""
        self.viewer.dims.order = (axis, *(each for each in range(3) if each != axis))
        self.viewer.reset_view()
        at = [0.0, 0.0, 0.0]
        at[axis] = index
        self.viewer.dims.set_point(axis, self.layer.data_to_world(at)[axis])
        QApplication.processEvents()

    def choose(self, tool: int, positive: bool = True) -> None:
        """Press the buttons of a tool and of positive or negative."""
        self.plugin.prompt_button.buttons[0 if positive else 1].click()
        if self.plugin.interaction_button.index != tool:
            self.plugin.interaction_button.buttons[tool].click()
        QApplication.processEvents()

    def drag(self, *way_kji: tuple[float, float, float]) -> None:
        """Press the left button on the first voxel, move along the others, release."""
        canvas = self.viewer.window._qt_viewer.canvas
        left, none, button = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
        places = [self._pixel(each) for each in way_kji]
        self._mouse(canvas.native, QEvent.Type.MouseMove, places[0], none, none)
        self._mouse(canvas.native, QEvent.Type.MouseButtonPress, places[0], button, left)
        for place in places[1:]:
            self._mouse(canvas.native, QEvent.Type.MouseMove, place, none, left)
        self._mouse(canvas.native, QEvent.Type.MouseButtonRelease, places[-1], button, none)
        if self.plugin.session is None:
            sys.exit("The answer took longer than the 60 s that the plug-in waits. Slices are kept, so try again.")

    def _pixel(self, voxel_kji: tuple[float, float, float]) -> QPointF:
        """Return where the canvas shows a voxel."""
        view = self.viewer.window._qt_viewer.canvas.view
        rows, cols = self.viewer.dims.displayed
        world = self.layer.data_to_world(voxel_kji)
        x, y, *_ = (view.transform * view.scene.transform).map([world[cols], world[rows]])
        return QPointF(float(x), float(y))

    def _mouse(self, widget: object, kind: object, at: QPointF, button: object, held: object) -> None:
        far = QPointF(widget.mapToGlobal(QPoint(round(at.x()), round(at.y()))))
        event = QMouseEvent(kind, at, far, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(widget, event)
        QApplication.processEvents()

    def export(self, folder: Path, volume: Path) -> np.ndarray:
        """Press the export button; return the last object's file, on the grid of the volume."""
        folder.mkdir(exist_ok=True)
        with patch.object(QFileDialog, "getExistingDirectory", lambda *_, **__: str(folder)):
            self.plugin.export_button.click()
        newest = max(folder.rglob("*.nii.gz"), key=lambda each: each.name)
        found = sitk.Resample(
            sitk.ReadImage(str(newest)), sitk.ReadImage(str(volume)), interpolator=sitk.sitkNearestNeighbor
        )
        return sitk.GetArrayFromImage(found) > 0


class CommandLine:
    """The same prompts on the command line.

    Args:
        radsam: The program and its first arguments.
        volume: The file.
        folder: Where results go.
    """

    def __init__(self, radsam: list[str], volume: Path, folder: Path) -> None:
        self._radsam, self._volume, self._folder = radsam, volume, folder

    def segment(self, name: str, *options: object) -> np.ndarray:
        """Start an object, in a session of its own."""
        return self._run("segment", self._volume, "--session", self._session(name), *options)

    def edit(self, name: str, *options: object) -> np.ndarray:
        """Change it."""
        return self._run("edit", self._session(name), *options)

    def _session(self, name: str) -> Path:
        return self._folder / f"{name}.radsam"

    def _run(self, *words: object) -> np.ndarray:
        out = self._folder / "of-the-command-line.nii.gz"
        line = [*self._radsam, *map(str, words), "-o", str(out)]
        print("$ radsam", shlex.join(line[len(self._radsam) :]))
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return sitk.GetArrayFromImage(sitk.ReadImage(str(out))) > 0


class Tried:
    """What was tried, and how it went."""

    def __init__(self) -> None:
        self.failed = 0

    def same(self, what: str, found: np.ndarray, wanted: np.ndarray) -> None:
        """Note whether two masks are equal."""
        differ = int((found != wanted).sum())
        self.holds(
            f"{what}: {int(found.sum())} voxels, {differ} of them other than wanted", differ == 0 and found.any()
        )

    def holds(self, what: str, good: object) -> None:
        """Note whether something holds."""
        self.failed += not good
        print("  ok " if good else "BAD ", what, flush=True)


def try_it(window: Window, line: CommandLine, stored: Stored, args: argparse.Namespace, folder: Path) -> int:
    """Draw every kind of prompt; return how many answers were wrong."""
    tried = Tried()
    k, i0, j0, i1, j1 = args.box

    # The command line goes first: it keeps the encoded slices, and the plug-in waits 60 s for an answer.
    a, b = stored.voxel([k, j0, i0]), stored.voxel([k, j1, i1])
    corners = [min(a[2], b[2]), min(a[1], b[1]), max(a[2], b[2]), max(a[1], b[1])]
    whole = line.segment("axial", "--slice", a[0], "--box", *corners)
    window.show_slice(0, k)
    window.choose(BOX)
    window.drag((k, j0 - 0.4, i0 - 0.4), (k, (j0 + j1) / 2, (i0 + i1) / 2), (k, j1 + 0.4, i1 + 0.4))
    box = window.mask
    tried.same("a box on an axial slice", box[stored.slices], whole)

    window.choose(POINT, args.positive)
    window.drag(tuple(args.point))
    clicked = window.mask
    ck, cj, ci = stored.voxel(args.point)
    fix = "--fix" if args.positive else "--fix-not"
    tried.same("a click as a correction", clicked[stored.slices], line.edit("axial", fix, ci, cj, ck))
    if args.screenshot:
        window.choose(POINT, args.positive)
        window.viewer.window.screenshot(str(args.screenshot), canvas_only=False)

    window.plugin.undo_button.click()
    tried.same("undo", window.mask, box)

    window.choose(SCRIBBLE, False)
    window.drag(*[(k, (j0 + j1) // 2, i) for i in range(i0, (i0 + i1) // 2)])
    drawn = window.mask
    tried.holds(f"a negative scribble takes away {int((box & ~drawn).sum())} voxels", (box & ~drawn)[k].any())
    window.plugin.undo_button.click()
    tried.same("undo", window.mask, box)

    window.choose(LASSO, False)
    half = (i0 + i1) // 2
    window.drag(*[(k, *each) for each in ((j0, half), (j0, i1 + 3), (j1, i1 + 3), (j1, half), (j0, half))])
    cut = window.mask
    inside = (slice(j0 + 2, j1 - 1), slice(half + 2, i1))
    left = int(cut[k][inside].sum())
    tried.holds(f"a negative lasso over the right half leaves {left} voxels in it", left * 4 < box[k][inside].sum())

    exported = window.export(folder / "exported", args.volume)
    tried.same("the exported file, on the grid of the volume", exported, cut[stored.slices])
    tried.holds("the next object is empty", not window.mask.any())

    j, k0, i0, k1, i1 = args.coronal
    a, b = stored.voxel([k0, j, i0]), stored.voxel([k1, j, i1])
    corners = [min(a[2], b[2]), min(a[0], b[0]), max(a[2], b[2]), max(a[0], b[0])]
    other = line.segment("coronal", "--plane", "coronal", "--slice", a[1], "--box", *corners)
    window.show_slice(1, j)
    window.choose(BOX)
    window.drag((k0 - 0.4, j, i0 - 0.4), ((k0 + k1) / 2, j, (i0 + i1) / 2), (k1 + 0.4, j, i1 + 0.4))
    tried.same("a box on a coronal slice", window.mask[stored.slices], other)

    window.plugin.reset_interaction_button.click()
    tried.holds("reset: the mask is empty", not window.mask.any())
    return tried.failed


def main() -> None:
    """Start a server and a window, and try it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path, help="A NIfTI file whose slices are stored as axial ones.")
    parser.add_argument("--radsam", default="radsam", help="The program, with its environment's path.")
    parser.add_argument("--box", type=int, nargs=5, required=True, metavar=("K", "I0", "J0", "I1", "J1"))
    parser.add_argument("--coronal", type=int, nargs=5, required=True, metavar=("J", "K0", "I0", "K1", "I1"))
    parser.add_argument("--point", type=int, nargs=3, required=True, metavar=("K", "J", "I"), help="The click.")
    parser.add_argument("--positive", action="store_true", help="The click belongs to the object.")
    parser.add_argument("--screenshot", type=Path, help="Where to store a picture of the window.")
    args = parser.parse_args()
    radsam, stored = shlex.split(args.radsam), Stored.of(args.volume)
    with tempfile.TemporaryDirectory() as folder, serving(radsam, Path(folder)) as url:
        window = Window(args.volume, url)
        failed = try_it(window, CommandLine(radsam, args.volume, Path(folder)), stored, args, Path(folder))
        window.viewer.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
