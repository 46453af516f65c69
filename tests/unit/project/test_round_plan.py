"""Which cases a round trains on, and on which it compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from learning import learnable
from radsam.errors import InputError
from radsam.project.finished_mask import FinishedMask
from radsam.project.round_plan import RoundPlan, finished_cases, independent, require_enough, split_patients
from radsam.project.task_state import Case, TaskState


def _cases(patients: list[str], absent: bool = False) -> dict[str, list[FinishedMask]]:
    cases = [Case(f"c{number}", "", None, patient, "CT", number) for number, patient in enumerate(patients)]
    return {each.id: [FinishedMask(each, "ball", 1, Path(), absent, "", TaskState.DONE)] for each in cases}


def _split(patients: list[str], known: tuple[str, ...] = (), attempt: int = 0) -> tuple[list[str], list[str]]:
    return split_patients(_cases(patients), known, 0, attempt)


@pytest.mark.parametrize(("patients", "compared"), [(3, 1), (4, 2), (5, 2), (10, 2), (11, 3), (40, 8)])
def test_a_fifth_of_the_patients_is_compared_on_and_at_least_two(patients: int, compared: int) -> None:
    train, held = _split([f"p{n}" for n in range(patients)])
    assert len(held) == compared
    assert sorted(train + held) == sorted(_cases([""] * patients))


def test_the_cases_of_a_patient_go_together() -> None:
    patients = ["a", "b", "a", "c", "d", "b", "a"]
    for attempt in range(6):
        train, held = _split(patients, attempt=attempt)
        assert not {patients[int(each[1:])] for each in train} & {patients[int(each[1:])] for each in held}


def test_the_patients_change_from_round_to_round() -> None:
    patients = [f"p{n}" for n in range(10)]
    assert len({tuple(_split(patients, attempt=attempt)[1]) for attempt in range(5)}) > 2
    assert _split(patients) == _split(patients)


def test_patients_that_the_weights_in_use_know_are_compared_on_last() -> None:
    patients = [f"p{n}" for n in range(10)]
    known = tuple(f"c{n}" for n in range(7))
    for attempt in range(5):
        assert set(_split(patients, known, attempt)[1]) <= {"c7", "c8", "c9"}


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        ([], "0 finished cases of 0 patients"),
        (["a", "b"], "learning needs 3 cases of 3 patients"),
        (["a", "a", "b", "b", "b"], "5 finished cases of 2 patients"),
    ],
)
def test_too_little_is_refused(patients: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_enough(_cases(patients))


def test_where_everything_is_absent_there_is_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="every label is absent"):
        require_enough(_cases(["a", "b", "c", "d"], absent=True))


def test_a_plan_notices_other_masks(tmp_path: Path) -> None:
    project = learnable(tmp_path / "p", 2)
    cases = finished_cases(project)
    times = {case: {each.label: each.finished for each in masks} for case, masks in cases.items()}
    plan = RoundPlan(1, {"c0": times["c0"]}, {"c1": times["c1"]}, "start", "hash", None, 8.0, 0)
    plan.write(tmp_path / "plan.json")
    assert RoundPlan.read(tmp_path / "plan.json") == plan
    assert plan.changed(cases) == ""
    assert plan.changed({"c1": cases["c1"]}) == "c0"
    project.reopen("c1", "ball", "anna")
    assert plan.changed(finished_cases(project)) == "c1"
    (tmp_path / "plan.json").write_text("{")
    assert RoundPlan.read(tmp_path / "plan.json") is None
    assert RoundPlan.read(tmp_path / "none.json") is None


def test_masks_that_were_proposals_are_compared_on_last() -> None:
    """Three patients were drawn from a prompt, seven begun from proposals."""
    cases = _cases([f"p{n}" for n in range(10)])
    for number in range(3, 10):
        cases[f"c{number}"] = [replace(each, from_proposal=True) for each in cases[f"c{number}"]]
    for attempt in range(5):
        assert set(split_patients(cases, (), 0, attempt)[1]) <= {"c0", "c1", "c2"}
    train, held = split_patients(cases, ("c0", "c1"), 0, 0)
    assert held == ["c2"], "a patient with nothing but proposals is rather trained on"
    assert len(train) == 9
    assert len(split_patients(cases, ("c0", "c1", "c2"), 0, 0)[1]) == 2, "where there is no other"


def test_an_absent_label_favours_no_weights() -> None:
    (drawn,), (absent,) = (_cases(["a"], absent=each)["c0"] for each in (False, True))
    proposed = replace(drawn, from_proposal=True)
    assert independent([drawn, proposed, replace(absent, from_proposal=True)]) == [
        drawn,
        replace(absent, from_proposal=True),
    ]
