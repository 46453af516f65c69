from __future__ import annotations

from pathlib import Path

import pytest

from radsam.data.case import Case, LabelSource
from radsam.data.patient_split import assign_few, assign_splits, split_of_patient
from radsam.errors import DatasetError


def case(case_id: str, patient: str = "", split: str = "") -> Case:
    return Case(case_id, Path("ct.nii"), {"liver": LabelSource(Path("seg.nii"))}, split=split, patient=patient)


def test_patients_stay_where_they_are_when_others_come() -> None:
    few = [case(f"p{number}") for number in range(50)]
    many = [case(f"p{number}") for number in range(500)]
    assert assign_splits(many)[:50] == assign_splits(few)


def test_the_share_is_met_on_average_and_the_seed_matters() -> None:
    first = [split_of_patient(f"p{number}", val_share=0.25) for number in range(2000)]
    second = [split_of_patient(f"p{number}", val_share=0.25, seed=1) for number in range(2000)]
    assert first.count("val") == pytest.approx(500, abs=80)  # four standard deviations
    assert first != second
    assert {split_of_patient(f"p{number}", val_share=0) for number in range(50)} == {"train"}
    assert {split_of_patient(f"p{number}", val_share=1) for number in range(50)} == {"val"}


def test_cases_of_one_patient_stay_together() -> None:
    cases = [case(f"c{number}", patient=f"p{number % 10}") for number in range(100)]
    sides: dict[str, set[str]] = {}
    for each in assign_splits(cases, val_share=0.5):
        sides.setdefault(each.patient, set()).add(each.split)
    assert all(len(side) == 1 for side in sides.values())


def test_the_dataset_s_own_split_is_kept_and_followed_by_the_same_patient() -> None:
    cases = [case(f"c{number}", patient=f"p{number}", split="test") for number in range(20)]
    follow_ups = [case(f"d{number}", patient=f"p{number}") for number in range(20)]
    assert {each.split for each in assign_splits([*cases, *follow_ups])} == {"test"}
    assert {each.split for each in assign_splits(cases, val_share=0.5, keep_own=False)} == {"train", "val"}


def test_a_split_that_tears_a_patient_apart_is_refused() -> None:
    with pytest.raises(DatasetError, match="Patient p is in both train and val"):
        assign_splits([case("a", "p", "train"), case("b", "p", "val")])


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(DatasetError, match="between 0 and 1"):
        split_of_patient("p", val_share=20)


@pytest.mark.parametrize(("patients", "val_count"), [(2, 1), (3, 1), (5, 1), (8, 2), (50, 10)])
def test_a_few_patients_are_split_exactly_and_both_sides_have_a_patient(patients: int, val_count: int) -> None:
    cases = [case(f"c{number}", patient=f"p{number % patients}") for number in range(2 * patients)]
    split = assign_few(cases)
    sides = {each.patient: each.split for each in split}
    assert sorted(sides.values()) == ["train"] * (patients - val_count) + ["val"] * val_count
    assert all(sides[each.patient] == each.split for each in split)
    assert assign_few(cases[::-1]) == split[::-1]


def test_a_few_patients_keep_the_split_that_they_have() -> None:
    named = [case("a", "a", "train"), case("b", "b", "val"), case("c", "c"), case("b2", "b")]
    assert [each.split for each in assign_few(named)] == ["train", "val", "train", "val"]
    assert [each.split for each in assign_few([named[0], named[2]])] == ["train", "val"]


def test_one_patient_cannot_be_on_both_sides() -> None:
    with pytest.raises(DatasetError, match="All cases are of one patient, p"):
        assign_few([case("a", "p"), case("b", "p")])


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\\b", "c:"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="cannot name a case"):
        case(name)


def test_a_case_whose_file_is_not_called_in_utf8_has_a_name() -> None:
    named = case("s\udce91", "")
    assert (named.case_id, named.patient) == ("s_xe91", "s_xe91")
    assert assign_splits([named])[0].split in ("train", "val")
