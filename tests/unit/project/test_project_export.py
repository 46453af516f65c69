from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from dicom_files import ct_values, write_series
from phantoms import ball
from projects import GRID, LABELS, finish_all, mask, with_volumes
from radsam.data.adapters.folder import find_cases as find_training_cases
from radsam.errors import InputError, OutputError
from radsam.io.dicom.dicom_labels import LabelOverlapWarning
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_volume
from radsam.project.export_formats import ExportFormat
from radsam.project.export_split import split_by_patient
from radsam.project.project import NewCase, Project, ProjectSettings
from radsam.project.project_export import ExportChoice, export_project
from radsam.session.label_set import Label, LabelSet


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def export(of: Project, folder: Path, form: ExportFormat = ExportFormat.NNUNET, **choice: object) -> Path:
    export_project(of, folder, ExportChoice(form, **choice), by="eva")  # type: ignore[arg-type]
    return folder


def test_an_nnunet_dataset_has_its_layout_split_and_manifest(tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p", 4, patients=("a", "a", "b", "c"))
    for case in ("c0", "c1", "c2"):
        finish_all(made, case)
    made.begin("c3", "liver", "anna")
    done = export_project(made, tmp_path / "Dataset501_Test", ExportChoice(ExportFormat.NNUNET), by="eva")
    assert (done.cases, done.masks, done.left_out) == (3, 6, ("c3",))
    folder = done.folder
    described = json.loads((folder / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "CT"}
    assert described["labels"] == {"background": 0, "liver": 1, "left kidney": 2}
    assert (described["numTraining"], described["file_ending"]) == (3, ".nii.gz")
    assert sorted(each.name for each in (folder / "imagesTr").iterdir()) == [f"c{n}_0000.nii.gz" for n in range(3)]
    folds = json.loads((folder / "splits_final.json").read_text())
    assert [set(each["val"]) for each in folds] in ([{"c0", "c1"}, {"c2"}], [{"c2"}, {"c0", "c1"}])
    assert all(set(each["train"]) | set(each["val"]) == {"c0", "c1", "c2"} for each in folds)
    volume, source = read_volume(folder / "imagesTr/c1_0000.nii.gz"), made.volume("c1")
    np.testing.assert_array_equal(volume.values, source.values)
    assert volume.geometry.same_grid(source.geometry)
    found = read_labels(folder / "labelsTr/c1.nii.gz")
    assert found.geometry.same_grid(source.geometry)
    np.testing.assert_array_equal(found.ids, np.where(mask(1), 2, mask()))  # the last label covers the first
    listed = rows(folder)
    assert [(each["case"], each["label"], each["value"]) for each in listed[:2]] == [
        ("c0", "liver", "1"),
        ("c0", "left kidney", "2"),
    ]
    assert {each["annotator"] for each in listed} == {"anna"}
    assert listed[0]["actions"] == "3"
    assert json.loads((folder / "provenance.json").read_text())["masks"][0]["provenance"]["model"] == "fake"
    assert any("several labels" in each for each in done.notes)
    assert made.log()[0].what == "export"
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_patients_for_testing_are_apart(tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p", 4, patients=("a", "a", "b", "c"))
    for case in ("c0", "c1", "c2", "c3"):
        finish_all(made, case)
    folder = export(made, tmp_path / "Dataset001_X", test_share=0.34, seed=3)
    test = {each["case"] for each in rows(folder) if each["split"] == "test"}
    assert test in ({"c0", "c1"}, {"c2"}, {"c3"})
    assert {each.name for each in (folder / "labelsTs").iterdir()} == {f"{case}.nii.gz" for case in test}
    assert {each.name for each in (folder / "imagesTs").iterdir()} == {f"{case}_0000.nii.gz" for case in test}
    folds = json.loads((folder / "splits_final.json").read_text())
    assert not any(case in test for fold in folds for case in (*fold["train"], *fold["val"]))


def test_images_and_label_maps_are_a_dataset_for_training(tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p", 2)
    for case in ("c0", "c1"):
        finish_all(made, case)
    folder = export(made, tmp_path / "out", ExportFormat.NIFTI)
    cases = find_training_cases(folder)
    assert [(each.case_id, sorted(each.labels)) for each in cases] == [
        ("c0", ["left kidney", "liver"]),
        ("c1", ["left kidney", "liver"]),
    ]
    assert read_labels(folder / "labels/c0.nii.gz").names == {1: "liver", 2: "left kidney"}
    bare = export(made, tmp_path / "bare", ExportFormat.NIFTI, images=False)
    assert not (bare / "images").exists()


def test_values_with_gaps_are_kept_except_for_nnunet(tmp_path: Path) -> None:
    volumes = with_volumes(tmp_path / "x", 1)
    labels = LabelSet((Label("a", 300), Label("b", 7)))
    made = Project.create(tmp_path / "p", ProjectSettings("Test"), labels, [_new(volumes)])
    made.finish("c0", "a", "anna", mask(), {}, GRID)
    made.finish("c0", "b", "anna", None, {}, GRID)
    folder = export(made, tmp_path / "out", ExportFormat.NIFTI)
    assert read_labels(folder / "labels/c0.nii.gz").present_ids == [300]
    folder = export(made, tmp_path / "Dataset002_X")
    assert json.loads((folder / "dataset.json").read_text())["labels"] == {"background": 0, "a": 1, "b": 2}
    assert [(each["value"], each["absent"]) for each in rows(folder)] == [("1", "False"), ("2", "True")]


def _new(of: Project) -> NewCase:
    case = of.cases()[0]
    return NewCase(case.id, case.source, None, case.patient, "CT")


@pytest.mark.parametrize("form", [ExportFormat.SEG, ExportFormat.RTSTRUCT])
def test_dicom_objects_lie_on_their_images_and_hold_overlapping_labels_whole(
    tmp_path: Path, form: ExportFormat
) -> None:
    write_series(tmp_path / "dicom", ct_values((8, 36, 40)))
    case = NewCase("case-001", str(tmp_path / "dicom"), "1", "patient-001", None)
    made = Project.create(tmp_path / "p", ProjectSettings("Test"), LABELS, [case])
    made.volume("case-001")
    made.finish("case-001", "liver", "anna", mask(), {"model": {"name": "fake", "sha256": "ab" * 32}})
    made.finish("case-001", "left kidney", "anna", mask(1), {})
    folder = export(made, tmp_path / "out", form)
    with pytest.warns(LabelOverlapWarning):
        found = read_labels(folder / "case-001.dcm", on=made.volume("case-001"))
    numbers = {name: number for number, name in found.names.items()}
    for name, expected in (("liver", mask()), ("left kidney", mask(1))):
        np.testing.assert_array_equal(found.mask(numbers[name]), expected)
    assert rows(folder)[0]["labels"] == "case-001.dcm"
    assert rows(folder)[0]["model"] == "fake"


@pytest.mark.parametrize(
    ("name", "form", "choice", "message"),
    [
        ("out", ExportFormat.NNUNET, {}, "Dataset501_Abdomen"),
        ("p", ExportFormat.NIFTI, {}, "exists already"),
        ("no/where", ExportFormat.NIFTI, {}, "Create it first"),
        ("out", ExportFormat.SEG, {}, "1 cases are none"),
        ("out", ExportFormat.NIFTI, {"checked": True}, "No case is checked"),
        ("out", ExportFormat.NIFTI, {"cases": ("c1",)}, "No case is done"),
        ("out", ExportFormat.NIFTI, {"cases": ("c9",)}, "no case 'c9'"),
        ("out", ExportFormat.NIFTI, {"test_share": 1.0}, "0 to below 1"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    tmp_path: Path, name: str, form: ExportFormat, choice: dict[str, object], message: str
) -> None:
    made = with_volumes(tmp_path / "p", 2)
    finish_all(made, "c0")
    with pytest.raises(InputError, match=message):
        export(made, tmp_path / name, form, **choice)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p", "volumes"]


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_volumes(tmp_path / "p", 2)
    for case in ("c0", "c1"):
        finish_all(made, case)
    (tmp_path / "volumes/c1.nii.gz").unlink()
    with pytest.raises(InputError, match="does not exist"):
        export(made, tmp_path / "Dataset003_X")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radsam.project.project_export.write_descriptions", full)
    with pytest.raises(OutputError, match="disk is full"):
        export(made, tmp_path / "out", ExportFormat.NIFTI, cases=("c0",))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p", "volumes"]


def test_a_volume_that_was_replaced_is_refused(tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p", 1)
    finish_all(made, "c0")
    write_volume(ball("isotropic").volume, tmp_path / "volumes/c0.nii.gz")
    with pytest.raises(InputError, match="not the one that was annotated"):
        export(made, tmp_path / "out", ExportFormat.NIFTI)


def test_the_split_keeps_patients_together_and_follows_the_seed() -> None:
    patients = {f"c{n}": f"p{n // 2}" for n in range(40)}
    found = split_by_patient(patients, test_share=0.2, seed=1)
    assert len(found.test) == 8
    assert [len(each) for each in found.folds] == [8, 8, 6, 6, 4] or sum(map(len, found.folds)) == 32
    groups = [found.test, *found.folds]
    owners = [{patients[case] for case in group} for group in groups]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 20
    assert found == split_by_patient(patients, test_share=0.2, seed=1)
    assert found != split_by_patient(patients, test_share=0.2, seed=2)
    assert split_by_patient({"a": "p"}, test_share=0.9, seed=0).test == ()


def test_export_on_the_command_line(run_radsam: CommandLine, tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p", 2)
    finish_all(made, "c0")
    text = run_radsam.here("project", "export", "p", "-o", "out", "--format", "nifti", cwd=tmp_path).done().stdout
    assert "out: 1 case, 2 masks; 1 case left out that is not done." in text
    again = run_radsam.here("project", "export", "p", "-o", "out", "--format", "nifti", "--json", cwd=tmp_path)
    assert again.returncode == 3
    assert json.loads(again.stdout)["error"]["type"] == "OutputError"
