"""The stop rule: when a propagation without bounds has left the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from radsam.predictor import SliceMask
from radsam.volume import RunMask

#: The best scores of a side, without single outliers.
_BEST_PERCENTILE = 90


class EndReason(StrEnum):
    """Why a propagation ended on one side."""

    BOUND = "bound"
    VOLUME_END = "volume end"
    EMPTY = "empty mask"
    COLLAPSE = "area collapsed"
    JUMP = "area jumped"
    DRIFT = "mask moved away"
    LOW_SCORE = "low predicted IoU"
    UNCHANGED = "nothing changes any more"
    STOPPED = "stopped"


@dataclass(frozen=True)
class StopRule:
    """Ends a side of a propagation that has no bound.

    The slice that breaks the rule is not part of the object.

    Args:
        min_score: Smallest predicted IoU of any object.
        max_shrink: Largest factor by which the area shrinks from one slice to the next.
        max_growth: Largest factor by which it grows.
        min_overlap: Smallest share of the smaller mask that both slices have in common.
        min_share: Smallest share of the side's best scores, since the scores of a small or faint object are all low.
        in_a_row: So many slices in a row with less than that share end the side before the first of them.
    """

    min_score: float = 0.45
    max_shrink: float = 4.0
    max_growth: float = 2.5
    min_overlap: float = 0.5
    min_share: float = 0.75
    in_a_row: int = 3

    def broken_by(self, incoming: RunMask, current: SliceMask) -> EndReason | None:
        """Return the part of the rule that `current` breaks after the incoming mask; None where it breaks none."""
        was, now = incoming.area, current.mask.area
        if now == 0:
            return EndReason.EMPTY
        if was and now * self.max_shrink < was:
            return EndReason.COLLAPSE
        if was and now > was * self.max_growth:
            return EndReason.JUMP
        if was:
            shared = np.count_nonzero(incoming.decode() & current.mask.decode())
            if shared < self.min_overlap * min(was, now):
                return EndReason.DRIFT
        if current.score < self.min_score:
            return EndReason.LOW_SCORE
        return None

    def doubts(self, current: SliceMask, earlier: Sequence[float]) -> bool:
        """Whether a slice may lie beyond the object: its score is low, compared with the side's best ones.

        Args:
            current: The slice.
            earlier: The scores that were predicted on the side before it.
        """
        return bool(earlier) and current.score < self.min_share * best_of(earlier)


def best_of(scores: Sequence[float]) -> float:
    """The best of at least one score, without single outliers."""
    return float(np.percentile(scores, _BEST_PERCENTILE))
