"""The pixels inside polygons.

Coordinates are (x, y) = (column, row); whole numbers are pixel centres. A pixel belongs
to a set of rings if its centre lies inside an odd number of them: the even-odd rule,
under which a ring inside a ring is a hole.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int64

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
    return np.asarray(np.cumsum(crossings[:, :cols], axis=1) % 2 == 1)


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
    (left, top), (right, bottom) = np.ceil(ring.min(axis=0)), np.floor(ring.max(axis=0))
    rows = np.arange(max(top, 0), min(bottom, shape[0] - 1) + 1, dtype=np.int64)
    cols = np.arange(max(left, 0), min(right, shape[1] - 1) + 1, dtype=np.int64)
    pixels = np.zeros((rows.size, cols.size), dtype=bool)
    if pixels.size:
        within = ring - [cols[0], rows[0]]
        far = np.array([cols.size - 1, rows.size - 1])
        # Mirrored, the right and lower centres on the ring count as inside, too.
        for x, y in product((1, -1), repeat=2):
            mirrored = np.where([x < 0, y < 0], far - within, within)
            pixels |= fill([mirrored], (rows.size, cols.size))[::y, ::x]
    return pixels, rows, cols
