"""The smallest box around a mask, in which the work is done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool


def enclosing_box(mask: Bool[np.ndarray, "..."], margin: Sequence[int] | int = 0) -> tuple[slice, ...]:
    """Return the box around a mask, as slices of the array.

    Args:
        mask: The mask, with at least one voxel.
        margin: Voxels around it on each side, of all axes or of each; cut off at the array's border.

    Returns:
        One slice per axis.
    """
    margins = [margin] * mask.ndim if isinstance(margin, int) else margin
    box = [slice(None)] * mask.ndim
    for axis in range(mask.ndim):
        # Each axis is looked at inside the box of those before it: a large volume is read once.
        others = tuple(other for other in range(mask.ndim) if other != axis)
        at = np.flatnonzero(mask[tuple(box)].any(axis=others))
        box[axis] = slice(int(at[0]), int(at[-1]) + 1)
    return tuple(
        slice(max(each.start - wide, 0), min(each.stop + wide, size))
        for each, wide, size in zip(box, margins, mask.shape, strict=True)
    )
