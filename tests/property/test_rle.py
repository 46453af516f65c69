"""Run-length masks lose nothing and are unique."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radsam.volume import RunMask

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
masks = hnp.arrays(np.bool_, shapes)


@given(masks)
def test_decoding_gives_back_every_pixel(mask: np.ndarray) -> None:
    encoded = RunMask.encode(mask)
    np.testing.assert_array_equal(encoded.decode(), mask)
    assert encoded.decode().dtype == np.bool_
    assert encoded.area == np.count_nonzero(mask)


@given(masks)
def test_a_view_encodes_as_its_copy(mask: np.ndarray) -> None:
    assert RunMask.encode(mask.T[::-1]) == RunMask.encode(np.ascontiguousarray(mask.T[::-1]))


@given(shapes.flatmap(lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))))
def test_runs_are_equal_exactly_when_masks_are(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (RunMask.encode(mask) for mask in pair)
    assert (first == second) == np.array_equal(*pair)
    assert RunMask.encode(pair[0].copy()) == first
    assert hash(RunMask.encode(pair[0].copy())) == hash(first)


@given(masks)
def test_only_the_first_run_may_be_empty(mask: np.ndarray) -> None:
    runs = RunMask.encode(mask).runs
    assert (runs[1:] > 0).all()
    assert (runs[0] == 0) == bool(mask.flat[0])


@given(masks)
def test_the_same_runs_in_another_shape_are_another_mask(mask: np.ndarray) -> None:
    rows, cols = mask.shape
    turned = RunMask.encode(mask.reshape(cols, rows))
    assert (turned == RunMask.encode(mask)) == (rows == cols)


@given(masks)
def test_the_enclosing_box_is_that_of_the_pixels(mask: np.ndarray) -> None:
    rows, cols = np.nonzero(mask)
    expected = (cols.min(), rows.min(), cols.max(), rows.max()) if rows.size else None
    assert RunMask.encode(mask).enclosing_box == expected


@given(masks, st.randoms(use_true_random=False))
def test_a_part_encodes_as_the_whole_mask_does(mask: np.ndarray, chance: object) -> None:
    rows, cols = (np.flatnonzero([chance.random() < 0.7 for _ in range(size)]) for size in mask.shape)  # type: ignore[attr-defined]
    part = mask[np.ix_(rows, cols)]
    part[:, np.diff(cols, append=cols[-1:] + 1) > 1] = False  # a column before a gap is background
    whole = np.zeros_like(mask)
    whole[np.ix_(rows, cols)] = part
    assert RunMask.encode_part(part, rows, cols, mask.shape) == RunMask.encode(whole)


@given(shapes.flatmap(lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))))
def test_edges_say_the_same_as_runs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (RunMask.encode(mask) for mask in pair)
    assert RunMask.of_edges(first.shape, first.edges) == first
    with_end = np.append(first.edges, pair[0].size) if first.edges.size % 2 else first.edges
    assert RunMask.of_edges(first.shape, with_end) == first
    assert first ^ second == RunMask.encode(pair[0] ^ pair[1])
    assert first | second == RunMask.encode(pair[0] | pair[1])
    assert first - second == RunMask.encode(pair[0] & ~pair[1])
    assert first ^ first == RunMask.empty(first.shape)
