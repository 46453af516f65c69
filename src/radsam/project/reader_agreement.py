"""How far two annotators agree on the cases that both have done, before a second reader corrected anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from radsam.metrics import dice
from radsam.project.project import Project


@dataclass(frozen=True)
class ReadingPair:
    """A label of a case that two annotators have done.

    Args:
        case: The case.
        label: The label.
        annotators: Who did it first and second.
        dice: Of their masks; None where both found that the label is absent.
    """

    case: str
    label: str
    annotators: tuple[str, str]
    dice: float | None


@dataclass(frozen=True)
class LabelAgreement:
    """The agreement on a label.

    Args:
        label: The label.
        cases: Cases that two annotators have done.
        both_absent: Those in which both found that the label is absent; they have no Dice.
        dice: Mean Dice of the others; one that only one annotator found counts as 0. None without any.
        lowest: The lowest Dice, and its case; None without any.
    """

    label: str
    cases: int
    both_absent: int
    dice: float | None
    lowest: tuple[float, str] | None


def compare_readings(project: Project) -> list[ReadingPair]:
    """Compare the masks of cases that two annotators have done.

    Raises:
        VolumeError: A mask is missing or damaged.
    """
    annotators = {(each.case, each.label, each.reading): each.annotator for each in project.tasks()}
    second = {(each.case.id, each.label): each for each in project.finished(2, as_annotated=True)}
    pairs = []
    for each in project.finished(1, as_annotated=True):
        case, label = each.case.id, each.label
        if (other := second.get((case, label))) is None:
            continue
        masks = each.voxels(), other.voxels()
        found = dice(*masks) if any(mask.any() for mask in masks) else None
        pairs.append(ReadingPair(case, label, (annotators[case, label, 1], annotators[case, label, 2]), found))
    return pairs


def agreement_by_label(pairs: Sequence[ReadingPair], labels: Sequence[str]) -> list[LabelAgreement]:
    """Return the agreement on each label, in their order."""
    found = []
    for label in labels:
        here = [each for each in pairs if each.label == label]
        scores = [(each.dice, each.case) for each in here if each.dice is not None]
        mean = fmean(score for score, _ in scores) if scores else None
        found.append(LabelAgreement(label, len(here), len(here) - len(scores), mean, min(scores, default=None)))
    return found
