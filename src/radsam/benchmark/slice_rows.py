"""What each slice of a propagated mask scores, and what the model thought of it.

Slices instead of whole objects show whether the model knows which of its slices are bad, and whether an object that
moves from slice to slice gets clipped at the box of the mask before. The sign of that is how many sides of a slice's
mask reach beyond the box of the mask that came in, for the answer and for the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy.stats import mannwhitneyu

from radsam.benchmark.models.model_interface import SliceScore, Voxels
from radsam.metrics import dice
from radsam.volume import SliceGrid

#: A side reaches beyond a box by at least this many pixels.
_BEYOND_PX = 2
#: Slices below this are bad ones, which a score should find.
BAD_DICE = 0.7
#: Slices are sorted into this many steps of expected Dice.
_STEPS = 10


@dataclass(frozen=True)
class SliceRow:
    """One slice of a first mask at volume level, besides the prompted slice.

    Args:
        model: Label of the model.
        sha256: Identity of its weights.
        mode: Name of the mode.
        dataset: Name of the dataset.
        case: The case.
        object: Its class.
        modality: What made the volume.
        slice: The slice.
        way: Slices from the prompted one.
        dice: Dice of the slice.
        score: The IoU that the model predicts.
        expected_dice: The Dice that RadSAM expects, from the scores on the way.
        beyond_answer: Sides of the mask, 0 to 4, that reach beyond the box of the mask one slice nearer to the prompt.
        beyond_truth: Sides of the truth that do.
    """

    model: str
    sha256: str
    mode: str
    dataset: str
    case: str
    object: str
    modality: str
    slice: int
    way: int
    dice: float
    score: float
    expected_dice: float
    beyond_answer: int
    beyond_truth: int


@dataclass(frozen=True)
class Reliability:
    """How far scores say which slices are bad.

    Args:
        slices: Number of slices.
        objects: Number of objects.
        by_score: Area under the curve of finding slices of a Dice below `BAD_DICE` by the predicted IoU; None where
            all are bad, or none is.
        by_expected_dice: The same by expected Dice.
        steps: For each step of expected Dice that has slices: their number, mean expected Dice and mean Dice.
        beyond_answer: Share of sides that reach beyond the box of the mask that came in, of the answers.
        beyond_truth: The same of the truth.
    """

    slices: int
    objects: int
    by_score: float | None
    by_expected_dice: float | None
    steps: tuple[tuple[int, float, float], ...]
    beyond_answer: float
    beyond_truth: float


def slice_rows(
    of_object: Mapping[str, str],
    mask: Voxels,
    truth: Voxels,
    grid: SliceGrid,
    prompted: int,
    scores: Mapping[int, SliceScore],
) -> Iterator[SliceRow]:
    """Compare a mask with the truth on each slice that has both a score and a mask before it.

    Args:
        of_object: The columns of a row that are the object's.
        mask: The mask.
        truth: The truth.
        grid: The slices.
        prompted: The slice of the first prompt.
        scores: The model's scores.
    """
    for index in sorted(scores):
        if index == prompted:
            continue
        found, right = grid.take(mask, index), grid.take(truth, index)
        came_in = grid.take(mask, index + (1 if index < prompted else -1))
        if not came_in.any() or not (found.any() or right.any()):
            continue
        yield SliceRow(
            **of_object,
            slice=index,
            way=abs(index - prompted),
            dice=dice(found, right),
            score=scores[index].predicted_iou,
            expected_dice=scores[index].expected_dice,
            beyond_answer=_sides_beyond(found, came_in),
            beyond_truth=_sides_beyond(right, came_in),
        )


def _sides_beyond(mask: Bool[np.ndarray, "v u"], before: Bool[np.ndarray, "v u"]) -> int:
    if not mask.any():
        return 0
    (low, high), (before_low, before_high) = (_box(each) for each in (mask, before))
    return int((before_low - low >= _BEYOND_PX).sum() + (high - before_high >= _BEYOND_PX).sum())


def _box(mask: Bool[np.ndarray, "v u"]) -> tuple[np.ndarray, np.ndarray]:
    """First and last row and column."""
    held = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    return np.array([each[0] for each in held]), np.array([each[-1] for each in held])


def reliability(rows: Iterable[SliceRow]) -> Reliability | None:
    """Judge the scores of one model in one mode; None without rows."""
    rows = tuple(rows)
    if not rows:
        return None
    found = np.array([row.dice for row in rows])
    expected = np.array([row.expected_dice for row in rows])
    at = np.minimum((expected * _STEPS).astype(int), _STEPS - 1)
    steps = [(expected[at == step], found[at == step]) for step in range(_STEPS) if (at == step).any()]
    sides = 4 * len(rows)
    return Reliability(
        slices=len(rows),
        objects=len({(row.dataset, row.case, row.object) for row in rows}),
        by_score=area_under_curve([row.score for row in rows], found < BAD_DICE),
        by_expected_dice=area_under_curve(expected.tolist(), found < BAD_DICE),
        steps=tuple((len(one), float(one.mean()), float(other.mean())) for one, other in steps),
        beyond_answer=sum(row.beyond_answer for row in rows) / sides,
        beyond_truth=sum(row.beyond_truth for row in rows) / sides,
    )


def area_under_curve(values: Sequence[float], bad: Bool[np.ndarray, " n"]) -> float | None:
    """Return the chance that a bad slice has a lower value than a good one; None without both."""
    if bad.all() or not bad.any():
        return None
    given = np.asarray(values)
    larger = float(mannwhitneyu(given[~bad], given[bad]).statistic)
    return larger / (int(bad.sum()) * int((~bad).sum()))
