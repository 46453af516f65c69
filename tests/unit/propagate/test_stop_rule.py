from __future__ import annotations

import numpy as np
import pytest

from radsam.predictor import SliceMask
from radsam.propagate import EndReason, StopRule
from radsam.volume import RunMask


def slice_mask(columns: int, at: int = 0, score: float = 0.9) -> SliceMask:
    """A mask of ten rows and as many columns as wanted."""
    pixels = np.zeros((10, 100), bool)
    pixels[:, at : at + columns] = True
    return SliceMask(0, RunMask.encode(pixels), score)


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
        (slice_mask(20), slice_mask(20, score=0.45), None),
        (slice_mask(20), slice_mask(20, score=0.44), EndReason.LOW_SCORE),
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
    assert not rule.doubts(slice_mask(20, score=0.65), [0.8] * 5)
    assert rule.doubts(slice_mask(20, score=0.63), [0.8] * 5)
    # A faint object has low scores everywhere.
    assert not rule.doubts(slice_mask(20, score=0.42), [0.5] * 5)
    # One outlier decides nothing, and without an earlier score there is nothing to compare with.
    assert not rule.doubts(slice_mask(20, score=0.65), [0.8] * 20 + [0.99])
    assert not rule.doubts(slice_mask(20, score=0.01), [])
