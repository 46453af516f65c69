"""Clean-up on labels that experts drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsam.io.volume_read import read_labels
from radsam.volume.clean_up import Grow, Interpolate, KeepLargest, Smooth, clean_up


@pytest.mark.parametrize("case", ["sarcoma_002", "sarcoma_043"])
def test_every_fifth_slice_is_enough_for_the_slices_between(shared_data: Path, case: str) -> None:
    labels = read_labels(shared_data / "ct" / case / "seg.nii.gz")
    truth, spacing = labels.ids == 1, labels.geometry.spacing_mm_ijk[::-1]
    filled = np.flatnonzero(truth.any(axis=(1, 2)))
    kept = np.arange(filled[0], filled[-1] + 1, 5)
    gaps, nearest = np.zeros_like(truth), np.zeros_like(truth)
    gaps[kept] = truth[kept]
    for index in range(kept[0], kept[-1] + 1):
        nearest[index] = truth[kept[np.abs(kept - index).argmin()]]
    between = [index for index in range(kept[0], kept[-1] + 1) if index not in kept]
    restored = clean_up(gaps, Interpolate(tuple(kept.tolist()), axis=2), spacing)

    def dice(mask: np.ndarray) -> float:
        return float(2 * (mask & truth)[between].sum() / (mask[between].sum() + truth[between].sum()))

    assert (restored[kept] == truth[kept]).all()
    assert dice(restored) > dice(nearest) + 0.02
    assert dice(restored) > 0.9


def test_the_surface_of_a_tumour_is_smoothed_and_moved(shared_data: Path) -> None:
    labels = read_labels(shared_data / "ct" / "sarcoma_002" / "seg.nii.gz")
    truth, spacing = labels.ids == 1, labels.geometry.spacing_mm_ijk[::-1]
    jagged = np.stack([np.roll(each, (-1) ** index * (1 + index % 2), axis=1) for index, each in enumerate(truth)])
    smooth = clean_up(jagged, Smooth(3), spacing)
    assert smooth.sum() == truth.sum()
    assert (smooth ^ truth).sum() < 0.5 * (jagged ^ truth).sum()
    sizes = [int(clean_up(truth, Grow(mm), spacing).sum()) for mm in (-6, -3, 3, 6)]
    assert sizes == sorted(sizes)
    assert sizes[1] < truth.sum() < sizes[2]
    assert clean_up(truth, KeepLargest(), spacing).sum() > 0.9 * truth.sum()
