"""A picture of one segmented object: prompt, truth and prediction on three of its slices."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from jaxtyping import Bool
from PIL import Image

from radsam.preprocess import window_of
from radsam.render.page_text import PAGE_COLOUR
from radsam.render.slice_drawing import POSITIVE_COLOUR, PROMPT_COLOUR, Viewport
from radsam.render.slice_picture import Outlined, SlicePicture, crop_around, tile_corners
from radsam.volume import Modality, Plane, Prompt, SliceGrid, Volume

Voxels = Bool[np.ndarray, "k j i"]

#: Blue is the truth and orange the prediction: Okabe and Ito's pair for colour-blind readers.
TRUTH_COLOUR, PREDICTED_COLOUR = (86, 180, 233), (230, 159, 0)

_TILE, _GAP = 230, 4
#: Context around the object: this share of its size, and at least this many millimetres.
_MARGIN_SHARE, _MARGIN_MM = 0.35, 10.0
_SOFT_TISSUE_HU = (-160.0, 240.0)
#: Half of the width of the window for objects of a CT outside of soft tissue.
_HALF_WINDOW_HU = 600.0


def draw_object(volume: Volume, truth: Voxels, predicted: Voxels, prompt: Prompt, index: int) -> bytes:
    """Draw the prompted slice in the middle, and one towards each end of the object.

    Args:
        volume: The volume.
        truth: The object.
        predicted: The predicted mask.
        prompt: The first prompt.
        index: Its slice.

    Returns:
        A PNG of three tiles.
    """
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    held = [k for k in range(grid.count) if grid.take(truth, k).any()]
    shown = [(held[0] + index) // 2, index, (index + held[-1] + 1) // 2]
    objects = [Outlined(truth, TRUTH_COLOUR), Outlined(predicted, PREDICTED_COLOUR)]
    picture = SlicePicture(volume, grid, _window(volume, truth), objects, [prompt])
    xy = picture.object_pixels(0, grid.count - 1)
    crop = crop_around(xy, grid.display_shape, grid.display_spacing_mm, share=_MARGIN_SHARE, margin=_MARGIN_MM)
    page = Image.new("RGB", (3 * _TILE + 2 * _GAP, _TILE), PAGE_COLOUR)
    for (left, top), k in zip(tile_corners(3, 3, (0, 0), (_TILE + _GAP, _TILE)), shown, strict=True):
        view = Viewport.fit(grid, (left, top, _TILE, _TILE), crop)
        picture.draw(page, view, k, line_px=1.5, mark_px=5.0, caption_size=12)
    # A palette of the greys and the lines' colours: a third of the size, and lines keep their colours.
    stored = io.BytesIO()
    page.quantize(palette=_palette(), dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
    return stored.getvalue()


@cache
def _palette() -> Image.Image:
    """Half of 256 colours are greys, the others each line's colour laid over greys, as smooth lines need them."""
    greys = [(level, level, level) for level in range(0, 256, 2)]
    lines = [
        tuple(round(share * of_line + (1 - share) * grey) for of_line in colour)
        for colour in (TRUTH_COLOUR, PREDICTED_COLOUR, PROMPT_COLOUR, POSITIVE_COLOUR)
        for share in (0.25, 0.5, 0.75, 1.0)
        for grey in range(0, 256, 32)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in (*greys, *lines) for part in colour])
    return palette


def _window(volume: Volume, truth: Voxels) -> tuple[float, float]:
    """Return the soft-tissue window where the object's median lies in it, else a wide window around the median.

    Other volumes than CT have the window in which models see them.
    """
    if volume.modality is not Modality.CT:
        window = window_of(volume)
        return window.low, window.high
    middle = float(np.median(volume.values[truth]))
    if _SOFT_TISSUE_HU[0] <= middle <= _SOFT_TISSUE_HU[1]:
        return _SOFT_TISSUE_HU
    return middle - _HALF_WINDOW_HU, middle + _HALF_WINDOW_HU
