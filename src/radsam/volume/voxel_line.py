"""The voxels on straight lines between voxels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from radsam.volume.geometry import nearest_index


def voxel_line(path: Int64[np.ndarray, "points axes"]) -> Int64[np.ndarray, "voxels axes"]:
    """Return the voxels on the lines between consecutive points, ends included, without gaps.

    Neighbours touch at least at a corner. Drawn the other way, the line has the same voxels.

    Args:
        path: One point or more.
    """
    way = np.diff(path, axis=0)
    counts = np.abs(way).max(axis=1, initial=0)
    part = np.repeat(np.arange(len(way)), counts)
    step = np.arange(1, part.size + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    share = step / np.maximum(counts, 1)[part]
    return np.concatenate([path[:1], nearest_index(path[part] + way[part] * share[:, None])])
