from __future__ import annotations

import time

import numpy as np
import pytest

from radsam.predictor import SliceMask
from radsam.propagate.expected_dice import expected_dice
from radsam.volume import RunMask

MASK = RunMask.encode(np.ones((2, 2), bool))


def slices(*scores: float) -> dict[int, SliceMask]:
    return {index: SliceMask(index, MASK, score) for index, score in enumerate(scores)}


def test_a_slice_is_no_better_than_the_worst_one_on_its_way() -> None:
    found = expected_dice(slices(0.9, 0.8, 0.4, 0.9), (), [0])
    assert found[0] > found[1] > found[2] > found[3]


def test_the_way_begins_at_the_nearest_prompt() -> None:
    found = expected_dice(slices(0.9, 0.8, 0.4, 0.8, 0.9), (), [0, 4])
    assert found[1] == found[3] > 0.8
    assert found[2] == min(found.values())


def test_what_is_right_is_right_and_begins_a_way() -> None:
    found = expected_dice(slices(0.9, 0.4, 0.9, 0.9), [2], [0])
    assert found[2] == 1.0
    assert found[3] > 0.9


def test_slices_between_two_prompts_belong_to_the_nearer_one_and_gaps_are_passed() -> None:
    found = expected_dice({0: slices(0.9)[0], 2: slices(0.5)[0], 3: slices(0.7)[0], 9: slices(0.9)[0]}, (), [0, 9])
    assert set(found) == {0, 2, 3, 9}
    assert found[3] < found[2] < found[0]


def test_a_thousand_slices_take_no_time_that_a_user_would_notice() -> None:
    masks = {index: SliceMask(index, MASK, 0.9) for index in range(1000)}
    started = time.perf_counter()
    expected_dice(masks, (), [500])
    assert time.perf_counter() - started < 0.25


@pytest.mark.parametrize("score", [-1.0, 0.0, 1.5])
def test_it_lies_between_0_and_1(score: float) -> None:
    assert all(0 <= each <= 1 for each in expected_dice(slices(score, score), (), [0]).values())


def test_an_object_without_prompts_begins_at_its_surest_slice() -> None:
    found = expected_dice(slices(0.5, 0.9, 0.8), (), ())
    assert found[1] == max(found.values())
    assert expected_dice({}, (), ()) == {}
