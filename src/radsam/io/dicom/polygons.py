"""Masks as polygons, in the pixel coordinates of one slice; `radsam.volume.polygon_fill` turns them back.

Coordinates are (x, y) = (column, row); whole numbers are pixel centres. Rings are filled
by the even-odd rule, under which a ring inside a ring is a hole, and a keyhole (a hole
joined to its outer ring by a channel of no width) is the same hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from contourpy import FillType, contour_generator
from jaxtyping import Bool

from radsam.volume.polygon_fill import Ring

#: Rings closer than this everywhere, in pixels, are the same one.
_SAME_PLACE = 0.05


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


def without_same(rings: Sequence[Ring]) -> list[Ring]:
    """Leave out rings that run where an earlier one does, to a twentieth of a pixel, whatever their points are."""
    kept: list[Ring] = []
    spans: list[np.ndarray] = []
    for ring in rings:
        span = np.concatenate([ring.min(axis=0), ring.max(axis=0)])
        near = np.flatnonzero((np.abs(np.reshape(spans, (-1, 4)) - span) < _SAME_PLACE).all(axis=1)).tolist()
        if not any(_runs_along(ring, kept[each]) and _runs_along(kept[each], ring) for each in near):
            kept.append(ring)
            spans.append(span)
    return kept


def _runs_along(ring: Ring, other: Ring) -> bool:
    """Whether each point of a ring lies on another ring."""
    way = np.roll(other, -1, axis=0) - other
    squares = np.maximum((way**2).sum(axis=1), np.finfo(float).tiny)
    for point in ring:
        part = np.clip(((point - other) * way).sum(axis=1) / squares, 0, 1)
        if ((other + part[:, None] * way - point) ** 2).sum(axis=1).min() > _SAME_PLACE**2:
            return False
    return True


def area(ring: Ring) -> float:
    """Return the area that a ring encloses, in pixels (the shoelace formula)."""
    x, y = (ring - ring[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _keyholed(outer: Ring, holes: Sequence[Ring]) -> Ring:
    """Join holes to the ring around them by the shortest channels that reach all of them (PS3.3 C.8.8.6.3)."""
    if not holes:
        return outer
    rings = [outer, *holes]
    points = np.concatenate(rings)
    starts = np.cumsum([0, *(len(ring) for ring in rings)])
    # The points in the order in which a pen draws them: `drawn` says which point a step is at, `after` where it goes.
    drawn, after = list(range(len(points))), np.arange(1, len(points) + 1)
    after[starts[1:] - 1] = starts[:-1]
    steps = after.tolist()
    for here, there in _channels(points, np.repeat(np.arange(len(rings)), np.diff(starts))):
        # Over the channel, round the other ring, and back: both ends are drawn twice.
        drawn += [here, there]
        steps += [steps[here], steps[there]]
        steps[here], steps[there] = len(steps) - 1, len(steps) - 2
    order, step = [], 0
    for _ in drawn:
        order.append(drawn[step])
        step = steps[step]
    return points[order]


def _channels(points: Ring, ring_of: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of points whose connections make one piece of all rings, and are the shortest that do.

    They are edges of the points' Delaunay triangulation, as those of every shortest tree are: it has about three
    edges per point, however many rings there are.

    Args:
        points: The points of all rings.
        ring_of: The index of each one's ring.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import Delaunay

    # Points of a lattice lie on common circles, which takes the triangulation twice as long; moved by less than any
    # difference between their distances, they don't.
    corners = Delaunay(points + np.random.default_rng(0).uniform(-1e-6, 1e-6, points.shape)).simplices
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = edges[ring_of[edges[:, 0]] != ring_of[edges[:, 1]]]
    edges = np.take_along_axis(edges, np.argsort(ring_of[edges], axis=1), axis=1)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    # Of the edges between two rings the shortest, and the first of those.
    edges, lengths = (each[np.lexsort((edges[:, 1], edges[:, 0], lengths))] for each in (edges, lengths))
    between, first = np.unique(ring_of[edges], axis=0, return_index=True)
    count = int(ring_of[-1]) + 1
    tree = minimum_spanning_tree(coo_array((lengths[first], (between[:, 0], between[:, 1])), shape=(count, count)))
    shortest = {(int(one), int(other)): edges[at] for (one, other), at in zip(between, first, strict=True)}
    return [
        (int(shortest[one, other][0]), int(shortest[one, other][1]))
        for one, other in zip(*(each.tolist() for each in tree.nonzero()), strict=True)
    ]


def _without_straight_points(ring: Ring) -> Ring:
    """Leave out points on a straight line between their neighbours: nothing changes but the length."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    # The ends of a keyhole's channel turn back on themselves: without a turn, but not straight on.
    back = (before * after).sum(axis=1) <= 0
    return np.asarray(ring[(np.abs(turn) > 1e-9) | back])
