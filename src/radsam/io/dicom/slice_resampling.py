"""Slices of a tilted gantry, or at uneven distances, on a rectangular grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Shaped

#: HU outside every slice: air.
AIR_HU = -1024.0
#: A shift or distance below this part of a voxel counts as 0, so that a slice keeps its values.
_NO_SHIFT = 1e-3


def resample(
    slices: Iterable[Shaped[np.ndarray, "rows cols"]],
    corners_ijk: Float[np.ndarray, "n 3"],
    shape_kji: tuple[int, int, int],
    is_ct: bool,
) -> Iterator[Float[np.ndarray, "j i"]]:
    """Interpolate linearly: each slice within its own plane, then between two neighbours.

    At most two slices are in memory.

    Args:
        slices: Slices in order, each at least as far along the normal as the one before.
        corners_ijk: Where on the grid the first pixel of each lies; the first k is 0.
        shape_kji: Shape of the grid.
        is_ct: Fill with air and round to whole HU; else fill with each slice's own minimum.

    Yields:
        The slices of the grid.
    """
    placed = (
        _place(each, corner[0], corner[1], shape_kji[1:], AIR_HU if is_ct else float(each.min()))
        for each, corner in zip(slices, corners_ijk, strict=True)
    )
    k = 0
    for (low, high), (below, above) in zip(pairwise(corners_ijk[:, 2]), pairwise(placed), strict=True):
        while k < shape_kji[0] and k <= high + _NO_SHIFT:
            part = float(np.clip((k - low) / (high - low), 0, 1))
            mixed = below if part < _NO_SHIFT else above if part > 1 - _NO_SHIFT else below + part * (above - below)
            yield np.rint(mixed) if is_ct else mixed
            k += 1


def _place(
    values: Shaped[np.ndarray, "rows cols"], at_i: float, at_j: float, shape_ji: tuple[int, ...], outside: float
) -> Float[np.ndarray, "j i"]:
    """Put one slice on an empty plane of the grid, interpolated where it lies between pixels."""
    plane = np.full(shape_ji, outside, dtype=np.float32)
    moved, top = _shift(values.astype(np.float32), at_j)
    moved, left = _shift(moved.T, at_i)
    cols, rows = moved.shape
    plane[top : top + rows, left : left + cols] = moved.T
    return plane


def _shift(values: Float[np.ndarray, "n m"], at: float) -> tuple[Float[np.ndarray, "l m"], int]:
    """Move along the first axis; return the values with a neighbour on both sides, and their first index.

    A border value has no such neighbour: mixing it with the air outside would make a false edge.
    """
    whole = int(np.floor(at + _NO_SHIFT))
    part = at - whole
    if part < _NO_SHIFT:
        return values, whole
    return part * values[:-1] + (1 - part) * values[1:], whole + 1
