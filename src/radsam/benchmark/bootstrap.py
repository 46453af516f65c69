"""Means with bootstrap intervals over patients, because objects of one patient are not independent."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Fewer patients give no interval.
FEWEST_PATIENTS = 3
_RESAMPLES = 9_999


@dataclass(frozen=True)
class Estimate:
    """A mean over objects.

    Args:
        mean: The mean.
        low: Lower end of its 95 % interval; None with too few patients.
        high: Upper end.
        objects: Number of objects.
        patients: Number of patients.
    """

    mean: float
    low: float | None
    high: float | None
    objects: int
    patients: int


def mean_of_objects(
    values: Sequence[float], patients: Sequence[str], *, resamples: int = _RESAMPLES, seed: int = 0
) -> Estimate:
    """Mean over objects with a 95 % interval by bootstrap over patients (BCa).

    Patients are drawn with all their objects, so the interval holds for new patients.

    Args:
        values: One value for each object.
        patients: The patient of each object.
        resamples: Number of draws.
        seed: Seed of the draws.

    Raises:
        ValueError: There is no object, or there are not as many patients as values.
    """
    if not values or len(values) != len(patients):
        raise ValueError(f"A mean needs objects and a patient for each; given: {len(values)} and {len(patients)}.")
    by_patient: dict[str, list[float]] = {}
    for patient, value in zip(patients, values, strict=True):
        by_patient.setdefault(patient, []).append(value)
    # `fsum` rounds once, at the end: the order of the rows must not change the last digit.
    mean, count = math.fsum(values) / len(values), len(by_patient)
    if count < FEWEST_PATIENTS:
        return Estimate(mean, None, None, len(values), count)
    # Sorted, since draws are by position.
    totals = [(math.fsum(by_patient[name]), len(by_patient[name])) for name in sorted(by_patient)]
    sums, counts = np.array(totals, float).T
    if np.ptp(sums / counts) == 0:
        return Estimate(mean, mean, mean, len(values), count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (sums, counts),
            lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = (float(each) if np.isfinite(each) else None for each in (found.low, found.high))
    return Estimate(mean, low, high, len(values), count)


def paired_difference(
    one: Mapping[tuple[str, ...], float],
    other: Mapping[tuple[str, ...], float],
    patients: Mapping[tuple[str, ...], str],
) -> Estimate | None:
    """Mean of one minus other over the objects that both have, with its interval.

    Args:
        one: Object to value.
        other: The same of another model.
        patients: Object to patient.

    Returns:
        The estimate, or None if they have no object in common.
    """
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return None
    return mean_of_objects([one[key] - other[key] for key in shared], [patients[key] for key in shared])
