"""The surface of a mask: smoothed without a change of volume, and moved by millimetres.

A mask has at least one voxel here.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from radsam.volume.enclosing_box import enclosing_box
from radsam.volume.highest_values import highest_values

#: A Gaussian is cut off so many standard deviations from its centre.
_TRUNCATE = 3.0
#: Distances that differ by rounding only are equal.
_ROUNDING = 1e-5


def smooth(
    mask: Bool[np.ndarray, "k j i"], mm: float | int, spacing_mm_kji: tuple[float, float, float], slice_axis: int
) -> Bool[np.ndarray, "k j i"]:
    """Smooth the surface and keep the number of voxels.

    Args:
        mask: The mask.
        mm: Standard deviation of the Gaussian in mm.
        spacing_mm_kji: Millimetres between voxels along k, j and i.
        slice_axis: The stored axis along which flat ends stay flat and no slice vanishes.

    Returns:
        The smooth mask, with as many voxels.
    """
    along = 2 - slice_axis
    sigmas = [mm / each for each in spacing_mm_kji]
    margin = [0 if axis == along else math.ceil(_TRUNCATE * sigma) for axis, sigma in enumerate(sigmas)]
    box = enclosing_box(mask, margin)
    inside = mask[box]
    # "nearest" continues the end slices, and the volume where the object leaves it.
    field = ndimage.gaussian_filter(inside.astype(np.float32), sigmas, mode="nearest", truncate=_TRUNCATE)
    # A voxel of the mask comes before another one with the same value.
    field += inside * np.float32(1e-6)
    slices = np.moveaxis(field, along, 0)
    areas = np.moveaxis(inside, along, 0).sum(axis=(1, 2))
    new = np.zeros_like(inside)
    np.moveaxis(new, along, 0)[...] = _highest_on_all_slices(slices, areas)
    out = np.zeros_like(mask)
    out[box] = new
    return out


def grow(
    mask: Bool[np.ndarray, "k j i"], mm: float | int, spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    """Move the surface outwards by `mm`, or inwards where it is negative.

    The surface lies between voxels: half the shortest spacing belongs to the voxel on either side of it.

    Args:
        mask: The mask.
        mm: The distance in mm.
        spacing_mm_kji: Millimetres between voxels along k, j and i.

    Returns:
        The larger or smaller mask; it may be empty.
    """
    reach = (abs(mm) + min(spacing_mm_kji) / 2) * (1 + _ROUNDING)
    margin = [1 + (math.floor(reach / each) if mm > 0 else 0) for each in spacing_mm_kji]
    box = enclosing_box(mask, margin)
    inside = mask[box]
    out = np.zeros_like(mask)
    out[box] = _within(inside, reach, spacing_mm_kji) if mm > 0 else ~_within(~inside, reach, spacing_mm_kji)
    return out


def _within(
    mask: Bool[np.ndarray, "k j i"], reach_mm: float | int, spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    """Tell which voxels lie at most so far from the mask: centre to centre, exactly, one axis after the other."""
    squared = np.where(mask, np.float32(0), np.float32(np.inf))
    for axis, spacing in enumerate(spacing_mm_kji):
        before = np.moveaxis(squared, axis, 0)
        squared = squared.copy()
        now = np.moveaxis(squared, axis, 0)
        for steps in range(1, min(math.floor(reach_mm / spacing), before.shape[0] - 1) + 1):
            cost = np.float32((steps * spacing) ** 2)
            np.minimum(now[steps:], before[:-steps] + cost, out=now[steps:])
            np.minimum(now[:-steps], before[steps:] + cost, out=now[:-steps])
    return np.asarray(squared <= np.float32(reach_mm**2))


def _highest_on_all_slices(
    field: Float[np.ndarray, "n v u"], areas: Int[np.ndarray, " n"]
) -> Bool[np.ndarray, "n v u"]:
    """Choose as many pixels as there were, those with the highest values; no slice that had some goes without.

    Args:
        field: Values of all slices.
        areas: Number of pixels that each slice had.

    Returns:
        The chosen pixels.
    """
    alone = np.zeros(areas.shape, dtype=bool)
    while True:
        chosen = np.zeros(field.shape, dtype=bool)
        chosen[~alone] = highest_values(field[~alone], int(areas[~alone].sum()))
        for index in np.flatnonzero(alone):
            chosen[index] = highest_values(field[index], int(areas[index]))
        lost = (areas > 0) & ~chosen.any(axis=(1, 2))
        if not lost.any():
            return chosen
        alone |= lost  # such a slice keeps its area; the others share the rest
