"""A small picture of a volume, for lists."""

from __future__ import annotations

import io

from PIL import Image

from radsam.render.slice_drawing import Viewport, draw_slice
from radsam.volume import SliceGrid, Volume


def draw_thumbnail(slice_volume: Volume, size: int, window: tuple[float, float]) -> bytes:
    """Draw a slice in the radiological display, in true proportions, as a WebP picture.

    Args:
        slice_volume: A volume of this one slice, across the stored axis k.
        size: Width and height of the square that the picture fits into, in pixels.
        window: The values that are black and white.
    """
    grid = SliceGrid.across(slice_volume.geometry, 2)
    view = Viewport.fit(grid, (0, 0, size, size))
    page = Image.new("RGB", (size, size))
    draw_slice(page, view, slice_volume, grid, 0, window)
    picture = page.convert("L").crop((view.left, view.top, view.left + view.width, view.top + view.height))
    packed = io.BytesIO()
    picture.save(packed, "WEBP", quality=80)
    return packed.getvalue()
