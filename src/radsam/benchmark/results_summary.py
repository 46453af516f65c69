"""From rows to the numbers of a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from radsam.benchmark.benchmark_results import FAILED, NOTHING, ScoreRow, last_attempts
from radsam.benchmark.bootstrap import Estimate, mean_of_objects, paired_difference

#: "Edits to reach 0.9" asks for this Dice.
GOAL_DICE = 0.9

ObjectKey = tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """All answers of one model in one mode.

    Args:
        model: Label of the model.
        mode: The mode.
        steps: Number of edits to the rows after so many, one for each object.
    """

    model: str
    mode: str
    steps: dict[int, tuple[ScoreRow, ...]]

    @property
    def firsts(self) -> tuple[ScoreRow, ...]:
        """The answers before any edit."""
        return self.steps[0]

    @property
    def lasts(self) -> tuple[ScoreRow, ...]:
        """The answers after the last edit."""
        return self.steps[self.most_edits]

    @property
    def most_edits(self) -> int:
        """The number of edits in all."""
        return max(self.steps)

    def only(self, group: str) -> Curve:
        """The same of one group's objects."""
        return Curve(
            self.model,
            self.mode,
            {edits: tuple(row for row in rows if row.group == group) for edits, rows in self.steps.items()},
        )

    @property
    def failed(self) -> int:
        """Objects on which the model failed, at the first prompt or later."""
        return sum(row.status == FAILED for row in self.lasts)

    @property
    def found_nothing(self) -> int:
        """Objects of which the first answer was empty."""
        return sum(row.status == NOTHING for row in self.firsts)


@dataclass(frozen=True)
class EditsToGoal:
    """How many edits a good mask takes.

    Args:
        reached: Share of objects that reached the goal.
        median: Median number of edits over all objects; None where less than half reached it.
        most: Edits that were tried.
    """

    reached: float
    median: int | None
    most: int


def curves(rows: Iterable[ScoreRow]) -> list[Curve]:
    """Sort rows by mode and model, in the order in which they first came; every object once."""
    sorted_rows: dict[tuple[str, str], dict[int, list[ScoreRow]]] = {}
    for row in last_attempts(rows):
        sorted_rows.setdefault((row.mode, row.model), {}).setdefault(row.edits, []).append(row)
    return [
        Curve(model, mode, {edits: tuple(found) for edits, found in sorted(steps.items())})
        for (mode, model), steps in sorted_rows.items()
    ]


def dice_of(rows: Sequence[ScoreRow]) -> Estimate | None:
    """Mean Dice over objects; failures count as zero."""
    return mean_of_objects([row.dice for row in rows], [row.patient for row in rows]) if rows else None


def nsd_of(rows: Sequence[ScoreRow]) -> Estimate | None:
    """Mean NSD over the objects for which it was computed; None where it was for none."""
    known = [row for row in rows if not math.isnan(row.nsd)]
    return mean_of_objects([row.nsd for row in known], [row.patient for row in known]) if known else None


def median_hd95_mm(rows: Sequence[ScoreRow]) -> float | None:
    """Median HD95; an empty answer is infinitely far, so it may be infinite."""
    known = [row.hd95_mm for row in rows if not math.isnan(row.hd95_mm)]
    return float(np.percentile(known, 50, method="inverted_cdf")) if known else None


def median_seconds(rows: Sequence[ScoreRow]) -> float | None:
    """Median time of an interaction; failures have none."""
    known = [row.seconds for row in rows if row.status != FAILED]
    return float(np.median(known)) if known else None


def edits_to_goal(curve: Curve) -> EditsToGoal:
    """How many edits each object took to reach the goal, those that never did included."""
    reached: dict[ObjectKey, int] = {}
    for edits in sorted(curve.steps, reverse=True):
        reached |= {_object(row): edits for row in curve.steps[edits] if row.dice >= GOAL_DICE}
    count = len(curve.firsts)
    took = sorted(reached.values()) + [curve.most_edits + 1] * (count - len(reached))
    middle = took[(count - 1) // 2]
    return EditsToGoal(len(reached) / count, None if middle > curve.most_edits else middle, curve.most_edits)


def difference(one: Curve, other: Curve, edits: int = 0) -> Estimate | None:
    """Mean Dice of one minus other, object by object, after so many edits of both."""
    if edits not in one.steps or edits not in other.steps:
        return None
    first, second = ({_object(row): row.dice for row in curve.steps[edits]} for curve in (one, other))
    return paired_difference(first, second, {_object(row): row.patient for row in one.steps[edits]})


def _object(row: ScoreRow) -> ObjectKey:
    return row.dataset, row.case, row.object
