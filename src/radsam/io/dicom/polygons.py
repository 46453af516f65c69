"""Masks as polygons and back, in the pixel coordinates of one slice.

Coordinates are (x, y) = (column, row); whole numbers are pixel centres. A pixel belongs
to a set of rings if its centre lies inside an odd number of them: the even-odd rule,
under which a ring inside a ring is a hole, and a keyhole (a hole joined to its outer
ring by a channel of no width) is the same hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from contourpy import FillType, contour_generator
from jaxtyping import Bool, Float

Ring = Float[np.ndarray, "_ 2"]


def rings_of(mask: Bool[np.ndarray, "rows cols"]) -> list[Ring]:
    """Draw a mask as closed rings that touch no pixel centre, each hole joined to its outer ring.

    The rings run through the middles between inner and outer pixels (marching squares),
    so they lie within half a pixel of the pixels' edges, and `fill` gives the mask back.

    Returns:
        One ring per connected part, its first point not repeated; empty for an empty mask.
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(cols[0])
    framed = np.zeros((rows[-1] - top + 3, cols[-1] - left + 3), dtype=np.float64)
    framed[1:-1, 1:-1] = mask[top : rows[-1] + 1, left : cols[-1] + 1]
    generator = contour_generator(z=framed, name="serial", fill_type=FillType.OuterOffset)
    points, offsets = cast("tuple[list[Ring], list[np.ndarray]]", generator.filled(0.5, np.inf))
    rings = []
    for part, starts in zip(points, offsets, strict=True):
        # contourpy repeats the first point of a ring at its end.
        outer, *holes = (part[start : stop - 1] for start, stop in pairwise(starts))
        rings.append(_without_straight_points(_keyholed(outer, holes)) + np.array([left - 1, top - 1]))
    return rings


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


def area(ring: Ring) -> float:
    """Return the area that a ring encloses, in pixels (the shoelace formula)."""
    x, y = (ring - ring[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _keyholed(outer: Ring, holes: Sequence[Ring]) -> Ring:
    """Join holes to the ring around them, the nearest first (PS3.3 C.8.8.6.3)."""
    ring, left = outer, list(holes)
    while left:
        reach = [_nearest(ring, hole) for hole in left]
        chosen = int(np.argmin([distance for distance, _, _ in reach]))
        _, at, entry = reach[chosen]
        hole = np.roll(left.pop(chosen), -entry, axis=0)
        ring = np.concatenate([ring[: at + 1], hole, hole[:1], ring[at:]])
    return ring


def _nearest(ring: Ring, hole: Ring) -> tuple[float, int, int]:
    """Return the squared distance between the closest points of two rings, and which they are."""
    # Row by row: the whole table of distances of two long rings would not fit.
    squares = (((hole - point) ** 2).sum(axis=1) for point in ring)
    return min(
        ((float(square.min()), at, int(square.argmin())) for at, square in enumerate(squares)),
        key=lambda found: found[0],
    )


def _without_straight_points(ring: Ring) -> Ring:
    """Leave out points on a straight line between their neighbours: nothing changes but the length."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    # The ends of a keyhole's channel turn back on themselves: without a turn, but not straight on.
    back = (before * after).sum(axis=1) <= 0
    return np.asarray(ring[(np.abs(turn) > 1e-9) | back])
