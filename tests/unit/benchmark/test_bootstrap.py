from __future__ import annotations

import numpy as np
import pytest

from radsam.benchmark.bootstrap import mean_of_objects, paired_difference


def test_the_interval_covers_the_truth_in_its_share_of_draws() -> None:
    """Patients differ, their objects are alike, and every patient has another number of them."""
    rng = np.random.default_rng(5)
    hits, rounds = 0, 150
    for _ in range(rounds):
        values, patients = [], []
        for patient in range(40):
            level = 0.7 + rng.normal(0, 0.1)
            count = 1 + patient % 4
            values += [level + rng.normal(0, 0.03) for _ in range(count)]
            patients += [str(patient)] * count
        found = mean_of_objects(values, patients, resamples=600, seed=int(rng.integers(1 << 30)))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.7 <= found.high
    # 95 % of 150, three standard errors to each side.
    assert 0.90 <= hits / rounds <= 0.995


def test_whole_patients_are_drawn() -> None:
    """A hundred equal objects of one patient say no more than one: the interval stays wide."""
    values = [0.9] * 100 + [0.1, 0.2, 0.3, 0.4]
    patients = ["one"] * 100 + ["two", "three", "four", "five"]
    found = mean_of_objects(values, patients)
    assert found.low is not None
    assert found.low < 0.5
    assert (found.objects, found.patients) == (104, 5)


def test_too_few_patients_have_a_mean_and_no_interval() -> None:
    found = mean_of_objects([0.2, 0.4, 0.9], ["a", "a", "b"])
    assert found.mean == pytest.approx(0.5)
    assert found.low is None
    assert found.high is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = mean_of_objects([0.5] * 4, list("abcd"))
    assert (found.low, found.high) == (0.5, 0.5)


def test_the_order_of_the_rows_decides_nothing() -> None:
    rng = np.random.default_rng(1)
    values, patients = rng.random(30).tolist(), [f"p{i % 7}" for i in range(30)]
    order = rng.permutation(30)
    shuffled = mean_of_objects([values[i] for i in order], [patients[i] for i in order])
    straight = mean_of_objects(values, patients)
    assert shuffled.low == pytest.approx(straight.low, abs=1e-12)
    assert shuffled.high == pytest.approx(straight.high, abs=1e-12)


def test_a_paired_difference_knows_that_objects_are_the_same() -> None:
    rng = np.random.default_rng(2)
    keys = [("d", f"p{i % 10}", str(i)) for i in range(40)]
    hard = {key: float(rng.random()) for key in keys}
    better = {key: value + 0.05 + float(rng.normal(0, 0.005)) for key, value in hard.items()}
    found = paired_difference(better, hard, {key: key[1] for key in keys})
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.04 < found.low < found.mean < found.high < 0.06
    assert paired_difference(better, {("other",): 1.0}, {}) is None


def test_no_object_has_no_mean() -> None:
    with pytest.raises(ValueError, match="needs objects"):
        mean_of_objects([], [])
