"""A picture of one answer: prompt, truth and prediction on three slices of the object."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

from radsam.render.panel import POSITIVE_COLOUR, PROMPT_COLOUR, Viewport, draw_outline, draw_prompt, draw_slice
from radsam.volume import Plane, Prompt, SliceGrid, Volume

Voxels = Bool[np.ndarray, "k j i"]

#: Blue is the truth and orange the prediction: Okabe and Ito's pair for colour-blind readers.
TRUTH_COLOUR, PREDICTED_COLOUR = (86, 180, 233), (230, 159, 0)

_TILE, _GAP = 230, 4
#: Context around the object, as a share of its size and at least so many pixels.
_MARGIN_SHARE, _MARGIN_PX = 0.35, 12
_SOFT_TISSUE = (-160.0, 240.0)
#: Half of the window for what lies outside of soft tissue.
_HALF_WINDOW_HU = 600.0


def draw_answer(volume: Volume, truth: Voxels, predicted: Voxels, prompt: Prompt, index: int) -> bytes:
    """Draw the prompted slice in the middle, and one towards each end of the object.

    Args:
        volume: The volume.
        truth: The object.
        predicted: The answer.
        prompt: The first prompt.
        index: Its slice.

    Returns:
        A PNG of three tiles.
    """
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    held = [k for k in range(grid.count) if grid.take(truth, k).any()]
    shown = [(held[0] + index) // 2, index, (index + held[-1] + 1) // 2]
    crop = _crop(grid, truth | predicted)
    window = _window(volume.hu[truth])
    page = Image.new("RGB", (3 * _TILE + 2 * _GAP, _TILE), (15, 18, 22))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(12)
    for place, k in enumerate(shown):
        view = Viewport.fit(grid, (place * (_TILE + _GAP), 0, _TILE, _TILE), crop)
        draw_slice(page, view, volume, grid, k, window)
        draw_outline(page, view, grid.to_display(grid.take(truth, k)), TRUTH_COLOUR, width=1.5)
        draw_outline(page, view, grid.to_display(grid.take(predicted, k)), PREDICTED_COLOUR, width=1.5)
        draw_prompt(page, view, grid, k, prompt, size=5.0)
        draw.text((place * (_TILE + _GAP) + 5, 4), f"{grid.axis_name} {k}", fill=(230, 232, 235), font=font)
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


def _crop(grid: SliceGrid, seen: Voxels) -> tuple[float, float, float, float]:
    flat = np.zeros(grid.display_shape, bool)
    for k in range(grid.count):
        flat |= grid.to_display(grid.take(seen, k))
    ends = []
    for axis in (1, 0):
        held = np.flatnonzero(flat.any(axis=1 - axis))
        margin = max(_MARGIN_PX, round(_MARGIN_SHARE * (held[-1] - held[0] + 1)))
        ends.append((max(0, held[0] - margin) - 0.5, min(flat.shape[axis] - 1, held[-1] + margin) + 0.5))
    (x0, x1), (y0, y1) = ends
    return float(x0), float(y0), float(x1), float(y1)


def _window(hu: np.ndarray) -> tuple[float, float]:
    """Soft tissue where the object is some, else a wide window around it."""
    middle = float(np.median(hu))
    if _SOFT_TISSUE[0] <= middle <= _SOFT_TISSUE[1]:
        return _SOFT_TISSUE
    return middle - _HALF_WINDOW_HU, middle + _HALF_WINDOW_HU
