"""A small picture of one object: the prompted slice around it, with its outline and the prompt."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from PIL import Image

from radsam.render.panel import OBJECT_COLOURS, Viewport, draw_outline, draw_prompt, draw_slice
from radsam.session.edit_request import SegmentRequest
from radsam.volume import Box, Mask, Point, Prompt, SliceGrid, Volume, slice_index

SIDE_PX = 220
#: Context around the object: this share of its longer side, and at least so many millimetres.
_MARGIN_SHARE, _MARGIN_MM = 0.35, 12.0
_TRUTH_COLOUR = (255, 255, 255)


def draw_thumbnail(
    volume: Volume,
    request: SegmentRequest,
    mask: Bool[np.ndarray, "k j i"],
    window_hu: tuple[float, float],
    truth: Bool[np.ndarray, "k j i"] | None = None,
) -> Image.Image:
    """Draw the prompted slice around the object.

    Args:
        volume: The volume.
        request: What was segmented; its prompt is dashed in yellow.
        mask: The object, in blue.
        window_hu: The values that become black and white.
        truth: The true mask, thin in white.

    Returns:
        An RGB picture of `SIDE_PX` × `SIDE_PX`, in the radiological convention.
    """
    grid = SliceGrid.of(volume.geometry, request.plane)
    index = slice_index(request.prompt, grid)
    shown = grid.to_display(grid.take(mask, index))
    page = Image.new("RGB", (SIDE_PX, SIDE_PX))
    view = Viewport.fit(grid, (0, 0, SIDE_PX, SIDE_PX), _crop(grid, shown, request.prompt))
    draw_slice(page, view, volume, grid, index, window_hu)
    if truth is not None:
        draw_outline(page, view, grid.to_display(grid.take(truth, index)), _TRUTH_COLOUR, width=1.0)
    draw_outline(page, view, shown, OBJECT_COLOURS[0], width=1.6)
    draw_prompt(page, view, grid, index, request.prompt, size=5.0)
    return page


def _crop(grid: SliceGrid, shown: Bool[np.ndarray, "rows cols"], prompt: Prompt) -> tuple[float, float, float, float]:
    """Return the part of the displayed slice to show: mask and prompt in the middle of a square in millimetres."""
    rows, cols = np.nonzero(shown)
    held = [*np.stack([cols, rows], axis=1), *_corners(grid, prompt)]
    low, high = np.min(held, axis=0) - 0.5, np.max(held, axis=0) + 0.5
    spacing = np.array(grid.display_spacing_mm[::-1])
    longer_mm = float(((high - low) * spacing).max())
    half = (longer_mm / 2 + max(_MARGIN_SHARE * longer_mm, _MARGIN_MM)) / spacing
    middle = (low + high) / 2
    (x0, y0), (x1, y1) = middle - half, middle + half
    height, width = shown.shape
    return max(-0.5, float(x0)), max(-0.5, float(y0)), min(width - 0.5, float(x1)), min(height - 0.5, float(y1))


def _corners(grid: SliceGrid, prompt: Prompt) -> list[tuple[float, float]]:
    """Return displayed pixels (x, y) that the prompt reaches."""
    match prompt:
        case Point():
            _, u, v = grid.split(prompt.index_ijk)
            ends = [(u, v)]
        case Box():
            u0, v0, u1, v1 = prompt.uvuv
            ends = [(u0, v0), (u1, v1)]
        case Mask():
            v_held, u_held = np.nonzero(prompt.pixels)
            ends = [(int(u_held.min()), int(v_held.min())), (int(u_held.max()), int(v_held.max()))]
    return [grid.uv_to_display_xy(float(u), float(v)) for u, v in ends]
