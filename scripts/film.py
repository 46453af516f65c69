"""Make the moving picture of the README: a box on one slice, the mask growing slice by slice, a click that corrects it.

    python scripts/film.py film.webp                                                 # of the CT phantom
    python scripts/film.py docs/box-mask-click.webp --ct DATA/ct/liver_hcc015a_3/ct.nii.gz \
        --box 32 142 137 179 168 --bounds 9 46 --click 162 145 21 --name kidney      # the README's

Every mask is the model's; nothing is drawn by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

import radsam
from radsam.data.adapters.phantom import make_phantom
from radsam.render.page_text import DIM_COLOUR, PAGE_COLOUR, write_text
from radsam.render.slice_drawing import Viewport, draw_box, draw_outline, draw_prompt, draw_slice
from radsam.render.slice_picture import crop_around
from radsam.volume import Bounds, Box, Plane, Point, SliceGrid, Volume
from radsam.volume.object_colours import OBJECT_COLOURS

Voxels = Bool[np.ndarray, "k j i"]

SIZE = (760, 372)
#: Left, top, width and height of the slice and of the section across all slices.
_SLICE, _SECTION = (8, 40, 392, 324), (408, 40, 344, 324)
_WINDOW_HU = (-150.0, 250.0)
#: Shown around the object on each side: a share of its size, and at least this many mm.
_CONTEXT, _CONTEXT_MM = 0.2, 25.0
_COLOUR = OBJECT_COLOURS[0]
_FILL = 0.28
#: What a frame is shown for, in ms: a step of a movement, a slice, a state to look at, the end.
_STEP, _SLICE_TIME, _LOOK, _END = 70, 90, 1100, 2600


@dataclass(frozen=True, eq=False)
class Story:
    """What the film tells.

    Args:
        volume: A CT.
        box: The first prompt, on an axial slice.
        bounds: First and last slice.
        click: The correction.
        name: The object.
    """

    volume: Volume
    box: Box
    bounds: Bounds
    click: Point
    name: str


@dataclass(frozen=True, eq=False)
class Masks:
    """What the model predicted.

    Args:
        first: The mask from the box.
        order: Its slices as they were predicted.
        corrected: The mask after the click.
    """

    first: Voxels
    order: Sequence[int]
    corrected: Voxels


def of_phantom() -> Story:
    """Return the story of `radsam demo`: a box that leaves out a fifth of the liver, and a click into that fifth."""
    from radsam.cli.demo_command import hurried_box

    phantom = make_phantom(seed=0)
    liver = phantom.mask("liver") | phantom.mask("liver_tumour")
    box, bounds = hurried_box(liver)
    column = (int(np.flatnonzero(liver[box.k].any(axis=0))[0]) + box.i0) // 2
    rows = np.flatnonzero(liver[box.k][:, column])
    click = Point(i=column, j=int(rows[len(rows) // 2]), k=box.k)
    return Story(phantom.volume, box, bounds, click, "liver")


def segment(story: Story, engine: radsam.Engine) -> Masks:
    """Segment and correct the object."""
    session = engine.open(story.volume)
    order: list[int] = []
    session.segment(
        story.box, bounds=story.bounds, name=story.name, progress=lambda done: order.append(done.slice_mask.index)
    )
    first = session.mask(story.name)
    session.correct(story.click, name=story.name)
    return Masks(first, order, session.mask(story.name))


class Film:
    """Draws the frames of a story."""

    def __init__(self, story: Story, masks: Masks) -> None:
        self.story, self.masks = story, masks
        geometry = story.volume.geometry
        self.axial, self.coronal = SliceGrid.of(geometry, Plane.AXIAL), SliceGrid.of(geometry, Plane.CORONAL)
        self.slice_view, self.section_view = self._view(self.axial, _SLICE), self._view(self.coronal, _SECTION)
        self.section = story.click.j

    def _view(self, grid: SliceGrid, area: tuple[int, int, int, int]) -> Viewport:
        """Show the object and what is around it."""
        seen = grid.to_display((self.masks.first | self.masks.corrected).any(axis=2 - grid.axis))
        xy = np.argwhere(seen)[:, ::-1].astype(np.float64)
        crop = crop_around(xy, grid.display_shape, grid.display_spacing_mm, share=_CONTEXT, margin=_CONTEXT_MM)
        return Viewport.fit(grid, area, crop)

    def frames(self) -> Iterator[tuple[Image.Image, int]]:
        """Yield each frame and its time in ms."""
        story, masks = self.story, self.masks
        start, wrong = story.box.k, story.click.k
        nothing = np.zeros_like(masks.first)
        for share in np.linspace(0.15, 1.0, 8):
            yield self._frame("1. A box on one slice", start, nothing, box=float(share)), _STEP
        yield self._frame("1. A box on one slice", start, nothing, box=1.0), _LOOK
        reached = nothing.copy()
        reached[start] = masks.first[start]
        yield self._frame("2. The model segments that slice ...", start, reached, box=1.0), _LOOK
        for done, k in enumerate(masks.order):
            reached[k] = masks.first[k]
            if done % 2 == 0 or k == masks.order[-1]:
                yield self._frame("2. ... and its mask propagates, slice by slice", k, reached), _SLICE_TIME
        yield self._frame("2. ... and its mask propagates, slice by slice", masks.order[-1], masks.first), _LOOK
        yield self._frame("3. One click where it is wrong ...", wrong, masks.first), _LOOK
        yield self._frame("3. One click where it is wrong ...", wrong, masks.first, click=True), _LOOK
        mixed = masks.first.copy()
        mixed[wrong] = masks.corrected[wrong]
        yield self._frame("3. ... corrects that slice ...", wrong, mixed, click=True), _LOOK
        yield self._frame("3. ... and what belongs to it on its neighbours", wrong, masks.corrected, click=True), _END

    def _frame(self, caption: str, k: int, mask: Voxels, *, box: float = 0.0, click: bool = False) -> Image.Image:
        """Draw both views; `box` is the share of the box that is drawn yet."""
        page = Image.new("RGB", SIZE, PAGE_COLOUR)
        write_text(page, (8, 12), caption, 19)
        write_text(page, (SIZE[0] - 8, 16), "Not for diagnostic use", 12, colour=DIM_COLOUR, anchor="rt")
        for view, grid, index in ((self.slice_view, self.axial, k), (self.section_view, self.coronal, self.section)):
            draw_slice(page, view, self.story.volume, grid, index, _WINDOW_HU)
            _draw_mask(page, view, grid.to_display(grid.take(mask, index)))
        write_text(page, (self.slice_view.left + 6, self.slice_view.top + 5), f"axial {k}", 13, halo=True)
        write_text(page, (self.section_view.left + 6, self.section_view.top + 5), "coronal", 13, halo=True)
        self._draw_line(page, k)
        if box:
            self._draw_box(page, box)
        if click:
            for view, grid, index in (
                (self.slice_view, self.axial, k),
                (self.section_view, self.coronal, self.section),
            ):
                draw_prompt(page, view, grid, index, self.story.click, 9.0)
        return page

    def _draw_box(self, page: Image.Image, share: float) -> None:
        u0, v0, u1, v1 = self.story.box.uvuv
        corners = np.array(
            [self.axial.uv_to_display_xy(u0 - 0.5, v0 - 0.5), self.axial.uv_to_display_xy(u1 + 0.5, v1 + 0.5)]
        )
        near, far = self.slice_view.to_page(np.stack([corners.min(axis=0), corners.max(axis=0)]))
        draw_box(page, self.slice_view, np.stack([near, near + share * (far - near)]), 8.0)

    def _draw_line(self, page: Image.Image, k: int) -> None:
        """Mark the axial slice's place in the section."""
        _, u, v = self.coronal.split((0, self.section, k))
        y = self.section_view.to_page(np.array(self.coronal.uv_to_display_xy(float(u), float(v))))[1]
        left, right = self.section_view.left, self.section_view.left + self.section_view.width - 1
        page.paste(DIM_COLOUR, (left, round(float(y)), right, round(float(y)) + 1))


