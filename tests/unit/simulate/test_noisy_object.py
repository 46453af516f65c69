from __future__ import annotations

import numpy as np
import pytest

from phantoms import ball
from radsam.errors import PromptError
from radsam.metrics import dice
from radsam.simulate import noisy_object


def a_noisy_ball(grid: str, seed: int, **amount: float) -> tuple[np.ndarray, np.ndarray]:
    scene = ball(grid)
    i, j, k = scene.volume.geometry.spacing_mm_ijk
    return scene.truth, noisy_object(scene.truth, (k, j, i), np.random.default_rng(seed), **amount)


@pytest.mark.parametrize("grid", ["isotropic", "anisotropic", "oblique"])
def test_parts_are_missing_and_added_and_most_of_the_object_stays(grid: str) -> None:
    agreement = []
    for seed in range(5):
        truth, noisy = a_noisy_ball(grid, seed)
        assert noisy.shape == truth.shape
        assert (truth & ~noisy).any()
        assert (noisy & ~truth).any()
        agreement.append(dice(noisy, truth))
    assert 0.6 < np.mean(agreement) < 0.9


def test_the_errors_go_on_over_several_slices() -> None:
    truth, noisy = a_noisy_ball("isotropic", 0)
    wrong = truth != noisy
    shared = np.count_nonzero(wrong[1:] & wrong[:-1]) / np.count_nonzero(wrong[1:])
    assert shared > 0.5


def test_the_same_seed_gives_the_same_mask_and_a_larger_amount_a_worse_one() -> None:
    truth, one = a_noisy_ball("anisotropic", 3)
    assert np.array_equal(one, a_noisy_ball("anisotropic", 3)[1])
    assert not np.array_equal(one, a_noisy_ball("anisotropic", 4)[1])
    small, large = (dice(a_noisy_ball("anisotropic", 3, amount=amount)[1], truth) for amount in (0.1, 0.6))
    assert large < dice(one, truth) < small


def test_something_always_stays_of_a_tiny_object_and_an_empty_one_is_refused() -> None:
    truth = np.zeros((5, 6, 7), bool)
    truth[2, 3, 4] = True
    for seed in range(10):
        assert noisy_object(truth, (5.0, 1.0, 1.0), np.random.default_rng(seed), amount=3.0).any()
    with pytest.raises(PromptError, match="empty object"):
        noisy_object(np.zeros_like(truth), (1.0, 1.0, 1.0), np.random.default_rng(0))
