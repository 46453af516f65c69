from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

pytest.importorskip("monai", reason="the extra 'benchmark' is not installed")

from scipy import ndimage

from radsam.benchmark.surface_metrics import surface_score
from radsam.metrics import dice

SHAPE_KJI = (14, 20, 26)
SPACING_MM_IJK = (0.7, 1.3, 4.0)


def blob(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=SHAPE_KJI), (1.5, 2.5, 3.0))
    return np.asarray(smooth > np.quantile(smooth, 0.8))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tolerance_mm", [1.0, 2.5])
def test_nsd_and_hd95_equal_monai_on_anisotropic_masks(seed: int, tolerance_mm: float) -> None:
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    one, other = blob(seed), blob(seed) & ~blob(seed + 100) | np.roll(blob(seed), 1, axis=0)
    score = surface_score(one, other, SPACING_MM_IJK, tolerance_mm)
    masks = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
    spacing_kji = (4.0, 1.3, 0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nsd = compute_surface_dice(
            *masks, [tolerance_mm], include_background=True, spacing=spacing_kji, use_subvoxels=True
        )
        hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=spacing_kji)
    assert score.nsd == pytest.approx(float(nsd), abs=1e-6)
    assert score.hd95_mm == pytest.approx(float(hd95), abs=1e-5)


def naive_hd95_mm(one: np.ndarray, other: np.ndarray) -> float:
    """Written out: surface voxels touch the background over a side; all distances, both ways."""
    places = []
    for mask in (one, other):
        surface = mask & ~ndimage.binary_erosion(mask)
        places.append(np.argwhere(surface)[:, ::-1] * np.array(SPACING_MM_IJK))
    apart = np.linalg.norm(places[0][:, None] - places[1][None], axis=2)
    return float(max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95)))


@pytest.mark.parametrize("seed", range(3))
def test_hd95_equals_a_naive_one_in_millimetres(seed: int) -> None:
    one, other = blob(seed), np.roll(blob(seed), 2, axis=2) | blob(seed + 7)
    assert surface_score(one, other, SPACING_MM_IJK, 1.0).hd95_mm == pytest.approx(naive_hd95_mm(one, other), rel=1e-5)


@pytest.mark.parametrize(("axis_kji", "shift_mm"), [(0, 4.0), (1, 1.3), (2, 0.7)])
def test_the_order_of_the_spacing_is_right(axis_kji: int, shift_mm: float) -> None:
    cube = np.zeros((20, 20, 20), bool)
    cube[6:13, 6:13, 6:13] = True
    moved = np.roll(cube, 1, axis=axis_kji)
    assert surface_score(cube, moved, SPACING_MM_IJK, 1.0).hd95_mm == pytest.approx(shift_mm)
    assert surface_score(cube, moved, SPACING_MM_IJK, shift_mm + 0.01).nsd == pytest.approx(1.0)
    assert surface_score(cube, moved, SPACING_MM_IJK, shift_mm / 2.1).nsd < 1.0


def test_empty_masks_have_defined_scores() -> None:
    full, empty = blob(0), np.zeros(SHAPE_KJI, bool)
    both = surface_score(empty, empty, SPACING_MM_IJK, 1.0)
    assert (both.nsd, both.hd95_mm) == (1.0, 0.0)
    for one, other in ((full, empty), (empty, full)):
        found = surface_score(one, other, SPACING_MM_IJK, 1.0)
        assert (found.nsd, found.hd95_mm) == (0.0, math.inf)


def test_a_mask_at_the_border_has_a_surface_there() -> None:
    whole = np.ones(SHAPE_KJI, bool)
    assert surface_score(whole, whole, SPACING_MM_IJK, 0.0).nsd == 1.0
    assert surface_score(whole, whole, SPACING_MM_IJK, 0.0).hd95_mm == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_dice_equals_a_naive_one(seed: int) -> None:
    one, other = blob(seed), blob(seed + 50)
    both = sum(a and b for a, b in zip(one.ravel(), other.ravel(), strict=True))
    assert dice(one, other) == pytest.approx(2 * both / (int(one.sum()) + int(other.sum())), abs=1e-12)
