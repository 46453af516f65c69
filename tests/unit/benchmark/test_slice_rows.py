"""Are slices compared with the truth, and scores judged, as they should be?"""

from __future__ import annotations

import numpy as np
import pytest

from radsam.benchmark.models.model_interface import SliceScore
from radsam.benchmark.slice_rows import SliceRow, reliability, slice_rows
from radsam.volume import Geometry, Plane, SliceGrid

OF_OBJECT = {"model": "m", "sha256": "", "mode": "volume, box", "dataset": "d", "case": "c", "object": "o"}
OF_OBJECT["modality"] = "CT"


def row(**changes: object) -> SliceRow:
    facts = {"slice": 1, "way": 1, "dice": 0.9, "score": 0.9, "expected_dice": 0.9, "beyond_answer": 0}
    return SliceRow(**{**OF_OBJECT, **facts, "beyond_truth": 0, **changes})  # type: ignore[arg-type]


def test_a_slice_is_compared_with_its_truth_and_with_the_box_before_it() -> None:
    geometry = Geometry.from_parts((6, 20, 20), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
    grid = SliceGrid.of(geometry, Plane.AXIAL)
    truth, mask = np.zeros((6, 20, 20), bool), np.zeros((6, 20, 20), bool)
    for index in range(6):
        truth[index, 5:10, 5 + index : 10 + index] = True  # moves by a column a slice
    truth[5] = False
    truth[4, 2:10, 3:16] = True  # three sides beyond the box before
    mask[1:6] = truth[1]  # and is clipped: the first mask is repeated
    scores = {index: SliceScore(0.9 - index / 10, 0.8 - index / 10) for index in range(1, 6)}
    found = list(slice_rows(OF_OBJECT, mask, truth, grid, 2, scores))
    assert [each.slice for each in found] == [1, 3, 4, 5], "not the prompted one"
    assert [each.way for each in found] == [1, 1, 2, 3]
    assert [each.score for each in found] == pytest.approx([0.8, 0.6, 0.5, 0.4])
    assert [each.expected_dice for each in found] == pytest.approx([0.7, 0.5, 0.4, 0.3])
    assert [each.dice for each in found] == pytest.approx([1.0, 0.6, 2 * 25 / (25 + 104), 0.0], abs=1e-9)
    assert [each.beyond_answer for each in found] == [0, 0, 0, 0]
    assert [each.beyond_truth for each in found] == [0, 1, 3, 0]
    mask[3] = False
    found = list(slice_rows(OF_OBJECT, mask, truth, grid, 2, scores))
    assert [each.slice for each in found] == [1, 3, 5], "no mask came in on slice 4"
    assert found[1].dice == 0.0


def test_the_first_and_last_slice_of_a_volume_may_be_prompted() -> None:
    geometry = Geometry.from_parts((2, 9, 9), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
    grid, mask = SliceGrid.of(geometry, Plane.AXIAL), np.ones((2, 9, 9), bool)
    for prompted in (0, 1):
        scores = {index: SliceScore(0.9, 0.9) for index in (0, 1)}
        assert [each.slice for each in slice_rows(OF_OBJECT, mask, mask, grid, prompted, scores)] == [1 - prompted]


def test_reliability_counts_ranks_and_averages() -> None:
    rows = [
        row(dice=0.2, score=0.9, expected_dice=0.31),
        row(dice=0.4, score=0.5, expected_dice=0.39),
        row(dice=0.8, score=0.8, expected_dice=0.75, beyond_truth=2),
        row(dice=0.9, score=0.95, expected_dice=1.0, beyond_answer=1, case="other"),
    ]
    found = reliability(rows)
    assert found is not None
    assert (found.slices, found.objects) == (4, 2)
    assert found.by_score == pytest.approx(3 / 4), "three of the four pairs are in order"
    assert found.by_expected_dice == 1.0
    assert found.steps == (
        (2, pytest.approx(0.35), pytest.approx(0.3)),
        (1, 0.75, 0.8),
        (1, 1.0, 0.9),
    )
    assert (found.beyond_answer, found.beyond_truth) == (1 / 16, 2 / 16)
    assert reliability([]) is None
    good = reliability(rows[2:])
    assert good is not None
    assert good.by_score is None
