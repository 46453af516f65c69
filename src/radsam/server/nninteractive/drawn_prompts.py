"""Masks that a viewer has drawn, as scribbles and lassos.

The protocol sends the voxels of a stroke or of an area; the session takes the line of the stroke and the outline of the
area.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from radsam.render.contour import mask_outlines
from radsam.volume import Lasso, Scribble, SliceGrid

_ALL_SIDES = np.ones((3, 3), bool)
#: A brush is a few voxels wide: what is this near to the line of a stroke is the stroke.
_HALF_WIDTH = 2


def scribbles_of(pixels: Bool[np.ndarray, "v u"], grid: SliceGrid, index: int, positive: bool) -> list[Scribble]:
    """Return the lines of the strokes on a slice, the longest first.

    A line follows its stroke from end to end inside of it; a loop or a fork becomes several lines.
    """
    left, lines = pixels.copy(), []
    while left.any():
        pieces, count = ndimage.label(left, _ALL_SIDES)
        for piece in range(1, count + 1):
            line = _line(np.argwhere(pieces == piece))
            lines.append(line)
            near = np.zeros_like(left)
            near[tuple(line.T)] = True
            left &= ~ndimage.binary_dilation(near, _ALL_SIDES, iterations=_HALF_WIDTH)
    lines.sort(key=len, reverse=True)
    return [
        Scribble(voxels_ijk=tuple(grid.join(index, u, v) for v, u in line.tolist()), positive=positive)
        for line in lines
    ]


def lassos_of(pixels: Bool[np.ndarray, "v u"], grid: SliceGrid, index: int, positive: bool) -> list[Lasso]:
    """Return the outlines of the areas on a slice; holes belong to the areas around them."""
    return [
        Lasso.on(grid, index, [(u, v) for u, v in outline[:-1].tolist()], positive)
        for outline in mask_outlines(ndimage.binary_fill_holes(pixels))
    ]


def _line(pixels_vu: Int64[np.ndarray, "n 2"]) -> Int64[np.ndarray, "m 2"]:
    """Return the longest way through connected pixels: from the pixel farthest from one to the one farthest from it."""
    top = pixels_vu.min(axis=0)
    number = np.full(np.ptp(pixels_vu, axis=0) + 3, -1)
    number[tuple((pixels_vu - top + 1).T)] = np.arange(len(pixels_vu))
    here = tuple((pixels_vu - top + 1).T)
    starts, ends = [], []
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbour = number[here[0] + step[0], here[1] + step[1]]
        starts.append(np.flatnonzero(neighbour >= 0))
        ends.append(neighbour[neighbour >= 0])
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = csr_array((np.ones(edges[0].size), edges), shape=(len(pixels_vu),) * 2)
    one_end = breadth_first_order(graph, 0, directed=False, return_predecessors=False)[-1]
    order, before = breadth_first_order(graph, one_end, directed=False)
    way = [int(order[-1])]
    while way[-1] != one_end:
        way.append(int(before[way[-1]]))
    return pixels_vu[way]
