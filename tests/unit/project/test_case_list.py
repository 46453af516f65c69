from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicom_files import ct_values, write_series
from phantoms import ball
from radsam.errors import InputError
from radsam.io.volume_write import write_volume
from radsam.project.case_list import find_cases
from radsam.project.task_rows import with_own_ids


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(given: Path) -> list[tuple[str, str]]:
    return [(each.id, each.patient) for each in find_cases(str(given)).cases]


def series_of(folder: Path, patient: str, uid: str) -> None:
    def edit(_: int, dataset: FileDataset) -> None:
        dataset.PatientID = patient

    write_series(folder, ct_values((5, 12, 10)), series_uid=uid, edit=edit)


def test_files_keep_their_names_and_label_maps_are_left_out(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.nrrd", "deep/er/c.mha", "a_seg.nii.gz", "labels.nrrd", ".hidden.nii.gz", "notes.txt"):
        touch(tmp_path / name)
    found = find_cases(str(tmp_path))
    assert [each.id for each in found.cases] == ["a", "b", "c"]
    assert found.cases[0].source == str((tmp_path / "a.nrrd").resolve())
    assert "Left out 2 files" in found.notes[0]


def test_plain_names_give_way_to_those_of_folders(tmp_path: Path) -> None:
    for name in ("p1/ct.nii.gz", "p2/ct.nii.gz", "p2/seg.nii.gz", "x/scan.nii.gz", "y/scan.nii.gz"):
        touch(tmp_path / name)
    assert [each for each, _ in names(tmp_path)] == ["p1", "p2", "x-scan", "y-scan"]


def test_folders_of_images_and_labels_give_the_images(tmp_path: Path) -> None:
    for name in ("images/one.nii.gz", "labels/one.nii.gz", "images/two.nii.gz"):
        touch(tmp_path / name)
    assert [each for each, _ in names(tmp_path)] == ["one", "two"]


def test_a_dataset_for_training_says_patients_and_modality(tmp_path: Path) -> None:
    for case in ("a", "b"):
        touch(tmp_path / case / "mr.nii.gz")
    records = [{"case": each, "split": "train", "labels": {"1": "x"}, "patient": "same"} for each in ("a", "b")]
    (tmp_path / "manifest.json").write_text(json.dumps(records))
    for given in (tmp_path, tmp_path / "manifest.json"):
        found = find_cases(str(given)).cases
        assert [(each.id, each.patient, each.modality) for each in found] == [("a", "same", "MR"), ("b", "same", "MR")]
    (tmp_path / "b/mr.nii.gz").unlink()
    with pytest.raises(InputError, match="1 images of the dataset are missing"):
        find_cases(str(tmp_path))


def test_dicom_series_are_numbered_and_hide_the_patient(tmp_path: Path) -> None:
    series_of(tmp_path / "Doe_John/first", "PID-1", "1.2.1")
    series_of(tmp_path / "Doe_John/second", "PID-1", "1.2.2")
    series_of(tmp_path / "Roe_Jane", "PID-2", "1.2.3")
    found = find_cases(str(tmp_path)).cases
    assert [(each.id, each.patient, each.series) for each in found] == [
        ("case-001", "patient-001", "1.2.3"),
        ("case-002", "patient-002", "1.2.1"),
        ("case-003", "patient-002", "1.2.2"),
    ]


def test_a_table_names_cases(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        touch(tmp_path / name)
    table = tmp_path / "cases.csv"
    table.write_text("Case;Image;Patient;Modality\none;a.nii.gz;P;mr\n;b.nii.gz;;\n")
    found = find_cases(str(table)).cases
    assert [(each.id, each.patient, each.modality) for each in found] == [("one", "P", "MR"), ("b", "b", None)]
    table.write_text("id,volume,object,box\na_liver,a.nii.gz,liver,1 2 3 4\na_kidney,a.nii.gz,kidney,1 2 3 4\n")
    assert names(table) == [("a", "a")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,image\none,missing.nii.gz\n", "row 2: .*missing.nii.gz does not exist"),
        ("case,image\none,\n", "row 2, names no image"),
        ("case,image\none,a.nii.gz\ntwo,a.nii.gz\n", "is there twice"),
        ("case,image,modality\none,a.nii.gz,xray\n", "row 2: There is no modality"),
        ("case,patient\none,P\n", "no column image"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path / "a.nii.gz")
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        find_cases(str(tmp_path / "cases.csv"))


def test_places_without_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no volumes"):
        find_cases(str(tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        find_cases(str(tmp_path / "nothing"))
    touch(tmp_path / "cases.xlsx")
    with pytest.raises(InputError, match="not a table of cases"):
        find_cases(str(tmp_path / "cases.xlsx"))


def test_one_volume_and_a_given_modality(tmp_path: Path) -> None:
    write_volume(ball().volume, tmp_path / "one.nii.gz")
    (found,) = find_cases(str(tmp_path / "one.nii.gz"), modality="mr").cases
    assert (found.id, found.modality) == ("one", "MR")


def test_numbers_go_on_over_several_places(tmp_path: Path) -> None:
    for place, uid in (("x", "1.2.1"), ("y", "1.2.2")):
        series_of(tmp_path / place, "PID", uid)
    found = with_own_ids([find_cases(str(tmp_path / each)).cases for each in ("x", "y")])
    assert [(each.id, each.patient) for each in found] == [("case-001", "patient-001"), ("case-002", "patient-002")]


def test_series_without_distances_are_left_out(tmp_path: Path) -> None:
    write_series(tmp_path / "d", np.zeros((1, 8, 8)), series_uid="1.2.1")
    with pytest.raises(InputError, match="Left out 1 series"):
        find_cases(str(tmp_path))
