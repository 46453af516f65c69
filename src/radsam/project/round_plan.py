"""Which finished cases a learning round trains on, and on which it compares weights."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.project.finished_mask import FinishedMask
from radsam.project.project import Project

#: Fewer teach nothing that holds for the next case, and leave nothing to compare on.
NEEDED_CASES, NEEDED_PATIENTS = 3, 3
#: Share of the patients that are not trained on, and how many at least; never more than half of them.
_COMPARED_SHARE, _COMPARED_LEAST = 0.2, 2

#: Case to label to the time at which its mask was finished.
Masks = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class RoundPlan:
    """What a round was begun with; it does not change while the round runs.

    Args:
        number: The round.
        train: The cases to train on.
        compare: The cases to compare on.
        start: Path of the bundle to start from.
        start_sha256: Its identity.
        in_use: The round whose weights it is compared with; None for the default weights.
        minutes: The longest that it may take.
        seed: Of everything random.
    """

    number: int
    train: Masks
    compare: Masks
    start: str
    start_sha256: str
    in_use: int | None
    minutes: float
    seed: int

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        with replacing(path) as scratch:
            scratch.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> RoundPlan | None:
        """Read a plan; None if there is none that is whole."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def changed(self, cases: Mapping[str, Sequence[FinishedMask]]) -> str:
        """Return the first of its cases that is not done any more, or has another mask now; empty if there is none."""
        present = times_of(cases)
        wanted = {**self.train, **self.compare}
        return next((case for case, labels in wanted.items() if present.get(case) != dict(labels)), "")


def finished_cases(project: Project) -> dict[str, list[FinishedMask]]:
    """Return the cases of which every label is done, with their masks in the order of the labels."""
    masks: dict[str, dict[str, FinishedMask]] = {}
    for each in project.finished():
        masks.setdefault(each.case.id, {})[each.label] = each
    labels = [each.name for each in project.labels.label]
    return {case: [found[name] for name in labels] for case, found in masks.items() if found.keys() == set(labels)}


def times_of(cases: Mapping[str, Sequence[FinishedMask]]) -> dict[str, dict[str, str]]:
    """Return when each mask of cases was finished: another mask has another time."""
    return {case: {each.label: each.finished for each in masks} for case, masks in cases.items()}


def require_enough(cases: Mapping[str, Sequence[FinishedMask]]) -> None:
    """Refuse to learn from too little.

    Raises:
        InputError: There are too few finished cases or patients, or no case has any of the labels.
    """
    patients = {masks[0].case.patient for masks in cases.values()}
    if len(cases) < NEEDED_CASES or len(patients) < NEEDED_PATIENTS:
        raise InputError(
            f"The project has {len(cases)} finished cases of {len(patients)} patients; learning needs {NEEDED_CASES} "
            f"cases of {NEEDED_PATIENTS} patients. A case is finished when each of its labels is done or absent."
        )
    if all(each.absent for masks in cases.values() for each in masks):
        raise InputError("In the finished cases every label is absent: there is nothing to learn from.")


def split_patients(
    cases: Mapping[str, Sequence[FinishedMask]], known: Collection[str], seed: int, attempt: int
) -> tuple[list[str], list[str]]:
    """Choose the cases to train on and those to compare on; all cases of a patient go together.

    Those to compare on are first of all patients that no earlier round was trained on, so that the weights in use have
    no advantage, and a proposer can go on from the last one. Among them come first those whose masks were not begun
    from proposals: a mask keeps some of its proposal's errors, and weights would be compared on what they have made.
    Patients with nothing but such masks are trained on, unless there are no others. Among equals the patients change
    from round to round.

    Args:
        cases: The finished cases.
        known: Cases that earlier rounds were trained on.
        seed: Seed of the project.
        attempt: Number of rounds before this one.
    """
    by_patient: dict[str, list[str]] = {}
    for case, masks in cases.items():
        by_patient.setdefault(masks[0].case.patient, []).append(case)
    count = min(max(_COMPARED_LEAST, math.ceil(_COMPARED_SHARE * len(by_patient))), len(by_patient) // 2)
    names = sorted(by_patient)
    order = [names[at] for at in np.random.default_rng([seed, attempt]).permutation(len(names))]
    drawn = {
        name: sum(not each.absent and not each.from_proposal for case in own for each in cases[case])
        for name, own in by_patient.items()
    }
    order.sort(key=lambda name: (bool(set(by_patient[name]) & set(known)), -drawn[name]))
    chosen = [name for name in order[:count] if drawn[name]] or order[:count]
    compared = [case for name in chosen for case in by_patient[name]]
    return [case for case in cases if case not in compared], [case for case in cases if case in compared]


def independent(masks: Sequence[FinishedMask]) -> list[FinishedMask]:
    """Return the masks that keep nothing of a proposal and so favour no weights: drawn ones, and absent labels."""
    return [each for each in masks if each.absent or not each.from_proposal]
