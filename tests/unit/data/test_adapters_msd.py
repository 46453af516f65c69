from __future__ import annotations

from pathlib import Path

import pytest

from dataset_trees import blocks, ct, write_image, write_json
from radsam.data.adapters.msd import find_cases
from radsam.data.case_load import load_case
from radsam.errors import DatasetError


def make_task(root: Path, name: str, labels: dict[str, str], modality: str = "CT") -> Path:
    task, organ = root / name, name.split("_")[1].lower()
    write_json(task / "dataset.json", {"name": organ, "modality": {"0": modality}, "labels": labels})
    for number in (1, 3):
        write_image(task / "imagesTr" / f"{organ}_{number:03}.nii.gz", ct(number))
        write_image(task / "labelsTr" / f"{organ}_{number:03}.nii.gz", blocks(1, 2))
    (task / "imagesTr" / f"._{organ}_001.nii.gz").write_bytes(b"Mac OS X")
    write_image(task / "imagesTs" / f"{organ}_002.nii.gz", ct(2))
    return task


def test_a_task_gives_its_training_cases_and_drops_the_background(tmp_path: Path) -> None:
    task = make_task(tmp_path, "Task07_Pancreas", {"0": "background", "1": "pancreas", "2": "cancer"})
    cases = find_cases(task)
    assert [case.case_id for case in cases] == ["pancreas_001", "pancreas_003"]
    assert {case.split for case in cases} == {""}
    _, labels = load_case(cases[0])
    assert labels.names == {1: "pancreas", 2: "cancer"}
    assert (labels.ids == blocks(1, 2)).all()


def test_a_lesion_can_be_asked_for_without_its_organ(tmp_path: Path) -> None:
    task = make_task(tmp_path, "Task07_Pancreas", {"0": "background", "1": "pancreas", "2": "cancer"})
    _, labels = load_case(find_cases(task, classes=["cancer"])[0])
    assert (labels.ids == (blocks(1, 2) == 2)).all()


def test_a_folder_of_tasks_gives_the_ct_cases_of_all(tmp_path: Path) -> None:
    make_task(tmp_path, "Task06_Lung", {"0": "background", "1": "cancer"})
    make_task(tmp_path, "Task10_Colon", {"0": "background", "1": "colon cancer primaries"})
    make_task(tmp_path, "Task02_Heart", {"0": "background", "1": "left atrium"}, modality="MRI")
    assert [case.case_id for case in find_cases(tmp_path)] == ["lung_001", "lung_003", "colon_001", "colon_003"]


def test_a_single_mri_task_says_so(tmp_path: Path) -> None:
    task = make_task(tmp_path, "Task02_Heart", {"0": "background", "1": "left atrium"}, modality="MRI")
    assert {case.modality for case in find_cases(task)} == {"MR"}


def test_another_folder_is_not_a_task(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"looked for dataset\.json, imagesTr and labelsTr there, and for folders Task"
    ):
        find_cases(tmp_path)


def test_an_unknown_class_is_refused(tmp_path: Path) -> None:
    task = make_task(tmp_path, "Task06_Lung", {"0": "background", "1": "cancer"})
    with pytest.raises(DatasetError, match=r"'tumour'.*are: cancer\."):
        find_cases(task, classes=["tumour"])
