"""Painted clicks, strokes and regions: where the model does not follow them, their pixels change sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy
from jaxtyping import Bool

from radsam.predictor import SlicePrompt
from radsam.volume import RunMask

#: Largest and usual smallest radius of a painted disk, in pixels of the slice.
_LARGEST_PX, _SMALLEST_PX = 8.0, 1.5


def follows(mask: RunMask, given: SlicePrompt) -> bool:
    """Whether every click and stroke lies on the side that the user gave, and every region at least by half."""
    pixels = mask.decode()
    if any(pixels[v, u] != positive for u, v, positive in given.drawn_uv):
        return False
    regions = [(each, positive) for each, positive in ((given.inside, True), (given.outside, False)) if each]
    return all(np.count_nonzero(pixels[each.decode()] == positive) * 2 >= each.area for each, positive in regions)


def marks_of(given: SlicePrompt, shape_vu: tuple[int, ...]) -> tuple[Bool[np.ndarray, "v u"], Bool[np.ndarray, "v u"]]:
    """Return the pixels that were marked as the object's, and those as not: clicks, strokes and regions."""
    inside, outside = np.zeros(shape_vu, bool), np.zeros(shape_vu, bool)
    for u, v, positive in given.drawn_uv:
        (inside if positive else outside)[v, u] = True
    for pixels, region in ((inside, given.inside), (outside, given.outside)):
        if region:
            pixels |= region.decode()
    return inside, outside


def with_regions(mask: RunMask, given: SlicePrompt) -> RunMask:
    """Return a mask with the regions that the user encircled."""
    if given.inside is None and given.outside is None:
        return mask
    pixels = mask.decode()
    if given.inside:
        pixels |= given.inside.decode()
    if given.outside:
        pixels &= ~given.outside.decode()
    return RunMask.encode(pixels)


def with_deepest(user_prompt: SlicePrompt, added: SlicePrompt, mask: RunMask) -> SlicePrompt:
    """Return a slice's prompt with a click for each encircled region: the deepest pixel that it changes.

    Args:
        user_prompt: Everything that the user gave on the slice.
        added: What the correction adds on it.
        mask: The slice's mask before.
    """
    pixels, clicks = mask.decode(), []
    for region, positive in ((added.inside, True), (added.outside, False)):
        wrong = region.decode() & (pixels != positive) if region else None
        if wrong is not None and wrong.any():
            rows, cols = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
            part = wrong[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
            depth = scipy.ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
            v, u = np.unravel_index(int(depth.argmax()), depth.shape)
            clicks.append((int(u + cols[0]), int(v + rows[0]), positive))
    return replace(user_prompt, points_uv=(*user_prompt.points_uv, *clicks))


def paint(mask: RunMask, given: SlicePrompt) -> RunMask:
    """Return a mask with everything that the user drew on its slice on the side that the user gave."""
    painted = with_painted_clicks(with_regions(mask, given), given.points_uv)
    if not given.strokes_uv:
        return painted
    pixels = painted.decode()
    for u, v, positive in given.strokes_uv:
        pixels[v, u] = positive
    return RunMask.encode(pixels)


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
