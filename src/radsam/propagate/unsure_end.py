"""Where else an object may end, judged by the scores of the slices that its propagation has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radsam.predictor import SliceMask
from radsam.propagate.stop_rule import best_of

#: From where the score (predicted IoU) stays below this share of the side's best ones, the object may have ended. A
#: larger share offered many more ends, most of them farther from the truth; how many are, is counted by
#: benchmarks/slice_scores.py.
_SURE_SHARE = 0.7
#: One bad slice among good ones does not end an object: the median of so many decides.
_SLICES = 3
#: An end that is nearer to the found one is not worth asking about.
_FEWEST_SLICES = 2


def other_end(slices: Sequence[SliceMask]) -> int | None:
    """Return the slice at which a side may end instead; None where the found end is as good.

    Args:
        slices: The slices of a side, from one that the user has prompted or set to the last one.
    """
    scores = [each.score for each in slices]
    for at in range(1, len(scores)):
        predicted = [each for each in scores[:at] if each < 1.0]
        least = _SURE_SHARE * best_of(predicted) if predicted else 0.0
        if scores[at] < least and np.median(scores[at : at + _SLICES]) < least:
            return slices[at - 1].index if len(slices) - at >= _FEWEST_SLICES else None
    return None
