"""The surface of a mask: smoothed without a change of volume, and moved by millimetres.

A mask has at least one voxel here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from radsam.volume.enclosing_box import enclosing_box
from radsam.volume.highest_values import highest_values

Change = Callable[[Float32[np.ndarray, "n m"]], Float32[np.ndarray, "n m"]]

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
    field = inside.astype(np.float32)
    for axis, sigma in enumerate(sigmas):
        field = _by_slabs(field, axis, partial(_blurred, sigma=sigma))
    # Of equal values, those of the mask come first.
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
        squared = _by_slabs(squared, axis, partial(_nearest, spacing=spacing, reach_mm=reach_mm))
    return np.asarray(squared <= np.float32(reach_mm**2))


def _by_slabs(field: Float32[np.ndarray, "k j i"], axis: int, change: Change) -> Float32[np.ndarray, "k j i"]:
    """Change a field along one axis, one 2D slab after the other: a slab fits into the processor's cache."""
    out = np.empty_like(field)
    order = ((1, 0, 2), (0, 1, 2), (0, 2, 1))[axis]
    for slab, new in zip(field.transpose(order), out.transpose(order), strict=True):
        new[...] = change(np.ascontiguousarray(slab))
    return out


def _blurred(slab: Float32[np.ndarray, "n m"], sigma: float) -> Float32[np.ndarray, "n m"]:
    """Filter along the first axis with a Gaussian; the end rows are continued."""
    size, radius = slab.shape[0], math.ceil(_TRUNCATE * sigma)
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    weights = (weights / (2 * weights.sum() - weights[0])).astype(np.float32)
    wide = np.pad(slab, ((radius, radius), (0, 0)), mode="edge")
    out = np.asarray(weights[0] * slab)
    for steps in range(1, radius + 1):
        out += weights[steps] * (wide[radius - steps :][:size] + wide[radius + steps :][:size])
    return out


def _nearest(slab: Float32[np.ndarray, "n m"], spacing: float, reach_mm: float) -> Float32[np.ndarray, "n m"]:
    """Lower squared distances to those over rows that are at most so far away."""
    out = slab.copy()
    for steps in range(1, min(math.floor(reach_mm / spacing), slab.shape[0] - 1) + 1):
        cost = np.float32((steps * spacing) ** 2)
        np.minimum(out[steps:], slab[:-steps] + cost, out=out[steps:])
        np.minimum(out[:-steps], slab[steps:] + cost, out=out[:-steps])
    return out


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
