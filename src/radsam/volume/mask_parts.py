"""Connected parts of a mask, and its holes.

Parts are 26-connected: voxels that share a face, an edge or a corner. Their counterpart, the background, is connected
over faces only, so that a surface that holds together over edges encloses what is inside. A mask has at least one
voxel here.
"""

from __future__ import annotations

import numpy as np
import scipy
from jaxtyping import Bool, Int

from radsam.volume.enclosing_box import enclosing_box

_ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
#: A part of exactly the smallest volume stays, whatever rounding makes of voxels × spacing.
_ROUNDING = 1e-9


def keep_largest(mask: Bool[np.ndarray, "k j i"]) -> Bool[np.ndarray, "k j i"]:
    """Keep the largest part; of equal ones the first in stored order."""
    box = enclosing_box(mask)
    parts, sizes = _parts(mask[box])
    return _placed(parts == np.argmax(sizes), box, mask)


def keep_nearest(
    mask: Bool[np.ndarray, "k j i"], voxel_ijk: tuple[int, int, int], spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    """Keep the part that holds a voxel, or the one nearest to it in mm."""
    box = enclosing_box(mask)
    parts, _ = _parts(mask[box])
    offsets = (
        (np.arange(each.start, each.stop, dtype=np.float32) - index) * mm
        for each, index, mm in zip(box, voxel_ijk[::-1], spacing_mm_kji, strict=True)
    )
    k, j, i = np.ix_(*(each**2 for each in offsets))
    nearest = np.argmin(np.where(parts > 0, k + j + i, np.inf))
    return _placed(parts == parts.flat[nearest], box, mask)


def without_small_parts(
    mask: Bool[np.ndarray, "k j i"], smallest_ml: float | int, spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    """Remove the parts smaller than a volume in ml; if all are, the largest stays."""
    box = enclosing_box(mask)
    parts, sizes = _parts(mask[box])
    stay = sizes * (np.prod(spacing_mm_kji) / 1000) >= smallest_ml * (1 - _ROUNDING)
    stay[np.argmax(sizes)] = True
    stay[0] = False
    return _placed(stay[parts], box, mask)


def without_holes(mask: Bool[np.ndarray, "k j i"], in_slices_of_axis: int | None = None) -> Bool[np.ndarray, "k j i"]:
    """Fill the background that has no way out of the box around the mask.

    Args:
        mask: The mask.
        in_slices_of_axis: The stored axis across which each slice is filled by itself; None for the whole volume.

    Returns:
        The mask and its holes.
    """
    box = enclosing_box(mask)
    neighbours = scipy.ndimage.generate_binary_structure(3, 1)
    axes = [0, 1, 2]
    if in_slices_of_axis is not None:
        across = 2 - in_slices_of_axis
        np.moveaxis(neighbours, across, 0)[[0, 2]] = False
        axes.remove(across)
    background, count = scipy.ndimage.label(~mask[box], neighbours)
    hole = np.ones(count + 1, dtype=bool)
    for axis in axes:
        hole[np.moveaxis(background, axis, 0)[[0, -1]]] = False
    hole[0] = True  # the mask itself
    return _placed(hole[background], box, mask)


def _parts(mask: Bool[np.ndarray, "k j i"]) -> tuple[Int[np.ndarray, "k j i"], Int[np.ndarray, " n"]]:
    """Number the parts from 1 in stored order of their first voxels; sizes are by number, and 0 for the background."""
    parts, _ = scipy.ndimage.label(mask, _ALL_NEIGHBOURS)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts, sizes


def _placed(
    inside: Bool[np.ndarray, "k j i"], box: tuple[slice, ...], mask: Bool[np.ndarray, "n m l"]
) -> Bool[np.ndarray, "n m l"]:
    out = np.zeros_like(mask)
    out[box] = inside
    return out