def _draw_mask(page: Image.Image, view: Viewport, mask: Bool[np.ndarray, "rows cols"]) -> None:
    x0, y0, x1, y1 = (edge + 0.5 for edge in view.crop)
    ink = Image.fromarray((mask * round(255 * _FILL)).astype(np.uint8)).resize(
        (view.width, view.height), Image.Resampling.NEAREST, box=(x0, y0, x1, y1)
    )
    page.paste(_COLOUR, (view.left, view.top), ink)
    draw_outline(page, view, mask, _COLOUR, width=1.8)


def save(frames: Iterator[tuple[Image.Image, int]], path: Path, quality: int) -> None:
    """Write an animated WebP that repeats for ever."""
    pictures, times = zip(*frames, strict=True)
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=list(times), loop=0, quality=quality, method=6
    )


def main() -> None:
    """Read the arguments and write the film."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ct", type=Path, help="the phantom if left out")
    parser.add_argument("--box", type=int, nargs=5, metavar=("K", "I0", "J0", "I1", "J1"))
    parser.add_argument("--bounds", type=int, nargs=2)
    parser.add_argument("--click", type=int, nargs=3, metavar=("I", "J", "K"))
    parser.add_argument("--click-not", type=int, nargs=3, metavar=("I", "J", "K"))
    parser.add_argument("--name", default="object")
    parser.add_argument("--quality", type=int, default=55)
    given = parser.parse_args()
    if given.ct:
        k, i0, j0, i1, j1 = given.box
        i, j, at = given.click or given.click_not
        story = Story(
            radsam.read_volume(given.ct),
            Box(k=k, i0=i0, j0=j0, i1=i1, j1=j1),
            Bounds(*given.bounds),
            Point(i=i, j=j, k=at, positive=bool(given.click)),
            given.name,
        )
    else:
        story = of_phantom()
    save(Film(story, segment(story, radsam.load())).frames(), given.out, given.quality)


if __name__ == "__main__":
    main()
