"""A small picture of one object: the prompted slice around it, with its outline and the prompt."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from PIL import Image

from radsam.render.slice_drawing import Viewport, prompt_pixels
from radsam.render.slice_picture import Outlined, SlicePicture, crop_around
from radsam.session.edit_request import SegmentRequest
from radsam.volume import SliceGrid, Volume, slice_index
from radsam.volume.object_colours import OBJECT_COLOURS

SIDE_PX = 220
#: Context around the object: this share of its longer side, and at least this many millimetres.
_MARGIN_SHARE, _MARGIN_MM = 0.35, 12.0
_TRUTH_COLOUR = (255, 255, 255)


def draw_thumbnail(
    volume: Volume,
    request: SegmentRequest,
    mask: Bool[np.ndarray, "k j i"],
    window: tuple[float, float],
    truth: Bool[np.ndarray, "k j i"] | None = None,
) -> Image.Image:
    """Draw the prompted slice around the object.

    Args:
        volume: The volume.
        request: The segmented request; its prompt is dashed in yellow.
        mask: The object, in blue.
        window: The values that become black and white.
        truth: The true mask, thin in white.

    Returns:
        An RGB picture of `SIDE_PX` × `SIDE_PX`, in the radiological convention.
    """
    grid = SliceGrid.of(volume.geometry, request.plane)
    index = slice_index(request.prompt, grid)
    true = [] if truth is None else [Outlined(truth, _TRUTH_COLOUR, weight=0.6)]
    picture = SlicePicture(volume, grid, window, [*true, Outlined(mask, OBJECT_COLOURS[0])], [request.prompt])
    xy = np.argwhere(grid.to_display(grid.take(mask, index)))[:, ::-1]
    crop = crop_around(
        np.concatenate([xy, prompt_pixels(grid, request.prompt)]),
        grid.display_shape,
        grid.display_spacing_mm,
        share=_MARGIN_SHARE,
        margin=_MARGIN_MM,
        square=True,
    )
    page = Image.new("RGB", (SIDE_PX, SIDE_PX))
    picture.draw(page, Viewport.fit(grid, (0, 0, SIDE_PX, SIDE_PX), crop), index, line_px=1.6, mark_px=5.0)
    return page
