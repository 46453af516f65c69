"""A plain folder of image and label pairs, in one of four layouts.

- *nnU-Net*: ``dataset.json``, ``imagesTr/x_0000.nii.gz``, ``labelsTr/x.nii.gz``;
- *manifest*: ``manifest.json``, a list of records with ``case``, ``split``, ``labels``
  (value to name) and, if known, ``patient``, ``label_origin``, ``licence`` and ``modality``;
  the files are ``<case>/ct.nii.gz`` (or ``mr``, ``pet``, ``image``) and ``<case>/seg.nii.gz``,
  or the same below ``ct/``. A manifest in a folder below is a dataset of its own;
- *pairs*: the same case folders without a manifest;
- *equal names*: ``images/x.nii.gz`` and ``labels/x.nii.gz``.

The last two take the names of the classes from a ``dataset.json`` where there is one.
Otherwise each label map is read once, and value 3 is called ``label_3``.

The modality is what the manifest or dataset.json says, else the name of the image
(``ct``, ``mr``, ``pet``); where neither does, it is guessed from the values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radsam.data.case import Case, LabelSource, modality_named, only_classes
from radsam.data.dataset_json import read_dataset_json
from radsam.errors import DatasetError, VolumeError
from radsam.io.image_file import SUFFIXES
from radsam.io.volume_read import read_labels
from radsam.volume import Modality

#: Splits of a manifest whose cases carry labels.
_LABELLED = ("train", "val")
#: Names of the image in the folder of a case, to what made it; the first that exists is taken.
_IMAGES = {"ct": Modality.CT, "mr": Modality.MR, "pet": Modality.PET, "image": None}


def find_cases(root: Path, *, classes: Sequence[str] | None = None) -> list[Case]:
    """List the labelled cases of a folder of pairs.

    Args:
        root: The folder.
        classes: Keep these classes only; None for all.

    Returns:
        The cases in order of their names (of a manifest: in its order). Only a manifest
        says the split.

    Raises:
        DatasetError: `root` has none of the layouts, a description in it cannot be
            read, or there is no class of a given name.
    """
    for is_layout, cases in _LAYOUTS:
        if is_layout(root):
            found = cases(root)
            if not found:
                raise DatasetError(
                    f"{root} is laid out as a dataset, but no image in it has a label map of its own name."
                )
            return only_classes(found, classes)
    raise DatasetError(
        f"{root} is not a folder of image and label pairs: looked for imagesTr and labelsTr with dataset.json "
        "(nnU-Net), for manifest.json, for <case>/ct.nii.gz (or mr, pet, image) with <case>/seg.nii.gz, and for images "
        "and labels with files of equal names."
    )


def _nnunet_cases(root: Path) -> list[Case]:
    described = read_dataset_json(root / "dataset.json")
    ending = described.file_ending
    # Of several channels the first is used: the model takes one image.
    images = _visible((root / "imagesTr").glob(f"*_0000{ending}"))
    labels = ((image, image.name.removesuffix(f"_0000{ending}")) for image in images)
    return [
        Case(
            case_id=case_id,
            image=image,
            labels=_sources(root / "labelsTr" / f"{case_id}{ending}", described.class_names),
            modality=described.modality,
        )
        for image, case_id in labels
    ]


def _manifest_cases(root: Path) -> list[Case]:
    path = root / "manifest.json"
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        records = [record for record in records if record["split"] in _LABELLED]
        return [_manifest_case(root, record) for record in records]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} cannot be read as a list of cases, each with case, split and labels (value to name): {error!r}"
        ) from error


def _manifest_case(root: Path, record: dict[str, Any]) -> Case:
    case_id = str(record["case"])
    folder = next((root / above / case_id for above in ("", "ct") if (root / above / case_id).is_dir()), root / case_id)
    stated = modality_named(str(record["modality"])) if record.get("modality") else None
    # A folder may hold several images: that of the stated modality comes first.
    image, by_name = _image(folder, stated) or (folder / "ct.nii.gz", Modality.CT)
    return Case(
        case_id=case_id,
        image=image,
        labels=_sources(
            _named(folder, "seg") or folder / "seg.nii.gz",
            {int(value): str(name) for value, name in record["labels"].items()},
        ),
        split=str(record["split"]),
        patient=str(record.get("patient", case_id)),
        label_origin=str(record.get("label_origin", "unknown")),
        licence=str(record.get("licence", "unknown")),
        modality=stated or by_name,
    )


def _pair_cases(root: Path) -> list[Case]:
    folders = _visible(each for each in root.iterdir() if each.is_dir())
    pairs = ((folder.name, _image(folder), _named(folder, "seg")) for folder in folders)
    return _described(root, [(name, *image, label) for name, image, label in pairs if image and label])


def _equal_name_cases(root: Path) -> list[Case]:
    images = ((_stem(image), image) for image in _visible((root / "images").iterdir()))
    pairs = ((name, image, _named(root / "labels", name)) for name, image in images if name)
    return _described(root, [(name, image, None, label) for name, image, label in pairs if label])


def _described(root: Path, pairs: list[tuple[str, Path, Modality | None, Path]]) -> list[Case]:
    """Make cases of (name, image, its modality, label map), named by dataset.json or else by their values."""
    stated = None
    if (root / "dataset.json").is_file():
        described = read_dataset_json(root / "dataset.json")
        names, stated = described.class_names, described.modality
    else:
        names = _names_by_value([label for *_, label in pairs])
    return [
        Case(case_id=name, image=image, labels=_sources(label, names), modality=stated or by_name)
        for name, image, by_name, label in pairs
    ]


def _names_by_value(files: list[Path]) -> dict[int, str]:
    """Call each value that occurs in the label maps label_<value>; unreadable maps are left for later."""
    values: set[int] = set()
    problem = ""
    for file in files:
        try:
            values.update(np.unique(read_labels(file).ids).tolist())
        except VolumeError as error:
            problem = f" The last problem was: {error}"
    if files and not values - {0}:
        raise DatasetError(f"None of the {len(files)} label maps holds a value other than 0.{problem}")
    return {value: f"label_{value}" for value in sorted(values - {0})}


def _sources(file: Path, names: dict[int, str]) -> dict[str, LabelSource]:
    return {name: LabelSource(file, value) for value, name in names.items()}


def _image(folder: Path, stated: Modality | None = None) -> tuple[Path, Modality | None] | None:
    """Find the image in the folder of a case, and what its name says of it; the stated modality's first."""
    by_name = sorted(_IMAGES.items(), key=lambda each: each[1] is not stated) if stated else _IMAGES.items()
    found = ((_named(folder, name), modality) for name, modality in by_name)
    return next(((image, modality) for image, modality in found if image), None)


def _named(folder: Path, name: str) -> Path | None:
    """Find the volume file of this name, with any suffix."""
    return next((folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()), None)


def _stem(file: Path) -> str:
    """The name without the suffix of a volume file; empty for other files."""
    suffix = next((each for each in SUFFIXES if file.name.lower().endswith(each)), None)
    return file.name[: -len(suffix)] if suffix else ""


def _visible(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.name[0] != ".")


_LAYOUTS: tuple[tuple[Callable[[Path], bool], Callable[[Path], list[Case]]], ...] = (
    (lambda root: (root / "manifest.json").is_file(), _manifest_cases),
    (lambda root: (root / "imagesTr").is_dir() and (root / "labelsTr").is_dir(), _nnunet_cases),
    (lambda root: (root / "images").is_dir() and (root / "labels").is_dir(), _equal_name_cases),
    (lambda root: any(_image(each.parent) for each in root.glob("*/seg.*")), _pair_cases),
)
