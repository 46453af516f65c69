"""Numbers about one object: the values of its voxels, its volume, and its diameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Shaped

from radsam.volume.axial_diameters import AxialDiameters, axial_diameters
from radsam.volume.sparse_mask import SparseMask
from radsam.volume.volume import Volume

#: Most bins of a histogram.
_BINS = 64
#: The histogram spans these percentiles: a clip of metal or a voxel of air would make the rest one bar.
_SPAN = (0.5, 99.5)


@dataclass(frozen=True)
class Histogram:
    """How often values occur; bin n begins at `low + n * width`.

    Args:
        low: Where the first bin begins.
        width: The width of a bin.
        counts: The number of voxels in each bin.
        below: The number of voxels below the first bin.
        above: The number of voxels above the last bin.
    """

    low: float
    width: float
    counts: tuple[int, ...]
    below: int
    above: int


@dataclass(frozen=True)
class ObjectStatistics:
    """Numbers about an object of at least one voxel; values are in the volume's unit, HU in a CT.

    Args:
        voxels: The number of its voxels.
        volume_ml: Its volume.
        mean: The mean of its values.
        sd: Their standard deviation, of all voxels of the object (not of a sample).
        minimum: The smallest value.
        maximum: The largest value.
        median: The median.
        histogram: How often values occur.
        diameters: The longest axial diameter and its perpendicular.
    """

    voxels: int
    volume_ml: float
    mean: float
    sd: float
    minimum: float
    maximum: float
    median: float
    histogram: Histogram
    diameters: AxialDiameters


def object_statistics(volume: Volume, mask: SparseMask) -> ObjectStatistics | None:
    """Measure an object; None if it has no voxel.

    Args:
        volume: The volume.
        mask: The voxels of the object.

    Raises:
        PromptError: The mask is of a volume of another size.
    """
    mask.check(volume.geometry.shape_kji)
    if not mask:
        return None
    part, box = mask.part()
    values = volume.values[box][part]
    exact = values.astype(np.float64)
    return ObjectStatistics(
        voxels=values.size,
        volume_ml=values.size * volume.geometry.voxel_volume_mm3 / 1000,
        mean=float(exact.mean()),
        sd=float(exact.std()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        median=float(np.median(values)),
        histogram=_histogram(values),
        diameters=axial_diameters(mask, volume.geometry),
    )


def _histogram(values: Shaped[np.ndarray, " n"]) -> Histogram:
    low, high = (float(each) for each in np.percentile(values, _SPAN))
    if np.issubdtype(values.dtype, np.integer):
        # Bins of a whole width hold the same number of possible values: any other makes a comb.
        low = float(np.floor(low))
        width = float(np.ceil((high - low + 1) / _BINS))
        bins = int((high - low) // width) + 1
    else:
        width, bins = ((high - low) / _BINS, _BINS) if high > low else (1.0, 1)
    at: Int64[np.ndarray, " n"] = np.floor((values.astype(np.float64) - low) / width).astype(np.int64)
    at[(at == bins) & (values <= high)] = bins - 1  # the last bin includes its upper end
    counts = np.bincount(at[(at >= 0) & (at < bins)], minlength=bins)
    return Histogram(low, width, tuple(counts.tolist()), int((at < 0).sum()), int((at >= bins).sum()))
