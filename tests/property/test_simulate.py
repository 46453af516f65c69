from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from radsam.simulate import MaskNoise, centre_click, exact_box, noisy_mask, random_box, random_click, random_point

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=24)).filter(lambda mask: mask.any())
seeds = st.integers(0, 2**32)
units = st.floats(0.05, 2)
noises = st.builds(
    MaskNoise,
    rotation_deg=st.floats(0, 180),
    scale=st.floats(0, 0.9),
    shift_px=st.floats(0, 100),
    shift_share=st.floats(0, 0.5),
    edge_px=st.floats(0, 50),
    edge_share=st.floats(0, 0.9),
)


@given(masks, seeds)
def test_a_click_is_as_deep_as_the_object_allows(mask: np.ndarray, seed: int) -> None:
    x, y = random_point(mask, np.random.default_rng(seed), margin_px=2.0)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] - 0.5
    assert mask[y, x]
    assert depth[y, x] >= min(2.0, depth.max())


@given(masks, seeds, units)
def test_a_box_is_inside_the_image_and_large_enough(mask: np.ndarray, seed: int, unit: float) -> None:
    rows, cols = mask.shape
    for x0, y0, x1, y1 in (exact_box(mask), random_box(mask, np.random.default_rng(seed), unit=unit)):
        assert 0 <= x0 < x1 < cols
        assert 0 <= y0 < y1 < rows


@given(masks)
def test_an_exact_box_holds_the_object(mask: np.ndarray) -> None:
    x0, y0, x1, y1 = exact_box(mask)
    assert mask[y0 : y1 + 1, x0 : x1 + 1].sum() == mask.sum()


@settings(max_examples=300)
@given(masks, seeds, units, noises)
def test_a_noisy_mask_is_never_empty_and_leaves_the_truth_alone(
    mask: np.ndarray, seed: int, unit: float, noise: MaskNoise
) -> None:
    before = mask.copy()
    noisy = noisy_mask(mask, np.random.default_rng(seed), unit=unit, noise=noise)
    assert noisy.any()
    assert noisy.shape == mask.shape
    assert noisy.dtype == np.bool_
    noisy[:] = False
    assert (mask == before).all()


@given(st.data(), seeds)
def test_correcting_every_click_ends_at_the_truth(data: st.DataObject, seed: int) -> None:
    truth = data.draw(masks)
    rng = np.random.default_rng(seed)
    for choose in (lambda p: random_click(p, truth, rng), lambda p: centre_click(p, truth)):
        predicted = data.draw(arrays(bool, truth.shape))
        wrong = int((predicted != truth).sum())
        for _ in range(wrong):
            click = choose(predicted)
            assert click is not None
            assert click.positive == truth[click.y, click.x] != predicted[click.y, click.x]
            predicted[click.y, click.x] = click.positive
        assert choose(predicted) is None
