"""Moving a mask between two grids that share their voxels, however each stores them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from radsam.errors import GridMismatchError
from radsam.volume.geometry import Geometry

#: Voxels this close share their place: both grids may have been made perpendicular, each by a tenth of a voxel.
_SAME_VOXEL = 0.25


def move_mask(mask: Bool[np.ndarray, "k j i"], source: Geometry, target: Geometry) -> Bool[np.ndarray, "n m l"] | None:
    """Move a mask to another grid by flipping, exchanging and shifting its axes only.

    Args:
        mask: The mask on `source`.
        source: Its grid.
        target: The grid to move it to; may be larger or smaller.

    Returns:
        The same voxels on `target`; None if the grids do not share their voxels.

    Raises:
        GridMismatchError: A voxel of the mask lies outside `target`.
    """
    linear = np.linalg.inv(target.affine_lps[:3, :3]) @ source.affine_lps[:3, :3]
    turn = np.rint(linear)
    corner = target.mm_to_index(np.array(source.origin_lps))
    far = max(source.shape_kji)
    same_axes = np.abs(np.abs(turn).sum(axis=0) - 1).max() == 0 and np.abs(turn @ turn.T - np.eye(3)).max() == 0
    if (
        not same_axes
        or np.abs(linear - turn).max() * far > _SAME_VOXEL
        or np.abs(corner - np.rint(corner)).max() > _SAME_VOXEL
    ):
        return None
    k, j, i = np.nonzero(mask)
    ijk = np.stack([i, j, k], axis=1) @ turn.astype(np.int64).T + np.rint(corner).astype(np.int64)
    if ijk.size and ((ijk < 0) | (ijk >= np.array(target.shape_ijk))).any():
        raise GridMismatchError("A part of the mask lies outside the volume: it was made on a larger series.")
    moved = np.zeros(target.shape_kji, dtype=bool)
    moved[ijk[:, 2], ijk[:, 1], ijk[:, 0]] = True
    return moved
