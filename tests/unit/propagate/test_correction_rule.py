"""What a correction may change; the slices are not square and the pixels are not, so that no axis can be mistaken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from radsam.propagate.correction_rule import (
    Cap,
    Change,
    following_change,
    is_other_shape,
    is_surer,
    marked_change,
)

SHAPE = (30, 44)
NONE = np.zeros(SHAPE, bool)
masks = arrays(bool, (9, 13))


def block(v0: int, v1: int, u0: int, u1: int) -> np.ndarray:
    pixels = np.zeros(SHAPE, bool)
    pixels[v0:v1, u0:u1] = True
    return pixels


def mark(v: int, u: int) -> np.ndarray:
    return block(v, v + 1, u, u + 1)


BEFORE = block(10, 20, 10, 20)


def test_only_the_part_of_the_prediction_that_holds_the_click_is_taken() -> None:
    bump, island, bite = block(10, 20, 20, 25), block(2, 5, 36, 42), block(12, 17, 10, 15)
    predicted = (BEFORE | bump | island) & ~bite
    change = marked_change(BEFORE, predicted, mark(14, 22), NONE)
    assert np.array_equal(change.added, bump)
    assert not change.taken.any(), "a positive click takes nothing away"
    assert np.array_equal(change.apply(BEFORE), BEFORE | bump)
    taken = marked_change(BEFORE, predicted, NONE, mark(14, 12))
    assert np.array_equal(taken.taken, bite)
    assert not taken.added.any(), "a negative click adds nothing"


def test_a_part_that_only_touches_the_click_counts_and_one_farther_away_does_not() -> None:
    predicted = BEFORE | block(10, 20, 20, 24)
    assert marked_change(BEFORE, predicted, mark(14, 25), NONE)
    assert not marked_change(BEFORE, predicted, mark(14, 26), NONE)


def test_what_is_taken_ends_three_times_as_far_away_as_the_click_is_deep() -> None:
    strip = block(13, 16, 20, 44)
    change = marked_change(BEFORE | strip, BEFORE, NONE, mark(14, 22))
    # The click is 2 pixels deep in the strip.
    rows, cols = np.indices(SHAPE)
    assert np.array_equal(change.taken, strip & (np.hypot(rows - 14, cols - 22) <= 6))
    compact = block(8, 22, 20, 34) & ~BEFORE
    assert np.array_equal(marked_change(BEFORE | compact, BEFORE, NONE, mark(14, 27)).taken, compact)


@pytest.mark.parametrize("part", [block(13, 16, 20, 44), block(8, 22, 20, 34) & ~BEFORE], ids=["strip", "compact"])
def test_what_is_added_is_taken_whole(part: np.ndarray) -> None:
    assert np.array_equal(marked_change(BEFORE, BEFORE | part, mark(14, 22), NONE).added, part)


def test_on_the_next_slice_only_what_goes_on_from_the_neighbour_changes() -> None:
    neighbour = Change(block(10, 20, 20, 25), block(10, 20, 10, 12))
    before = block(10, 20, 10, 27)
    moved, other, taken, kept = block(12, 20, 27, 28), block(25, 28, 2, 8), block(11, 14, 12, 13), block(18, 20, 17, 20)
    change = following_change(before, (before | moved | other) & ~(taken | kept), neighbour)
    assert np.array_equal(change.added, moved)
    assert np.array_equal(change.taken, taken)
    away = block(12, 20, 29, 31)
    assert not following_change(before, before | away, neighbour), "more than three pixels from it"


def test_a_change_that_grows_from_slice_to_slice_is_another_one() -> None:
    neighbour = Change(block(10, 20, 20, 24), NONE)
    assert following_change(BEFORE, BEFORE | block(9, 20, 20, 24), neighbour)
    assert not following_change(BEFORE, BEFORE | block(8, 22, 20, 25), neighbour)
    # A leak that hangs together with it is cut off where it is farther away than the neighbour's change is deep.
    leak = block(14, 16, 20, 44)
    cut = following_change(BEFORE, BEFORE | leak, neighbour).added
    assert np.array_equal(cut, block(14, 16, 20, 27))


def test_a_mask_of_which_the_model_was_sure_is_surer_only_than_a_doubtful_one() -> None:
    assert is_surer(0.8, 0.75)
    assert not is_surer(0.8, 0.85)
    assert not is_surer(0.6, 0.4)


@settings(max_examples=60, deadline=None)
@given(masks, masks, masks, masks)
def test_a_change_is_a_part_of_the_prediction_and_of_the_sign_that_was_marked(
    before: np.ndarray, predicted: np.ndarray, inside: np.ndarray, outside: np.ndarray
) -> None:
    change = marked_change(before, predicted, inside, outside)
    follows = following_change(before, predicted, Change(inside, outside))
    for each in (change, follows):
        assert not (each.added & ~(predicted & ~before)).any()
        assert not (each.taken & ~(before & ~predicted)).any()
        assert np.array_equal(Change.between(before, each.apply(before)).added, each.added)
    wanted = inside & predicted & ~before
    assert (change.added & wanted).sum() == wanted.sum(), "a marked pixel follows the predicted"
    assert bool(change) == bool(change.added.any() or change.taken.any())


def test_a_cap_gets_thinner_with_the_distance_and_knows_millimetres() -> None:
    # 10 rows of 2 mm and 30 columns of 1 mm: 10 mm to the sides of the longer axis decide.
    cap = Cap(block(5, 15, 5, 35), (2.0, 1.0))
    assert cap.reach_mm == pytest.approx(20.0)
    assert np.array_equal(cap.at(0.0), block(5, 15, 5, 35))
    areas = [int(cap.at(float(distance)).sum()) for distance in (0, 5, 10, 15, 19, 20, 50)]
    assert areas == sorted(areas, reverse=True)
    assert areas[-3] > 0
    assert areas[-2:] == [0, 0]
    # Half-way the rows have lost as many millimetres as the columns.
    rows, cols = (np.flatnonzero(cap.at(17.0).any(axis=axis)) for axis in (1, 0))
    assert 2 * (rows[0] - 5) == pytest.approx(cols[0] - 5, abs=2)
    assert not Cap(NONE, (1.0, 1.0)).at(0.0).any()


def test_a_slice_is_of_another_shape_where_the_masks_share_less_than_six_tenths() -> None:
    assert is_other_shape(BEFORE, block(10, 20, 13, 23))
    assert not is_other_shape(BEFORE, block(10, 20, 12, 22))
    assert is_other_shape(NONE, BEFORE)
    assert not is_other_shape(NONE, NONE)
