"""Draw slices with their objects and prompts, as all pages and tiles show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from radsam.render.page_text import write_text
from radsam.render.slice_drawing import Crop, Viewport, draw_outline, draw_prompt, draw_slice
from radsam.volume import Prompt, SliceGrid, Volume
from radsam.volume.object_colours import Colour


class Outlined(NamedTuple):
    """An object, the colour of its outline, and the line's width relative to other lines."""

    mask: Bool[np.ndarray, "k j i"]
    colour: Colour
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class SlicePicture:
    """Volume, objects and prompts, drawn slice by slice of a plane.

    Args:
        volume: The volume.
        grid: Its slices.
        window: The values that become black and white, the lower first.
        objects: Their outlines; later ones lie on top.
        prompts: Each is drawn on its own slice.
    """

    volume: Volume
    grid: SliceGrid
    window: tuple[float, float]
    objects: Sequence[Outlined] = ()
    prompts: Sequence[Prompt] = ()

    def draw(
        self, page: Image.Image, view: Viewport, index: int, *, line_px: float, mark_px: float, caption_size: int = 0
    ) -> None:
        """Draw one slice; outlines' width, half a point mark's length and the caption's height are in page pixels."""
        draw_slice(page, view, self.volume, self.grid, index, self.window)
        for mask, colour, weight in self.objects:
            shown = self.grid.to_display(self.grid.take(mask, index))
            draw_outline(page, view, shown, colour, width=line_px * weight)
        for prompt in self.prompts:
            draw_prompt(page, view, self.grid, index, prompt, mark_px)
        if caption_size:
            write_text(page, (view.left + 5, view.top + 4), f"{self.grid.axis_name} {index}", caption_size, halo=True)

    def object_pixels(self, low: int, high: int) -> Float[np.ndarray, "n 2"]:
        """Return the displayed pixels (x, y) of all objects on the slices `low` to `high`."""
        seen = np.zeros(self.grid.display_shape, dtype=bool)
        for each in self.objects:
            part = np.moveaxis(each.mask, 2 - self.grid.axis, 0)[low : high + 1]
            seen |= self.grid.to_display(np.asarray(part.any(axis=0)))
        return np.argwhere(seen)[:, ::-1].astype(np.float64)


def crop_around(
    xy: Float[np.ndarray, "n 2"],
    shape: tuple[int, int],
    spacing: tuple[float, float] = (1.0, 1.0),
    *,
    share: float,
    margin: float,
    square: bool = False,
) -> Crop | None:
    """Return the part of a slice that holds some pixels with context around them; None without pixels.

    Args:
        xy: Pixels (x, y) as displayed.
        shape: Rows and columns of the slice.
        spacing: Distance of rows and of columns, for example in mm.
        share: Context on each side, as a share of their extent.
        margin: Smallest context on each side, in the unit of `spacing`.
        square: Take a square. Every part moves inwards at the slice's border.
    """
    if not len(xy):
        return None
    unit, extent = np.array(spacing[::-1]), np.array(shape[::-1], dtype=np.float64)
    low, high = xy.min(axis=0) - 0.5, xy.max(axis=0) + 0.5
    size = (high - low) * unit
    if square:
        size[:] = size.max()
    half = np.minimum((size / 2 + np.maximum(share * size, margin)) / unit, extent / 2)
    middle = np.clip((low + high) / 2, half - 0.5, extent - 0.5 - half)
    (x0, y0), (x1, y1) = (middle - half).tolist(), (middle + half).tolist()
    return x0, y0, x1, y1


def tile_corners(count: int, columns: int, corner: tuple[int, int], pitch: tuple[int, int]) -> list[tuple[int, int]]:
    """Return left and top of tiles in rows; `corner` is the first one's, `pitch` width and height with the gap."""
    return [(corner[0] + n % columns * pitch[0], corner[1] + n // columns * pitch[1]) for n in range(count)]
