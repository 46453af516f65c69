"""A click that the model does not follow is a drawing: the spot around it changes sides by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from radsam.volume import RunMask

#: Largest and usual smallest radius of a spot, in pixels of the slice.
_LARGEST_PX, _SMALLEST_PX = 8.0, 1.5


def follows_points(mask: RunMask, points_uv: Iterable[tuple[int, int, bool]]) -> bool:
    """Whether every point (u, v, positive) lies on the side that it names."""
    pixels = mask.decode()
    return all(pixels[v, u] == positive for u, v, positive in points_uv)


def with_painted_clicks(mask: RunMask, points_uv: Iterable[tuple[int, int, bool]]) -> RunMask:
    """Return a mask that follows every point.

    Each point that is on the wrong side takes a disk with it, just large enough to reach the edge
    of what it belongs to, up to 8 pixels: the click lies somewhere in a part that is wrong, and
    what is between it and the edge most likely is, too. A disk never reaches a point of the other sign.

    Args:
        mask: The mask of a slice.
        points_uv: Points (u, v, positive); of two on one pixel the later counts.
    """
    said = {(u, v): positive for u, v, positive in points_uv}
    pixels = mask.decode()
    for (u, v), positive in said.items():
        if pixels[v, u] == positive:
            continue
        reach = int(_LARGEST_PX)
        v0, u0 = max(0, v - reach), max(0, u - reach)
        near = pixels[v0 : v + reach + 1, u0 : u + reach + 1]
        rows, cols = np.indices(near.shape)
        away_px = np.hypot(rows + v0 - v, cols + u0 - u)
        radius_px = float(away_px[near == positive].min(initial=_LARGEST_PX)) if pixels.any() else _SMALLEST_PX
        others = [float(np.hypot(u - x, v - y)) for (x, y), other in said.items() if other != positive]
        near[(away_px <= max(radius_px, _SMALLEST_PX)) & (away_px < min(others, default=np.inf) / 2)] = positive
        pixels[v, u] = positive
    return RunMask.encode(pixels)
