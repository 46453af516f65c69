"""A small picture of a volume, for lists."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from radsam.render.slice_drawing import Viewport, draw_slice
from radsam.volume import SliceGrid, Volume

#: Soft tissue.
_CT_WINDOW_HU = (-160.0, 240.0)
#: CT has air, also in its smallest part; MR and label maps without a stated modality have no values below this.
_AIR_HU = -200


def draw_thumbnail(slice_volume: Volume, size: int) -> bytes:
    """Draw a slice in the radiological display, in true proportions, as a WebP picture.

    Args:
        slice_volume: A volume of this one slice, across the stored axis k.
        size: Width and height of the square that the picture fits into, in pixels.
    """
    grid = SliceGrid.across(slice_volume.geometry, 2)
    view = Viewport.fit(grid, (0, 0, size, size))
    page = Image.new("RGB", (size, size))
    draw_slice(page, view, slice_volume, grid, 0, _window_hu(slice_volume))
    picture = page.convert("L").crop((view.left, view.top, view.left + view.width, view.top + view.height))
    packed = io.BytesIO()
    picture.save(packed, "WEBP", quality=80)
    return packed.getvalue()


def _window_hu(volume: Volume) -> tuple[float, float]:
    """Return the window: of CT soft tissue, of other images from the 1st to the 99th percentile."""
    if volume.modality == "CT" and volume.values.min() < _AIR_HU:
        return _CT_WINDOW_HU
    low, high = (float(each) for each in np.percentile(volume.values, (1, 99)))
    return low, max(high, low + 1)
