from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataset_trees import blocks, ct, write_image, write_json
from radsam.data.adapters.folder import find_cases
from radsam.data.case_load import load_case
from radsam.data.dataset_json import read_dataset_json
from radsam.errors import DatasetError
from radsam.volume import Modality


def make_pair(folder: Path, *values: int, suffix: str = ".nii.gz") -> None:
    write_image(folder / f"ct{suffix}", ct())
    write_image(folder / f"seg{suffix}", blocks(*values))


@pytest.mark.parametrize(
    "labels", [{"background": 0, "liver": 1, "mets": 3}, {"0": "background", "1": "liver", "3": "mets"}]
)
def test_nnunet_s_layout_is_read_in_both_generations(tmp_path: Path, labels: dict[str, object]) -> None:
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"})
    write_image(tmp_path / "imagesTr" / "case_b_0000.nii.gz", ct())
    write_image(tmp_path / "labelsTr" / "case_b.nii.gz", blocks(1, 3))
    (case,) = find_cases(tmp_path)
    _, read = load_case(case)
    assert (case.case_id, case.split, read.names) == ("case_b", "", {1: "liver", 2: "mets"})
    assert (read.ids == blocks(1, 2)).all()


def test_nnunet_s_first_channel_and_own_suffix_are_used(tmp_path: Path) -> None:
    described = {"channel_names": {"0": "T1w", "1": "T2"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nrrd"}
    write_json(tmp_path / "dataset.json", described)
    for channel in range(2):
        write_image(tmp_path / "imagesTr" / f"x_000{channel}.nrrd", ct(channel))
    write_image(tmp_path / "labelsTr" / "x.nrrd", blocks(1))
    (case,) = find_cases(tmp_path)
    volume, _ = load_case(case)
    assert case.modality == "MR"
    assert (volume.values == ct(0)).all()


def test_nnunet_without_its_description_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    with pytest.raises(DatasetError, match=r"dataset\.json cannot be read"):
        find_cases(tmp_path)


@pytest.mark.parametrize("above", ["", "ct"])
def test_a_manifest_says_names_splits_and_licences(tmp_path: Path, above: str) -> None:
    record = {"case": "a", "split": "val", "labels": {"4": "liver"}, "label_origin": "model", "licence": "CC0"}
    unlabelled = {"case": "b", "split": "unlabelled", "labels": {}}
    write_json(tmp_path / "manifest.json", [record, unlabelled])
    make_pair(tmp_path / above / "a", 4, 5)
    write_image(tmp_path / above / "b" / "ct.nii.gz", ct())
    (case,) = find_cases(tmp_path)
    assert (case.case_id, case.split, case.label_origin, case.licence) == ("a", "val", "model", "CC0")
    _, labels = load_case(case)
    assert labels.names == {1: "liver"}
    assert (labels.ids == blocks(1)).all(), "value 5 is not a class of the manifest"


@pytest.mark.parametrize("content", ["{}", "[1]", "[", '[{"case": "a", "split": "train"}]', '{"case": "a"}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DatasetError):
        find_cases(tmp_path)


def test_pairs_without_names_are_called_by_their_values(tmp_path: Path) -> None:
    make_pair(tmp_path / "anna", 2)
    make_pair(tmp_path / "bert", 2, 7, suffix=".nrrd")
    write_image(tmp_path / "no_labels" / "ct.nii.gz", ct())
    cases = find_cases(tmp_path)
    assert [case.case_id for case in cases] == ["anna", "bert"]
    assert list(cases[0].labels) == ["label_2", "label_7"]


def test_one_unreadable_label_map_does_not_hide_the_other_cases(tmp_path: Path) -> None:
    make_pair(tmp_path / "good", 1)
    make_pair(tmp_path / "bad", 1)
    (tmp_path / "bad" / "seg.nii.gz").write_bytes(b"not an image")
    assert [case.case_id for case in find_cases(tmp_path)] == ["bad", "good"]


def test_label_maps_without_any_label_are_refused(tmp_path: Path) -> None:
    make_pair(tmp_path / "anna")
    with pytest.raises(DatasetError, match="None of the 1 label maps"):
        find_cases(tmp_path)


def test_equal_names_are_paired_and_the_rest_is_left_out(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write_image(tmp_path / "images" / f"{name}.nii.gz", ct())
    write_image(tmp_path / "labels" / "p2.nii.gz", blocks(1))
    (tmp_path / "images" / "readme.txt").write_text("about")
    write_json(tmp_path / "dataset.json", {"labels": {"0": "background", "1": "spleen"}})
    (case,) = find_cases(tmp_path)
    assert (case.case_id, list(case.labels)) == ("p2", ["spleen"])


def test_images_without_any_label_map_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "p1.nii.gz", ct())
    (tmp_path / "labels").mkdir()
    with pytest.raises(DatasetError, match="no image in it has a label map"):
        find_cases(tmp_path)


def test_another_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"looked for imagesTr and labelsTr.*manifest\.json.*images and labels"):
        find_cases(tmp_path)


def test_the_real_cases_are_found_with_their_splits(shared_data: Path) -> None:
    cases = find_cases(shared_data)
    assert {case.split for case in cases} == {"train", "val"}
    assert all(case.image.is_file() for case in cases)
    volume, labels = load_case(next(case for case in cases if case.case_id == "headneck_013"))
    assert volume.geometry.same_grid(labels.geometry)
    assert np.unique(labels.ids).size > 2


@pytest.mark.parametrize(
    ("image", "stated", "expected"),
    [
        ("mr", "MR", Modality.MR),
        ("image", "PT", Modality.PET),
        ("ct", "mr", Modality.MR),
        ("mr", None, Modality.MR),
        ("ct", None, Modality.CT),
        ("pet", None, Modality.PET),
        ("image", None, None),
    ],
)
def test_a_manifest_or_the_name_of_the_image_says_the_modality(
    tmp_path: Path, image: str, stated: str | None, expected: Modality | None
) -> None:
    write_json(
        tmp_path / "manifest.json",
        [{"case": "a", "split": "val", "labels": {"1": "liver"}} | ({"modality": stated} if stated else {})],
    )
    write_image(tmp_path / "a" / f"{image}.nii.gz", ct())
    write_image(tmp_path / "a" / "seg.nii.gz", blocks(1))
    (case,) = find_cases(tmp_path)
    assert (case.image.name, case.modality) == (f"{image}.nii.gz", expected)
    volume, _ = load_case(case)
    # Values that look like a CT's decide only where nothing else does.
    assert volume.modality is (expected or Modality.CT)


def test_of_several_images_the_one_of_the_stated_modality_is_taken(tmp_path: Path) -> None:
    for name in ("ct", "mr"):
        write_image(tmp_path / "a" / f"{name}.nii.gz", ct())
    write_image(tmp_path / "a" / "seg.nii.gz", blocks(1))
    record = {"case": "a", "split": "val", "labels": {"1": "liver"}}
    for modality in ("CT", "MR"):
        write_json(tmp_path / "manifest.json", [record | {"modality": modality}])
        assert [case.image.name for case in find_cases(tmp_path)] == [f"{modality.lower()}.nii.gz"]


def test_pairs_of_mr_are_pairs(tmp_path: Path) -> None:
    write_image(tmp_path / "anna" / "mr.nii.gz", ct())
    write_image(tmp_path / "anna" / "seg.nii.gz", blocks(2))
    assert [(case.case_id, case.modality) for case in find_cases(tmp_path)] == [("anna", Modality.MR)]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("T2-FLAIR", "MR"), ("noNorm", "CT"), ("CT_arterial", "CT"), ("PET", "PET"), ("ultrasound", "other"), ("", None)],
)
def test_the_first_channel_names_the_modality(tmp_path: Path, channel: str, expected: str | None) -> None:
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": channel}, "labels": {"background": 0, "a": 1}})
    assert read_dataset_json(tmp_path / "dataset.json").modality == expected


def test_the_shared_mr_are_a_dataset_of_their_own_and_change_nothing_beside_them(shared_data: Path) -> None:
    found = find_cases(shared_data / "mr")
    assert {case.modality for case in found} == {Modality.MR}
    assert all(case.image.is_file() for case in found)
    assert {case.modality for case in find_cases(shared_data)} == {Modality.CT}
    assert not {case.case_id for case in found} & {case.case_id for case in find_cases(shared_data)}
