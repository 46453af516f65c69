"""The shape between two masks, against the definition by signed distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from radsam.volume.shape_between import blended, shapes_between

ROWS, COLS = np.mgrid[:40, :50]


def disc(row: float, col: float, radius: float) -> np.ndarray:
    return (ROWS - row) ** 2 + (COLS - col) ** 2 < radius**2


def mean_of_signed_distances(a: np.ndarray, b: np.ndarray, weight: float, spacing: tuple[float, float]) -> np.ndarray:
    def signed(mask: np.ndarray) -> np.ndarray:
        outside, inside = (ndimage.distance_transform_edt(each, sampling=spacing) for each in (~mask, mask))
        return np.asarray(outside - inside)

    return np.asarray((1 - weight) * signed(a) + weight * signed(b))


any_mask = arrays(np.bool_, (9, 12), elements=st.booleans(), fill=st.just(False)).filter(
    lambda mask: bool(mask.any() and not mask.all())
)


@given(any_mask, any_mask, st.floats(0.05, 0.95), st.sampled_from([(1.0, 1.0), (3.0, 0.7), (0.8, 5.0)]))
@settings(max_examples=100, deadline=None)
def test_a_blend_is_where_the_mean_of_signed_distances_is_negative(
    a: np.ndarray, b: np.ndarray, weight: float, spacing: tuple[float, float]
) -> None:
    blend = blended(a, b, weight, spacing)
    mean = mean_of_signed_distances(a, b, weight, spacing)
    assert blend[mean < -1e-4].all()
    assert not blend[mean > 1e-4].any()
    assert not (a & b & ~blend).any()
    assert not (blend & ~(a | b)).any()


def test_a_blend_of_discs_is_a_disc_between_them() -> None:
    a, b = disc(20, 20, 16), disc(20, 20, 8)
    assert (blended(a, b, 0.0) == a).all()
    assert (blended(a, b, 1.0) == b).all()
    for weight in (0.25, 0.5, 0.75):
        expected = disc(20, 20, 16 - 8 * weight)
        blend = blended(a, b, weight)
        assert (blend == blended(b, a, 1 - weight)).all()
        assert 2 * (blend & expected).sum() / (blend.sum() + expected.sum()) > 0.97


def test_a_blend_with_nothing_gets_thinner_and_is_gone_at_half() -> None:
    a, nothing = disc(20, 25, 12), np.zeros((40, 50), bool)
    sizes = [int(blended(a, nothing, weight).sum()) for weight in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9)]
    assert sizes[:5] == sorted(sizes[:5], reverse=True)
    assert sizes[4] > 0
    assert sizes[5:] == [0, 0]
    assert not blended(nothing, nothing, 0.5).any()


@pytest.mark.parametrize("turn", [False, True])
def test_a_shape_moves_to_where_its_counterpart_is(turn: bool) -> None:
    """Discs that do not overlap: plain signed distances would make nothing between them."""
    a, b = disc(12, 10, 5), disc(30, 40, 7)
    expected = [disc(12 + 18 * w, 10 + 30 * w, 5 + 2 * w) for w in (0.25, 0.5)]
    if turn:
        a, b, expected = a.T, b.T, [each.T for each in expected]
    for shape, right in zip(shapes_between(a, b, (0.25, 0.5), (1.0, 1.0)), expected, strict=True):
        assert 2 * (shape & right).sum() / (shape.sum() + right.sum()) > 0.95


def test_parts_keep_to_their_counterparts() -> None:
    """Of two vessels, one moves between the slices; each stays in one piece, where it should be."""
    a, b = disc(10, 10, 4) | disc(30, 40, 6), disc(10, 22, 4) | disc(30, 40, 6)
    (shape,) = shapes_between(a, b, (0.5,), (1.0, 1.0))
    expected = disc(10, 16, 4) | disc(30, 40, 6)
    assert 2 * (shape & expected).sum() / (shape.sum() + expected.sum()) > 0.95


@given(any_mask)
@settings(max_examples=30, deadline=None)
def test_equal_slices_have_equal_ones_between(mask: np.ndarray) -> None:
    (same,) = shapes_between(mask, mask, (0.3,), (0.7, 2.0))
    assert (same == mask).all()


def test_areas_change_evenly_so_that_thin_shapes_do_not_vanish() -> None:
    either = np.zeros((40, 50), bool)
    other = either.copy()
    either[10:30, 10:13], other[10:30, 12:13] = True, True
    areas = [int(shape.sum()) for shape in shapes_between(either, other, (0.25, 0.5, 0.75), (1.0, 1.0))]
    assert areas == [50, 40, 30]


def test_a_part_is_not_matched_with_one_far_away() -> None:
    a, b = disc(10, 6, 3) | disc(30, 40, 6), disc(10, 46, 3) | disc(30, 40, 6)
    (shape,) = shapes_between(a, b, (0.5,), (1.0, 1.0))
    assert (shape == disc(30, 40, 6)).all()
