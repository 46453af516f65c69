"""AMOS22: abdominal CT and MRI with 15 organs.

Layout: ``dataset.json``, ``imagesTr``, ``labelsTr``, ``imagesVa``, ``labelsVa``, files
named ``amos_0001.nii.gz``. Numbers below 500 are CT, the others MRI. The test images
carry no labels and are not cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from radsam.data.case import Case, LabelSource, only_classes
from radsam.data.dataset_json import read_dataset_json
from radsam.errors import DatasetError
from radsam.volume import Modality

_FIRST_MRI = 500
_FOLDERS = {"train": ("imagesTr", "labelsTr"), "val": ("imagesVa", "labelsVa")}
_NAME = re.compile(r"amos_(\d+)\.nii(\.gz)?", re.IGNORECASE)
#: The published file's misspelling.
_CORRECTED = {"arota": "aorta"}


def find_cases(root: Path, *, classes: Sequence[str] | None = None, include_mri: bool = False) -> list[Case]:
    """List the labelled cases of AMOS22.

    Args:
        root: The unpacked dataset.
        classes: Keep these organs only; None for all 15.
        include_mri: Whether the MRI cases are wanted too.

    Returns:
        The cases in order of their numbers, with the dataset's own split.

    Raises:
        DatasetError: `root` is not AMOS22, or has no class of a given name.
    """
    if not (root / "dataset.json").is_file():
        raise DatasetError(
            f"{root} is not AMOS22: looked for dataset.json and the folders imagesTr, labelsTr, imagesVa and labelsVa. "
            "Give the folder that holds them (amos22)."
        )
    names = {
        value: _CORRECTED.get(name, name)
        for value, name in read_dataset_json(root / "dataset.json").class_names.items()
    }
    cases = [
        case for split in _FOLDERS for case in _cases(root, split, names) if include_mri or case.modality is Modality.CT
    ]
    if not cases:
        raise DatasetError(
            f"{root} has a dataset.json, but no case of AMOS22: looked for imagesTr/amos_0001.nii.gz and the like"
            f"{'' if include_mri else f', numbered below {_FIRST_MRI} (CT)'}."
        )
    return only_classes(cases, classes)


def _cases(root: Path, split: str, names: dict[int, str]) -> Iterator[Case]:
    images, labels = (root / folder for folder in _FOLDERS[split])
    for image in sorted(images.glob("amos_*")):
        name = _NAME.fullmatch(image.name)
        if name is None:
            continue
        yield Case(
            case_id=f"amos_{name[1]}",
            image=image,
            labels={class_name: LabelSource(labels / image.name, value) for value, class_name in names.items()},
            split=split,
            label_origin="manual",
            # Its own pages differ: Zenodo's against the paper's.
            licence="CC BY 4.0 or CC BY-NC-SA: check before shipping weights",
            modality=Modality.CT if int(name[1]) < _FIRST_MRI else Modality.MR,
        )
