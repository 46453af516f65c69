"""Does the window of values without a unit follow them, so that scaling and shifting leaves the model's input alone?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import fake_session
from phantoms import touching_balls
from radsam.errors import PromptError
from radsam.preprocess import Normalisation, Percentiles, Window
from radsam.volume import Box, Modality, Volume

SCENE = touching_balls()
POSITIVE = (SCENE.volume.values.astype(np.float32) + 1024) / 8


def mr(values: np.ndarray) -> Volume:
    return Volume(values.astype(np.float32), SCENE.volume.geometry, Modality.MR)


@given(
    seed=st.integers(0, 999),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e4, 1e4),
    background=st.floats(0, 0.9),
)
def test_a_window_is_scaled_and_shifted_with_its_values(
    seed: int, scale: float, shift: float, background: float
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, 100.0, (6, 12, 10)) * (rng.random((6, 12, 10)) >= background)
    values[0, 0] = 0, *range(1, 10)  # neither constant nor without a foreground
    window, other = Percentiles().window(values), Percentiles().window(values * scale + shift)
    span = window.high - window.low
    assert other.low == pytest.approx(window.low * scale + shift, abs=1e-6 * span * scale + 1e-9 * abs(shift))
    assert other.high == pytest.approx(window.high * scale + shift, abs=1e-6 * span * scale + 1e-9 * abs(shift))
    np.testing.assert_allclose(
        Normalisation(other).to_unit((values * scale + shift)[0]), Normalisation(window).to_unit(values[0]), atol=2e-3
    )


@given(exponent=st.integers(-6, 6), shift=st.sampled_from([0, 64, 8192]))
def test_scaling_and_shifting_values_leaves_the_mask_as_it_was(exponent: int, shift: int) -> None:
    box = Box(k=13, i0=3, j0=7, i1=27, j1=20)
    first, second = fake_session(mr(POSITIVE)), fake_session(mr(POSITIVE * 2.0**exponent + shift))
    masks = [session.segment(box, bounds=(10, 16), name="a") and session.mask("a") for session in (first, second)]
    assert masks[0].any()
    np.testing.assert_array_equal(*masks)


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 99))
def test_air_around_the_patient_changes_the_window_little(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tissue = rng.normal(500, 60, 20_000).clip(1)
    air = rng.rayleigh(5, round(20_000 * share / (1 - share)))
    values = rng.permutation(np.concatenate([tissue, air]))
    assert Percentiles().window(values.reshape(1, 1, -1)).high == pytest.approx(660, abs=40)


def test_a_few_bright_voxels_do_not_move_the_window() -> None:
    values = np.random.default_rng(0).normal(500, 60, (20, 40, 40))
    calm = Percentiles().window(values)
    values[3, 3, :8] = 50_000
    assert Percentiles().window(values).high == pytest.approx(calm.high, rel=0.05)


def test_the_window_of_a_large_volume_is_that_of_a_sample_of_it() -> None:
    values = np.random.default_rng(0).gamma(2.0, 100.0, (200, 220, 200)).astype(np.float32)
    low, high = np.percentile(values, 0.5), np.percentile(values[values > values.mean()], 99.5)
    window = Percentiles().window(values)
    assert (window.low, window.high) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))


@pytest.mark.parametrize("values", [[0, 1], [0, 0, 0, 1], [3, 3, 3, 3, 4], [0, 1, 1, 1, 1, 1]])
def test_volumes_of_two_values_have_a_window(values: list[int]) -> None:
    window = Percentiles().window(np.array(values, np.int16).reshape(1, 1, -1))
    assert isinstance(window, Window)
    assert min(values) <= window.low < window.high <= max(values)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 99.0), (50.0, 50.0), (99.0, 1.0), (0.0, 101.0), (float("nan"), 99.0)])
def test_percentiles_are_in_range_and_in_order(low: float, high: float) -> None:
    with pytest.raises(PromptError, match="0 to 100"):
        Percentiles(low, high)
