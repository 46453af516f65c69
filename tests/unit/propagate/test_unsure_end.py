"""Where else a side may end, from its scores."""

from __future__ import annotations

import numpy as np
import pytest

from radsam.predictor import SliceMask
from radsam.propagate.unsure_end import other_end
from radsam.volume import RunMask

MASK = RunMask.encode(np.ones((2, 2), bool))


@pytest.mark.parametrize(
    ("scores", "end"),
    [
        ([0.9, 0.9, 0.9, 0.9], None),
        ([0.9, 0.8, 0.6, 0.6, 0.55], 11),
        ([0.9, 0.8, 0.6, 0.8, 0.9, 0.9], None),  # one bad slice
        ([0.9, 0.8, 0.8, 0.8, 0.6], None),  # the last slice only
        ([0.9, 0.8, 0.8, 0.6, 0.6], 12),
        ([0.9, 0.6, 0.6], 10),  # the prompted slice always stays
        ([0.6, 0.6, 0.6], None),  # a faint object
        ([1.0, 0.6, 0.6, 0.6], None),  # a slice that the model did not predict says nothing
        ([0.9], None),
        ([], None),
    ],
)
@pytest.mark.parametrize("side", [-1, 1])
def test_it_is_where_the_score_falls_and_stays_low(scores: list[float], end: int | None, side: int) -> None:
    slices = [SliceMask(10 + side * n, MASK, score) for n, score in enumerate(scores)]
    assert other_end(slices) == (None if end is None else 10 + side * (end - 10))
