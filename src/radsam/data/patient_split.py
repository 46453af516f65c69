"""Training and validation patients: the dataset's own split, or one made of the patients' names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from radsam.data.case import Case
from radsam.errors import DatasetError


def split_of_patient(patient: str, *, val_share: int | float = 0.2, seed: int = 0) -> str:
    """Return "train" or "val" for a patient, from its name and the seed alone.

    A patient stays where it is when others come or go, so a dataset may grow without
    moving a patient from validation to training. The price is that `val_share` is met
    only on average.

    Raises:
        DatasetError: `val_share` is not between 0 and 1.
    """
    if not 0 <= val_share <= 1:
        raise DatasetError(f"The share of validation patients is {val_share}; it lies between 0 and 1.")
    return "val" if _fraction(patient, seed) < val_share else "train"


def _fraction(patient: str, seed: int) -> float:
    """A number from 0 to 1 made of the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_splits(
    cases: Sequence[Case], *, val_share: int | float = 0.2, seed: int = 0, keep_own: bool = True
) -> list[Case]:
    """Give every case a split, by patient.

    Args:
        cases: Cases of one dataset.
        val_share: Share of the patients that go to validation.
        seed: Another seed gives another split.
        keep_own: Keep the split that the dataset itself names; only cases without one
            get one made, that of the same patient's other cases where there is one.

    Raises:
        DatasetError: The dataset's own split puts one patient on two sides.
    """
    own: dict[str, str] = {}
    if keep_own:
        for case in cases:
            if case.split and own.setdefault(case.patient, case.split) != case.split:
                raise DatasetError(
                    f"Patient {case.patient} is in both {own[case.patient]} and {case.split}: scores would be "
                    "too good. Correct the dataset's split, or have one made instead of it."
                )
    made = {case.patient: split_of_patient(case.patient, val_share=val_share, seed=seed) for case in cases}
    return [replace(case, split=own.get(case.patient) or made[case.patient]) for case in cases]


def assign_few(cases: Sequence[Case], *, val_share: int | float = 0.2, seed: int = 0) -> list[Case]:
    """Give every case a split, by patient, so that both sides have a patient.

    `assign_splits` meets its share only on average, which leaves one side empty for many
    a handful of patients. Here the share is met as closely as whole patients allow; the
    price is that a new patient may move another one to the other side.

    Args:
        cases: Cases of one dataset; those that have a split keep it.
        val_share: Share of the other patients that go to validation; one of them at least.
        seed: Another seed gives another split.

    Raises:
        DatasetError: All cases are of one patient, or the dataset's own split puts one
            patient on two sides.
    """
    named = {case.patient: case.split for case in cases if case.split}
    left = sorted({case.patient for case in cases} - named.keys(), key=lambda patient: _fraction(patient, seed))
    if len(left) == 1 and not named:
        raise DatasetError(
            f"All cases are of one patient, {left[0]}. At least two are needed: one for training and one for "
            "validation."
        )
    sides = set(named.values())
    most = len(left) if "train" in sides else len(left) - 1
    count = 0 if "val" in sides else min(max(1, round(val_share * len(left))), most)
    made = {patient: "val" if number < count else "train" for number, patient in enumerate(left)}
    return assign_splits([replace(case, split=case.split or made.get(case.patient, "")) for case in cases])
