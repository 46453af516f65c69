"""The `dataset.json` that AMOS, the Medical Segmentation Decathlon and nnU-Net put beside their images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsam.errors import DatasetError
from radsam.volume import Modality

#: How the names of channels begin: "MRI", "T1w", "FLAIR", "PET"; nnU-Net calls one that it need not normalise "noNorm".
_BEGINNINGS = {
    Modality.CT: ("ct", "nonorm"),
    Modality.MR: ("mr", "t1", "t2", "flair", "dwi", "adc", "pd", "dixon", "bssfp", "swi"),
    Modality.PET: ("pet", "pt", "suv", "fdg"),
}


@dataclass(frozen=True)
class DatasetJson:
    """The description of a dataset in its dataset.json.

    Args:
        class_names: Value in the label maps to class name, without the background.
        modality: What made the first channel; None where the file does not say.
        file_ending: Suffix of images and label maps.
    """

    class_names: dict[int, str]
    modality: Modality | None
    file_ending: str


def read_dataset_json(path: Path) -> DatasetJson:
    """Read a dataset.json, labels in either order: value to name or name to value.

    Raises:
        DatasetError: The file cannot be read, or its labels are not one value per class.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as the description of a dataset: {error}") from error
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict):
        raise DatasetError(f'{path} does not describe a dataset: it has no "labels" with the names of the classes.')
    channels = content.get("channel_names") or content.get("modality") or {"0": ""}
    if isinstance(channels, str):
        channels = {"0": channels}
    first = str(next(iter(channels.values() if isinstance(channels, dict) else channels), ""))
    return DatasetJson(
        class_names=_class_names(labels, path),
        modality=_modality(first.lower()),
        file_ending=str(content.get("file_ending", ".nii.gz")),
    )


def _modality(name: str) -> Modality | None:
    known = (each for each, beginnings in _BEGINNINGS.items() if name.startswith(beginnings))
    return next(known, Modality.OTHER) if name else None


def _class_names(labels: dict[str, Any], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for key, entry in labels.items():
        value, name = (key, entry) if str(key).isdecimal() else (entry, key)
        if isinstance(value, list):
            raise DatasetError(f"{path} defines {name!r} as the union of {value}. List the single classes instead.")
        if not (isinstance(value, int) or str(value).isdecimal()):
            raise DatasetError(f"{path} gives {name!r} the value {value!r}; labels are whole numbers.")
        # nnU-Net marks unlabelled voxels by a class of its own, "ignore".
        if int(value) != 0 and name != "ignore":
            names[int(value)] = str(name)
    if not names:
        raise DatasetError(f"{path} names no class besides the background.")
    if len(set(names.values())) < len(names):
        raise DatasetError(f"{path} gives one name to several classes: {', '.join(sorted(names.values()))}.")
    return names
