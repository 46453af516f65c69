"""Training and test patients of an export, and the folds for cross-validation: made of names and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radsam.errors import InputError

#: Folds of nnU-Net.
_FOLDS = 5


@dataclass(frozen=True)
class PatientSplit:
    """A split of cases by patient.

    Args:
        test: Cases of the patients for testing.
        folds: The other cases, by the fold in which they are for validation; empty with fewer than two patients.
    """

    test: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]

    def fold_of(self, case: str) -> int | None:
        """Return the fold in which a case is for validation; None for a case for testing, or without folds."""
        return next((number for number, cases in enumerate(self.folds) if case in cases), None)

    def as_nnunet(self) -> list[dict[str, list[str]]]:
        """Return nnU-Net's form: cases for training and validation of each fold."""
        every = sorted(case for fold in self.folds for case in fold)
        return [{"train": [each for each in every if each not in fold], "val": sorted(fold)} for fold in self.folds]


def split_by_patient(patients: Mapping[str, str], *, test_share: float, seed: int) -> PatientSplit:
    """Split cases so that no patient is on two sides.

    Args:
        patients: Case to patient.
        test_share: Share of the patients that are for testing; at least one stays for training.
        seed: Another seed gives another split.

    Raises:
        InputError: The share is not from 0 to below 1.
    """
    if not 0 <= test_share < 1:
        raise InputError(f"The share of patients for testing is 0 to below 1, not {test_share:g}.")
    names = sorted(set(patients.values()), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    count = min(round(test_share * len(names)), len(names) - 1)
    test, rest = names[:count], names[count:]
    folds = [rest[number::_FOLDS] for number in range(min(_FOLDS, len(rest)))] if len(rest) > 1 else []
    return PatientSplit(_cases_of(test, patients), tuple(_cases_of(each, patients) for each in folds))


def _cases_of(names: Sequence[str], patients: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(case for case, patient in patients.items() if patient in names)
