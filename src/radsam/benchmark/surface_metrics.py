"""Surface metrics in millimetres, computed by MONAI (the extra "benchmark").

NSD is MONAI's surface Dice in its sub-voxel mode, which equals DeepMind's; HD95 is MONAI's
95th percentile of the distances between the surface voxels, the larger of both directions.

Empty masks: both empty agree, NSD 1 and HD95 0; one empty of two, NSD 0 and HD95 infinite.
Infinite distances have no mean, so reports give the median HD95.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from radsam.errors import MissingExtraError


@dataclass(frozen=True)
class SurfaceScore:
    """The agreement of two surfaces.

    Args:
        nsd: Share of both surfaces that lies within the tolerance of the other, 0 to 1.
        hd95_mm: 95th percentile of the distances in mm; infinite where one mask is empty.
    """

    nsd: float
    hd95_mm: float


def surface_score(
    predicted: Bool[np.ndarray, "k j i"],
    truth: Bool[np.ndarray, "k j i"],
    spacing_mm_ijk: tuple[float, float, float],
    tolerance_mm: float | int,
) -> SurfaceScore:
    """Compare the surfaces of two masks on one grid.

    Args:
        predicted: A mask, indexed [k, j, i].
        truth: Another one.
        spacing_mm_ijk: Millimetres between voxels along i, j and k, in this order.
        tolerance_mm: Surfaces this close agree.

    Raises:
        MissingExtraError: MONAI is not installed.
    """
    if not predicted.any() or not truth.any():
        both = predicted.any() == truth.any()
        return SurfaceScore(1.0 if both else 0.0, 0.0 if both else math.inf)
    try:
        import torch
        from monai.metrics.hausdorff_distance import compute_hausdorff_distance
        from monai.metrics.surface_dice import compute_surface_dice
    except ImportError as error:
        raise MissingExtraError("Computing surface Dice and HD95", "benchmark") from error
    part = _around(predicted | truth)
    # Batch and class come first; arrays are [k, j, i], so the spacing is reversed.
    one, other = (torch.from_numpy(np.ascontiguousarray(mask[part]))[None, None] for mask in (predicted, truth))
    spacing_mm_kji = spacing_mm_ijk[::-1]
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 warns of its own calls
        nsd = compute_surface_dice(
            one, other, [float(tolerance_mm)], include_background=True, spacing=spacing_mm_kji, use_subvoxels=True
        )
        hd95 = compute_hausdorff_distance(one, other, include_background=True, percentile=95, spacing=spacing_mm_kji)
    return SurfaceScore(float(nsd), float(hd95))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch add up in one order, whatever the number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _around(mask: Bool[np.ndarray, "k j i"]) -> tuple[slice, ...]:
    """Return the part of the grid that holds all voxels, with a margin of one voxel."""
    found = []
    for axis in range(3):
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        found.append(slice(max(0, int(held[0]) - 1), int(held[-1]) + 2))
    return tuple(found)
