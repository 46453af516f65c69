from __future__ import annotations

import numpy as np
import pytest

from radsam.predictor import SliceMask
from radsam.propagate import EndReason, StopRule
from radsam.volume import RunMask


def slice_mask(columns: int, at: int = 0, score: float = 0.9, presence: float | None = None) -> SliceMask:
    """A mask of ten rows and as many columns as wanted."""
    pixels = np.zeros((10, 100), bool)
    pixels[:, at : at + columns] = True
    return SliceMask(0, RunMask.encode(pixels), score, presence)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (slice_mask(20), slice_mask(20), None),
        (slice_mask(20), slice_mask(0), EndReason.EMPTY),
        # A quarter is the least, two and a half times the most.
        (slice_mask(20), slice_mask(5), None),
        (slice_mask(20), slice_mask(4), EndReason.COLLAPSE),
        (slice_mask(20), slice_mask(50), None),
        (slice_mask(20), slice_mask(51), EndReason.JUMP),
        # Half of the smaller mask must be shared.
        (slice_mask(20), slice_mask(20, at=10), None),
        (slice_mask(20), slice_mask(20, at=11), EndReason.DRIFT),
        (slice_mask(20), slice_mask(8, at=16), None),
        (slice_mask(20), slice_mask(8, at=17), EndReason.DRIFT),
        (slice_mask(20), slice_mask(20, score=0.35), None),
        (slice_mask(20), slice_mask(20, score=0.34), EndReason.LOW_SCORE),
        # After an empty slice there is nothing to compare with.
        (slice_mask(0), slice_mask(90), None),
        (slice_mask(0), slice_mask(0), EndReason.EMPTY),
        (slice_mask(0), slice_mask(9, score=0.1), EndReason.LOW_SCORE),
    ],
)
def test_each_part_of_the_rule_has_its_reason_and_its_edge(
    before: SliceMask, after: SliceMask, reason: EndReason | None
) -> None:
    assert StopRule().broken_by(before.mask, after) is reason


def test_the_rule_can_be_loosened() -> None:
    loose = StopRule(min_score=0.0, max_shrink=100.0, max_growth=100.0, min_overlap=0.0)
    assert loose.broken_by(slice_mask(20).mask, slice_mask(1, at=99, score=0.0)) is None
    assert loose.broken_by(slice_mask(1).mask, slice_mask(100)) is None
    assert loose.broken_by(slice_mask(20).mask, slice_mask(0)) is EndReason.EMPTY


def test_a_score_is_compared_with_the_best_ones_of_the_side() -> None:
    rule = StopRule(min_share=0.8)
    assert not rule.doubt(slice_mask(20, score=0.65), [0.8] * 5)
    assert rule.doubt(slice_mask(20, score=0.63), [0.8] * 5)
    # A faint object has low scores everywhere.
    assert not rule.doubt(slice_mask(20, score=0.42), [0.5] * 5)
    # One outlier decides nothing, and without an earlier score there is nothing to compare with.
    assert not rule.doubt(slice_mask(20, score=0.65), [0.8] * 20 + [0.99])
    assert not rule.doubt(slice_mask(20, score=0.01), [])


def test_three_low_scores_in_a_row_end_a_side_and_a_good_one_in_between_clears_all_doubt() -> None:
    rule, low, good = StopRule(), slice_mask(20, score=0.5), slice_mask(20)
    doubt = 0.0
    for ended in (None, None, EndReason.LOW_SCORE):
        doubt = rule.doubt(low, [0.9], doubt)
        assert rule.ended_by(low, doubt) is ended
    assert rule.doubt(good, [0.9], doubt) == 0


@pytest.mark.parametrize("in_a_row", range(1, 50))
def test_the_number_of_low_scores_is_exact(in_a_row: int) -> None:
    rule, low, doubt = StopRule(in_a_row=in_a_row), slice_mask(20, score=0.5), 0.0
    for _ in range(in_a_row):
        assert rule.ended_by(low, doubt) is None
        doubt = rule.doubt(low, [0.9], doubt)
    assert rule.ended_by(low, doubt) is EndReason.LOW_SCORE


def test_log_odds_of_absence_add_up() -> None:
    rule = StopRule(prior=0.5, most_absent=3.0)

    def after(*presence: float) -> float:
        doubt = 0.0
        for each in presence:
            doubt = rule.doubt(slice_mask(20, presence=each), [0.9], doubt)
        return doubt

    assert after(-0.5) == 0
    assert after(-2.0) == pytest.approx(0.5)
    # A slice that the object is rather on takes doubt away, and no more than there is.
    assert after(-2.0, 0.5) == pytest.approx(0.5 - 1 / 3)
    assert after(9.0, 9.0, -2.0) == pytest.approx(0.5)
    gone = slice_mask(20, presence=-2.0)
    assert rule.ended_by(gone, after(-2.0)) is None
    assert rule.ended_by(gone, after(-2.0, -2.0)) is EndReason.ABSENT


def test_low_scores_end_a_side_of_a_model_that_sees_the_object_there() -> None:
    rule, doubt = StopRule(prior=0.0), 0.0
    for _ in range(3):
        doubt = rule.doubt(slice_mask(20, score=0.5, presence=9.0), [0.9], doubt)
    assert rule.ended_by(slice_mask(20, score=0.5, presence=9.0), doubt) is EndReason.LOW_SCORE
