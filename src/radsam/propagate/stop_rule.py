"""The stop rule: when a propagation without bounds has left the object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from radsam.predictor import SliceMask
from radsam.volume import RunMask

#: The best scores of a side, without single outliers.
_BEST_PERCENTILE = 90
#: Doubt that ends a side: 1, less what thirds and the like are rounded by.
_ENOUGH_DOUBT = 1 - 1e-6


class EndReason(StrEnum):
    """Why a propagation ended on one side."""

    BOUND = "bound"
    VOLUME_END = "volume end"
    EMPTY = "empty mask"
    COLLAPSE = "area collapsed"
    JUMP = "area jumped"
    DRIFT = "mask moved away"
    LOW_SCORE = "low predicted IoU"
    ABSENT = "object no longer there"
    UNCHANGED = "nothing changes any more"
    STOPPED = "stopped"


@dataclass(frozen=True)
class StopRule:
    """Ends a side of a propagation that has no bound.

    The slice that breaks the rule is not part of the object. Beside single slices that break it, doubt adds up over
    slices: by low scores, and, where the model judges whether the object is on a slice, by its log-odds (Page 1954,
    "Continuous inspection schemes": a side ends where their sum was largest).

    Args:
        min_score: Smallest predicted IoU of any object.
        max_shrink: Largest factor by which the area shrinks from one slice to the next.
        max_growth: Largest factor by which it grows.
        min_overlap: Smallest share of the smaller mask that both slices have in common.
        min_share: Smallest share of the side's best scores, since the scores of a small or faint object are all low.
        in_a_row: So many slices in a row with less than that share end the side before the first of them.
        prior: Added to the log-odds that the object is on a slice: training shows it on most slices, a propagation
            past its end on none. Chosen on validation patients (docs/radsam-lite.md), as the next one.
        most_absent: Log-odds that the object is gone which end the side before the first slice that they are of.
    """

    min_score: float = 0.35
    max_shrink: float = 4.0
    max_growth: float = 2.5
    min_overlap: float = 0.5
    min_share: float = 0.7
    in_a_row: int = 3
    prior: float = -2.25
    most_absent: float = 1.0

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

    def doubt(self, current: SliceMask, earlier: Sequence[float], before: float = 0.0) -> float:
        """Return how much speaks for the side having ended since its last sure slice: 0 nothing, 1 enough to end it.

        Args:
            current: The slice.
            earlier: The scores that were predicted on the side before it.
            before: The doubt after the slice before it.
        """
        low = bool(earlier) and current.score < self.min_share * best_of(earlier)
        by_score = 1 / self.in_a_row if low else -math.inf
        by_presence = -math.inf if current.presence is None else -(current.presence + self.prior) / self.most_absent
        return max(0.0, before + max(by_score, by_presence))

    def ended_by(self, current: SliceMask, doubt: float) -> EndReason | None:
        """Return why a doubt ends a side; None where it goes on."""
        if doubt < _ENOUGH_DOUBT:
            return None
        absent = current.presence is not None and current.presence + self.prior < 0
        return EndReason.ABSENT if absent else EndReason.LOW_SCORE


def best_of(scores: Sequence[float]) -> float:
    """The best of at least one score, without single outliers."""
    return float(np.percentile(scores, _BEST_PERCENTILE))
