"""How good a slice's mask probably is, judged by the scores on its way from the nearest prompt."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

from radsam.predictor import SliceMask

#: Expected Dice = constant + factor · lowest score on the way + loss · ln(slices on the way): a fit by least squares to
#: 244 training objects with the weights of part 14 (docs/radsam-lite.md, "What scores say"). What it is worth on
#: others, and a fit to them, is printed by benchmarks/slice_scores.py --fit.
_CONSTANT, _LOWEST, _FARTHER = 0.384, 0.666, -0.013
#: Slices below this are worth a look first.
SUSPECT = 0.7


def expected_dice(
    slices: Mapping[int, SliceMask], right: Collection[int], prompted: Collection[int]
) -> dict[int, float]:
    """Estimate the Dice of each slice of an object.

    The score (predicted IoU) of a slice does not say that the mask that came in was already wrong, so the lowest one
    on the way from the nearest prompt counts, and the way's length.

    Args:
        slices: The object's masks.
        right: Slices that the model did not predict, or that the user marked right.
        prompted: Slices with a prompt of the user.

    Returns:
        Slice index to a value from 0 to 1; 1 for those of `right`.
    """
    anchors = sorted({*right, *prompted} & slices.keys()) or sorted(slices, key=lambda each: -slices[each].score)[:1]
    indices, found = sorted(slices), dict[int, float]()
    for anchor in anchors:
        at = indices.index(anchor)
        for way in (indices[at:], indices[at::-1]):
            lowest = math.inf
            for index in way:
                if any(abs(index - each) < abs(index - anchor) for each in _beside(anchors, anchor)):
                    break
                if index in right:
                    found[index] = 1.0
                    continue
                lowest = min(lowest, slices[index].score)
                value = _CONSTANT + _LOWEST * lowest + _FARTHER * math.log(max(1, abs(index - anchor)))
                found.setdefault(index, min(1.0, max(0.0, value)))
    return dict(sorted(found.items()))


def _beside(anchors: Sequence[int], anchor: int) -> Sequence[int]:
    """The anchors before and after one."""
    at = bisect_left(anchors, anchor)
    return [*anchors[max(0, at - 1) : at], *anchors[at + 1 : at + 2]]
