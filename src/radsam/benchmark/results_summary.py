"""The numbers of a report, from the rows of a benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from radsam.benchmark.benchmark_results import FAILED, NOTHING, ScoreRow, last_attempts
from radsam.benchmark.bootstrap import Estimate, mean_of_objects, paired_difference

#: The Dice of "edits to 0.9" and of "edits to 0.95"; the first one is in the main table.
GOALS_DICE = 0.9, 0.95
#: A mask has fallen if an edit lowers its Dice by more than this; less is a pixel at the edge.
FALL_DICE = 0.005

ObjectKey = tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """All masks' scores of one model in one mode.

    Args:
        model: Label of the model.
        mode: The mode; of other volumes than CT with their modality, so that no mean mixes them.
        steps: Number of edits to the rows after them, one for each object.
    """

    model: str
    mode: str
    steps: dict[int, tuple[ScoreRow, ...]]

    @property
    def firsts(self) -> tuple[ScoreRow, ...]:
        """The rows before any edit."""
        return self.steps[0]

    @property
    def lasts(self) -> tuple[ScoreRow, ...]:
        """The rows after the last edit."""
        return self.steps[self.most_edits]

    @property
    def most_edits(self) -> int:
        """The largest number of edits."""
        return max(self.steps)

    def only(self, group: str) -> Curve:
        """Return the curve of one group's objects."""
        return Curve(
            self.model,
            self.mode,
            {edits: tuple(row for row in rows if row.group == group) for edits, rows in self.steps.items()},
        )

    @property
    def failed(self) -> int:
        """Number of objects on which the model failed, at the first prompt or later."""
        return sum(row.status == FAILED for row in self.lasts)

    @property
    def found_nothing(self) -> int:
        """Number of objects with an empty first mask."""
        return sum(row.status == NOTHING for row in self.firsts)


@dataclass(frozen=True)
class EditsToGoal:
    """The number of edits that a good mask takes.

    Args:
        reached: Share of objects that reached the goal.
        median: Median number of edits over all objects; None if less than half reached it.
        most: Largest number of edits.
    """

    reached: float
    median: int | None
    most: int


@dataclass(frozen=True)
class Falls:
    """The edits that made masks worse.

    Args:
        edits: Number of edits that lowered Dice by more than `FALL_DICE`.
        of: Number of all edits.
        objects: Number of objects with such an edit.
        worse: Number of objects whose last mask is that much worse than their first.
    """

    edits: int
    of: int
    objects: int
    worse: int


def curves(rows: Iterable[ScoreRow]) -> list[Curve]:
    """Group rows by mode, modality and model, in the order of their first row; every object once."""
    sorted_rows: dict[tuple[str, str], dict[int, list[ScoreRow]]] = {}
    for row in last_attempts(rows):
        mode = row.mode if row.modality == "CT" else f"{row.mode}, {row.modality}"
        sorted_rows.setdefault((mode, row.model), {}).setdefault(row.edits, []).append(row)
    return [
        Curve(model, mode, {edits: tuple(found) for edits, found in sorted(steps.items())})
        for (mode, model), steps in sorted_rows.items()
    ]


def dice_of(rows: Sequence[ScoreRow]) -> Estimate | None:
    """Mean Dice over objects; failures count as zero."""
    return mean_of_objects([row.dice for row in rows], [row.patient for row in rows]) if rows else None


def nsd_of(rows: Sequence[ScoreRow]) -> Estimate | None:
    """Mean NSD over the objects for which it was computed; None without any."""
    known = [row for row in rows if not math.isnan(row.nsd)]
    return mean_of_objects([row.nsd for row in known], [row.patient for row in known]) if known else None


def median_hd95_mm(rows: Sequence[ScoreRow]) -> float | None:
    """Median HD95; infinite if the median object has an empty mask."""
    known = [row.hd95_mm for row in rows if not math.isnan(row.hd95_mm)]
    return float(np.percentile(known, 50, method="inverted_cdf")) if known else None


def median_seconds(rows: Sequence[ScoreRow]) -> float | None:
    """Median time of an interaction, without failures."""
    known = [row.seconds for row in rows if row.status != FAILED]
    return float(np.median(known)) if known else None


def edits_to_goal(curve: Curve, goal_dice: float = GOALS_DICE[0]) -> EditsToGoal:
    """Count the edits until the goal; the median includes objects that never reach it."""
    reached: dict[ObjectKey, int] = {}
    for edits in sorted(curve.steps, reverse=True):
        reached |= {_object(row): edits for row in curve.steps[edits] if row.dice >= goal_dice}
    count = len(curve.firsts)
    took = sorted(reached.values()) + [curve.most_edits + 1] * (count - len(reached))
    middle = took[(count - 1) // 2]
    return EditsToGoal(len(reached) / count, None if middle > curve.most_edits else middle, curve.most_edits)


def falls(curve: Curve) -> Falls:
    """Count the edits after which a mask was worse than before them."""
    dice: dict[ObjectKey, list[float]] = {}
    for _, rows in sorted(curve.steps.items()):
        for row in rows:
            dice.setdefault(_object(row), []).append(row.dice)
    fell = {key: [before - after > FALL_DICE for before, after in pairwise(each)] for key, each in dice.items()}
    return Falls(
        edits=sum(map(sum, fell.values())),
        of=sum(map(len, fell.values())),
        objects=sum(map(any, fell.values())),
        worse=sum(each[0] - each[-1] > FALL_DICE for each in dice.values()),
    )


def difference(one: Curve, other: Curve, edits: int = 0) -> Estimate | None:
    """Mean paired difference of Dice, one minus other, after the same number of edits of both."""
    if edits not in one.steps or edits not in other.steps:
        return None
    first, second = ({_object(row): row.dice for row in curve.steps[edits]} for curve in (one, other))
    return paired_difference(first, second, {_object(row): row.patient for row in one.steps[edits]})


def _object(row: ScoreRow) -> ObjectKey:
    return row.dataset, row.case, row.object
