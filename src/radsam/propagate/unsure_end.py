"""Where else an object may end, judged by the scores of the slices that its propagation has found."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from radsam.predictor import SliceMask

#: From where the score (predicted IoU) stays below this, the object may have ended; chosen by eye, on few objects.
_SURE_SCORE = 0.7
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
        if scores[at] < _SURE_SCORE and median(scores[at : at + _SLICES]) < _SURE_SCORE:
            return slices[at - 1].index if len(slices) - at >= _FEWEST_SLICES else None
    return None
