from __future__ import annotations

from pathlib import Path

import pytest

from dataset_trees import SHAPE_KJI, blocks, ct, write_image
from radsam.data.adapters.totalsegmentator import find_cases
from radsam.data.case_load import load_case
from radsam.errors import DatasetError

V1_META = "image_id;age;gender;institute;study_type;split\ns0000;59;m;A;ct thorax;train\ns0001;76;m;C;ct abdomen;test\n"
V2_META = (
    "image_id;age;gender;institute;study_type;split;manufacturer\n"
    "s0000;50.0;m;C;ct neck;val;siemens\ns0001;;;I;ct head;train;ge\n"
)


def make(root: Path, classes: dict[str, int], meta: str | None) -> Path:
    for number, case in enumerate(("s0000", "s0001")):
        write_image(root / case / "ct.nii.gz", ct(number))
        for name, value in classes.items():
            write_image(root / case / "segmentations" / f"{name}.nii.gz", (blocks(1, 2) == value).astype("uint8"))
    if meta is not None:
        (root / "meta.csv").write_text(meta)
    return root


@pytest.mark.parametrize(
    ("meta", "classes", "splits"),
    [
        (V1_META, {"spleen": 1, "heart_atrium_left": 2}, ["train", "test"]),
        (V2_META, {"spleen": 1, "atrial_appendage_left": 2}, ["val", "train"]),
        (V1_META.replace(";", ","), {"spleen": 1, "liver": 2}, ["train", "test"]),
    ],
)
def test_both_versions_go_by_the_names_of_their_files(
    tmp_path: Path, meta: str, classes: dict[str, int], splits: list[str]
) -> None:
    cases = find_cases(make(tmp_path, classes, meta))
    assert [case.case_id for case in cases] == ["s0000", "s0001"]
    assert [case.split for case in cases] == splits
    assert set(cases[0].labels) == set(classes)


def test_the_files_of_single_classes_become_one_label_map(tmp_path: Path) -> None:
    # In order of names: liver, spleen, then a class that this patient does not have.
    case = find_cases(make(tmp_path, {"spleen": 1, "liver": 2, "urinary_bladder": 9}, V1_META))[0]
    _, labels = load_case(case)
    assert labels.names == {1: "liver", 2: "spleen", 3: "urinary_bladder"}
    assert (labels.ids == blocks(2, 1)).all()
    assert labels.ids.shape == SHAPE_KJI


def test_without_meta_csv_the_split_is_left_open(tmp_path: Path) -> None:
    assert [case.split for case in find_cases(make(tmp_path, {"spleen": 1}, None))] == ["", ""]


def test_a_meta_csv_of_another_dataset_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {"spleen": 1}, V1_META.replace("s0001", "s0777"))
    with pytest.raises(DatasetError, match="no row for 1 of 2 cases, s0001"):
        find_cases(tmp_path)


def test_a_meta_csv_without_splits_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {"spleen": 1}, "image_id;age\ns0000;3\ns0001;4\n")
    with pytest.raises(DatasetError, match="image_id and split are needed"):
        find_cases(tmp_path)


def test_another_folder_is_not_totalsegmentator(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"looked for <case>/ct\.nii\.gz with <case>/segmentations/"):
        find_cases(tmp_path / "nothing")


def test_a_class_of_the_other_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'heart_atrium_left'.*: atrial_appendage_left, spleen\."):
        find_cases(make(tmp_path, {"spleen": 1, "atrial_appendage_left": 2}, V2_META), classes=["heart_atrium_left"])
