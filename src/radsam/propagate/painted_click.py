"""Painted clicks: where the model does not follow a click, the pixels around it change sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radsam.volume import RunMask

#: Largest and usual smallest radius of a painted disk, in pixels of the slice.
_LARGEST_PX, _SMALLEST_PX = 8.0, 1.5


def follows_points(mask: RunMask, points_uv: Sequence[tuple[int, int, bool]]) -> bool:
    """Whether every point (u, v, positive) lies on the side that the user gave."""
    pixels = mask.decode()
    return all(pixels[v, u] == positive for u, v, positive in points_uv)


def with_painted_clicks(mask: RunMask, points_uv: Sequence[tuple[int, int, bool]]) -> RunMask:
    """Return a mask that follows every point.

    A point on the wrong side changes the side of a disk around it. The disk reaches the nearest pixel
    of the right side, up to 8 pixels away: the click lies somewhere in a wrong region, and the pixels
    between it and the region's edge are most likely wrong, too. A disk never reaches a point of the
    other sign.

    Args:
        mask: The mask of a slice.
        points_uv: Points (u, v, positive); of two on one pixel the later counts.
    """
    if not points_uv:
        return mask
    positive_at = {(u, v): positive for u, v, positive in points_uv}
    pixels = mask.decode()
    for (u, v), positive in positive_at.items():
        if pixels[v, u] == positive:
            continue
        reach = int(_LARGEST_PX)
        v0, u0 = max(0, v - reach), max(0, u - reach)
        near = pixels[v0 : v + reach + 1, u0 : u + reach + 1]
        rows, cols = np.indices(near.shape)
        away_px = np.hypot(rows + v0 - v, cols + u0 - u)
        radius_px = float(away_px[near == positive].min(initial=_LARGEST_PX)) if pixels.any() else _SMALLEST_PX
        others = [float(np.hypot(u - x, v - y)) for (x, y), other in positive_at.items() if other != positive]
        near[(away_px <= max(radius_px, _SMALLEST_PX)) & (away_px < min(others, default=np.inf) / 2)] = positive
        pixels[v, u] = positive
    return RunMask.encode(pixels)
