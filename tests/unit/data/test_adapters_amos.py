from __future__ import annotations

from pathlib import Path

import pytest

from dataset_trees import blocks, ct, write_image, write_json
from radsam.data.adapters.amos import find_cases
from radsam.data.case_load import load_case
from radsam.errors import DatasetError

PUBLISHED_NAMES = [
    "background",
    "spleen",
    "right kidney",
    "left kidney",
    "gall bladder",
    "esophagus",
    "liver",
    "stomach",
    "arota",
    "postcava",
    "pancreas",
    "right adrenal gland",
    "left adrenal gland",
    "duodenum",
    "bladder",
    "prostate/uterus",
]


@pytest.fixture
def amos(tmp_path: Path) -> Path:
    root = tmp_path / "amos22"
    write_json(root / "dataset.json", {"name": "AMOS", "labels": dict(enumerate(PUBLISHED_NAMES))})
    for number, images, labels in (
        (1, "imagesTr", "labelsTr"),
        (507, "imagesTr", "labelsTr"),
        (8, "imagesVa", "labelsVa"),
    ):
        write_image(root / images / f"amos_{number:04}.nii.gz", ct(number))
        write_image(root / labels / f"amos_{number:04}.nii.gz", blocks(8, 1))
    write_image(root / "imagesTs" / "amos_0009.nii.gz", ct(9))
    return root


def test_amos_gives_its_ct_cases_with_the_dataset_s_own_split(amos: Path) -> None:
    assert [(case.case_id, case.split, case.modality) for case in find_cases(amos)] == [
        ("amos_0001", "train", "CT"),
        ("amos_0008", "val", "CT"),
    ]


def test_amos_gives_mri_only_when_asked(amos: Path) -> None:
    modality = {case.case_id: case.modality for case in find_cases(amos, include_mri=True)}
    assert modality == {"amos_0001": "CT", "amos_0507": "MR", "amos_0008": "CT"}


def test_the_aorta_is_spelt_right_and_keeps_its_voxels(amos: Path) -> None:
    case = find_cases(amos)[0]
    assert len(case.labels) == 15
    assert "arota" not in case.labels
    _, labels = load_case(case)
    aorta = next(number for number, name in labels.names.items() if name == "aorta")
    assert ((labels.ids == aorta) == (blocks(8) == 8)).all()


def test_only_the_organs_asked_for_are_kept(amos: Path) -> None:
    assert list(find_cases(amos, classes=["aorta"])[0].labels) == ["aorta"]


def test_an_unknown_organ_is_refused_with_the_known_ones(amos: Path) -> None:
    with pytest.raises(DatasetError, match=r"'appendix'.*aorta, bladder, duodenum"):
        find_cases(amos, classes=["aorta", "appendix"])


def test_another_folder_is_not_amos(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"looked for dataset\.json and the folders imagesTr"):
        find_cases(tmp_path)


def test_a_description_without_cases_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", {"labels": {"0": "background", "1": "spleen"}})
    with pytest.raises(DatasetError, match="no case of AMOS22"):
        find_cases(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ("[]", '"labels"'), ('{"labels": {"0": "background"}}', "no class"),
     ('{"labels": {"tumour": [1, 2]}}', "union"), ('{"labels": {"1": "a", "2": "a"}}', "one name to several")],
)  # fmt: skip
def test_a_broken_description_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        find_cases(tmp_path)
