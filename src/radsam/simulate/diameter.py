"""The diameter that a radiologist draws across a lesion (RECIST 1.1: the longest one in the plane)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError


def longest_diameter(
    mask: Bool[np.ndarray, "rows cols"], spacing_mm: tuple[float, float]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the two pixels of the object that are farthest apart.

    Args:
        mask: The object on one slice.
        spacing_mm: Millimetres between rows and between columns.

    Returns:
        Two pixels (x, y); of equals the first in reading order.

    Raises:
        PromptError: The mask is empty.
    """
    if not mask.any():
        raise PromptError("An empty mask has no diameter: give a slice on which the object has pixels.")
    # Only the outermost pixels of each row can be the ends.
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.unique(np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)]), axis=0)
    ends_mm = ends * np.asarray(spacing_mm)
    apart = np.linalg.norm(ends_mm[:, None] - ends_mm[None], axis=2)
    one, other = np.unravel_index(int(apart.argmax()), apart.shape)
    (y0, x0), (y1, x1) = ends[int(one)], ends[int(other)]
    return (int(x0), int(y0)), (int(x1), int(y1))


def diameter_box(
    ends: tuple[tuple[int, int], tuple[int, int]], spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Turn a diameter into a box prompt: the square around the circle that has this diameter.

    A diameter says nothing about the width across it; a circle is the least that one can assume.

    Args:
        ends: The two ends (x, y).
        spacing_mm: Millimetres between rows and between columns.
        shape: Rows and columns of the slice, which the box does not leave.

    Returns:
        (x0, y0, x1, y1), inclusive, at least 2 pixels wide and high.
    """
    (xa, ya), (xb, yb) = ends
    row_mm, col_mm = spacing_mm
    half_mm = float(np.hypot((xb - xa) * col_mm, (yb - ya) * row_mm)) / 2
    x0, x1 = _span((xa + xb) / 2, half_mm / col_mm, shape[1])
    y0, y1 = _span((ya + yb) / 2, half_mm / row_mm, shape[0])
    return x0, y0, x1, y1


def _span(middle: float, half: float, size: int) -> tuple[int, int]:
    low = max(0, round(middle - half))
    high = min(size - 1, max(round(middle + half), low + 1))
    return min(low, high - 1), high
