"""The pixels inside polygons.

Coordinates are (x, y) = (column, row); whole numbers are pixel centres. A pixel belongs
to a set of rings if its centre lies inside an odd number of them: the even-odd rule,
under which a ring inside a ring is a hole.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int64

from radsam.volume.stroke_pixels import stroke_pixels

Ring = Float[np.ndarray, "_ 2"]


def fill(rings: Iterable[Ring], shape: tuple[int, int]) -> Bool[np.ndarray, "rows cols"]:
    """Find the pixels whose centres lie inside an odd number of rings.

    Of a centre exactly on a ring, a left or upper one counts as inside and a right or
    lower one as outside, so that rings that share an edge never share a pixel.

    Args:
        rings: Closed rings; the first point is not repeated. They may leave the slice.
        shape: Rows and columns.
    """
    rows, cols = shape
    crossings = np.zeros((rows, cols + 1), dtype=np.int32)
    for ring in rings:
        start, stop = ring, np.roll(ring, -1, axis=0)
        # Downwards, so that an edge crosses a row at the same x whichever way it is drawn.
        up = start[:, 1] > stop[:, 1]
        (x0, y0), (x1, y1) = np.where(up[:, None], stop, start).T, np.where(up[:, None], start, stop).T
        first = np.clip(np.ceil(y0), 0, rows).astype(np.int64)
        counts = np.clip(np.ceil(y1), 0, rows).astype(np.int64) - first
        edge = np.repeat(np.arange(len(ring)), counts)
        row = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(counts) - counts, counts)
        x = x0[edge] + (row - y0[edge]) * ((x1 - x0)[edge] / (y1 - y0)[edge])
        np.add.at(crossings, (row, np.clip(np.ceil(x), 0, cols).astype(np.int64)), 1)
    return np.asarray(np.cumsum(crossings[:, :cols], axis=1, dtype=np.int32) % 2 == 1)


def fill_closed(
    ring: Ring, shape: tuple[int, int]
) -> tuple[Bool[np.ndarray, "part_rows part_cols"], Int64[np.ndarray, " part_rows"], Int64[np.ndarray, " part_cols"]]:
    """Find the pixels whose centres lie inside one ring or on any of its sides.

    A drawn polygon holds its corners, however it is mirrored; polygons that share a side share its pixels.

    Args:
        ring: A closed ring; the first point is not repeated. It may leave the slice.
        shape: Rows and columns of the slice.

    Returns:
        The pixels of the part of the slice that the ring encloses, and which rows and columns these are; they are
        none for a ring outside of the slice.
    """
    # The sides first: the pixels on them span the ring's part of the slice.
    pixels, rows, cols = stroke_pixels(np.concatenate([ring, ring[:1]]), 0.0, (1.0, 1.0), shape)
    if pixels.size:
        pixels |= fill([ring - [cols[0], rows[0]]], (rows.size, cols.size))
    return pixels, rows, cols
