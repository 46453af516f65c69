from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radsam.errors import PromptError
from radsam.volume import RunMask, SparseMask

arrays = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))
axes = st.integers(0, 2)


@given(arrays, axes)
def test_an_array_comes_back_along_every_axis(array: np.ndarray, axis: int) -> None:
    mask = SparseMask.of(array, axis)
    np.testing.assert_array_equal(mask.decode(), array)
    assert mask.voxels == np.count_nonzero(array)
    assert bool(mask) == array.any()
    assert all(each.area for each in mask.slices.values())


@given(arrays, axes, axes)
def test_slices_along_another_axis_hold_the_same_voxels(array: np.ndarray, axis: int, other: int) -> None:
    turned = SparseMask.of(array, axis).along(other)
    expected = SparseMask.of(array, other)
    assert turned == expected
    assert hash(turned) == hash(expected)


@given(arrays, axes, axes, st.randoms(use_true_random=False))
def test_union_and_difference_are_those_of_the_arrays(array: np.ndarray, axis: int, other: int, chance: object) -> None:
    second = np.array([chance.random() < 0.5 for _ in range(array.size)]).reshape(array.shape)  # type: ignore[attr-defined]
    first_mask, second_mask = SparseMask.of(array, axis), SparseMask.of(second, other)
    assert first_mask.union(second_mask) == SparseMask.of(array | second, axis)
    assert first_mask.without(second_mask) == SparseMask.of(array & ~second, axis)


def test_slices_are_counted_along_their_axis() -> None:
    array = np.zeros((3, 4, 5), dtype=bool)
    array[2, 1, 4] = True
    for axis, index, place in ((0, 4, (2, 1)), (1, 1, (2, 4)), (2, 2, (1, 4))):
        mask = SparseMask.of(array, axis)
        assert list(mask.slices) == [index]
        assert np.argwhere(mask.slices[index].decode()).tolist() == [list(place)]


def test_empty_slices_are_left_out_and_the_order_is_ascending() -> None:
    full, empty = (RunMask.encode(np.full((4, 5), value)) for value in (True, False))
    mask = SparseMask(2, (3, 4, 5), {2: full, 1: empty, 0: full})
    assert list(mask.slices) == [0, 2]
    assert not SparseMask(2, (3, 4, 5), {1: empty})


def test_a_slice_outside_or_of_another_size_is_refused() -> None:
    pixels = RunMask.encode(np.ones((4, 5), dtype=bool))
    with pytest.raises(PromptError, match="k=3, but k goes from 0 to 2"):
        SparseMask(2, (3, 4, 5), {3: pixels})
    with pytest.raises(PromptError, match=r"slice i=0 is \(4, 5\), the slice is \(3, 4\)"):
        SparseMask(0, (3, 4, 5), {0: pixels})
    with pytest.raises(PromptError, match="axis 0, 1 or 2"):
        SparseMask(3, (3, 4, 5), {})


def test_a_mask_of_another_volume_is_refused_in_the_users_order() -> None:
    with pytest.raises(PromptError, match=r"5×4×3 voxels .* this one has 5×4×2"):
        SparseMask(2, (3, 4, 5), {}).check((2, 4, 5))


def test_two_strokes_far_apart_turn_without_the_volume_between_them() -> None:
    stroke = np.zeros((300, 300), dtype=bool)
    stroke[100:130, 50:90] = True
    mask = SparseMask(2, (400, 300, 300), dict.fromkeys((3, 390), RunMask.encode(stroke)))
    tracemalloc.start()
    turned = mask.along(0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(turned.slices) == list(range(50, 90))
    assert turned.voxels == mask.voxels
    assert most < 400 * 300 * 300 / 50
