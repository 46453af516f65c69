"""Outlines of a mask as polygons.

Coordinates are (x, y) = (column, row) with **pixel centres on whole numbers**: pixel
(x, y) covers x - 0.5 to x + 0.5, so the outline of a single pixel runs half a pixel
around its centre.
"""

from __future__ import annotations

import numpy as np
from contourpy import LineType, contour_generator
from jaxtyping import Bool, Float64


def mask_outlines(mask: Bool[np.ndarray, "rows cols"]) -> list[Float64[np.ndarray, "_ 2"]]:
    """Return the closed outlines of a mask, holes included.

    The outline is the 0.5 level between pixel centres: it runs along the edges of the
    mask's pixels and cuts their corners. Where the mask touches the border of the
    array, the outline follows that border.

    Args:
        mask: The mask; an empty one has no outline.

    Returns:
        Polygons (n, 2) of (x, y), the first point repeated at the end.
    """
    if not mask.any():
        return []
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(cols[0])
    part = mask[top : rows[-1] + 1, left : cols[-1] + 1]
    # A rim of background closes the outlines at the border.
    levels = np.pad(part.astype(np.float64), 1)
    outlines = contour_generator(z=levels, line_type=LineType.Separate).lines(0.5)
    offset = np.array([left - 1, top - 1], dtype=np.float64)
    return [np.asarray(each, dtype=np.float64) + offset for each in outlines]
