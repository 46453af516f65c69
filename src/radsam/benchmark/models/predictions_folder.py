"""Masks of another system, read from a folder.

The folder has one of these layouts:

- ``<case>.nii.gz`` (or .nrrd, .mha, …): a label map; ``dataset.json`` of nnU-Net or ``labels.json``
  ({"liver": 1}) has the value of each class;
- ``<case>/<class>.nii.gz``, or the same below ``<case>/segmentations/``, as TotalSegmentator
  writes them: the mask of one class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radsam.benchmark.models.model_interface import ModelCard, NotInteractive, Voxels
from radsam.errors import DatasetError, InputError, PromptError
from radsam.io.image_file import SUFFIXES, read_header
from radsam.io.label_grid import require_same_grid
from radsam.io.volume_read import read_labels
from radsam.volume import Bounds, Geometry, LabelVolume, Prompt, Volume

_DESCRIPTIONS = ("dataset.json", "labels.json")


@dataclass(frozen=True)
class Differences:
    """The differences between a folder of predictions and the cases of a dataset.

    Args:
        missing: Cases without a prediction; they score zero.
        extra: Predictions without a case; they are not used.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]


class PredictionsFolder:
    """The masks of a folder.

    Args:
        folder: The folder.

    Raises:
        DatasetError: It holds no mask, or label maps without a description of their values.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError(f"There is no folder of predictions at {folder}.")
        self._maps = {name: file for file in sorted(folder.iterdir()) if (name := _stem(file)) and file.is_file()}
        self._folders = {
            each.name: masks for each in sorted(folder.iterdir()) if each.is_dir() and (masks := _masks(each))
        }
        if not self._maps and not self._folders:
            raise DatasetError(
                f"{folder} holds no predictions: looked for <case>.nii.gz with dataset.json or labels.json, and for "
                "<case>/<class>.nii.gz."
            )
        self._values = _read_values(folder) if self._maps else {}
        self.folder = folder

    @property
    def cases(self) -> set[str]:
        """The cases that have predictions."""
        return self._maps.keys() | self._folders.keys()

    @property
    def sha256(self) -> str:
        """Identity of the folder: the names and sizes of its masks."""
        files = [*self._maps.values(), *(file for masks in self._folders.values() for file in masks.values())]
        described = sorted((str(file.relative_to(self.folder)), file.stat().st_size) for file in files)
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    def differences(self, cases: Iterable[str]) -> Differences:
        """Compare with the cases of a dataset."""
        wanted = set(cases)
        return Differences(tuple(sorted(wanted - self.cases)), tuple(sorted(self.cases - wanted)))

    def check_grid(self, case_id: str, geometry: Geometry) -> None:
        """Refuse masks of a case that lie on another grid than its image; reads headers only.

        Raises:
            GridMismatchError: One does.
        """
        files = [self._maps[case_id]] if case_id in self._maps else [*self._folders.get(case_id, {}).values()]
        for file in files:
            header = read_header(file)
            empty = LabelVolume(np.zeros(header.geometry.shape_kji, np.uint8), header.geometry)
            require_same_grid(empty, geometry, f"The prediction {file}")

    def mask(self, case_id: str, name: str, geometry: Geometry) -> Voxels:
        """Read the mask of one class.

        Raises:
            InputError: The mask does not exist.
            GridMismatchError: It lies on another grid.
        """
        if case_id in self._maps:
            if name not in self._values:
                raise InputError(
                    f"{self.folder} gives no value for the class {name!r}; it has values for {', '.join(self._values)}."
                )
            file, value = self._maps[case_id], self._values[name]
        elif name in self._folders.get(case_id, {}):
            file, value = self._folders[case_id][name], None
        else:
            raise InputError(f"{self.folder} has no prediction of {name!r} for case {case_id!r}.")
        labels = read_labels(file)
        require_same_grid(labels, geometry, f"The prediction {file}")
        return np.asarray(labels.ids > 0 if value is None else labels.ids == value)


class PredictionsModel(NotInteractive):
    """A system whose masks are in a folder; prompts do not change them.

    Args:
        predictions: The folder.
        label: Its name in tables.
    """

    def __init__(self, predictions: PredictionsFolder, label: str) -> None:
        self.predictions = predictions
        self.card = ModelCard(
            label,
            predictions.sha256,
            "masks from outside, by case and class; prompts are not passed to it",
            frozenset({"box", "point", "mask"}),
            edits=False,
            kind="predictions",
        )
        self._case: tuple[str, Geometry] | None = None

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Choose the case."""
        self._case = case_id, volume.geometry

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Return the mask of the class."""
        if self._case is None:
            raise PromptError("There is no volume yet: prepare one first.")
        return self.predictions.mask(self._case[0], name, self._case[1])


def _masks(case: Path) -> dict[str, Path]:
    folder = case / "segmentations" if (case / "segmentations").is_dir() else case
    return {name: file for file in sorted(folder.iterdir()) if (name := _stem(file))}


def _stem(file: Path) -> str:
    suffix = next((each for each in SUFFIXES if file.name.lower().endswith(each)), None)
    return "" if suffix is None or file.name.startswith(".") else file.name[: -len(suffix)]


def _read_values(folder: Path) -> Mapping[str, int]:
    """Read name to value from nnU-Net's dataset.json ("labels") or from labels.json."""
    path = next((folder / name for name in _DESCRIPTIONS if (folder / name).is_file()), None)
    if path is None:
        raise DatasetError(
            f"{folder} holds label maps, but no dataset.json or labels.json with the values of the classes. "
            'Write one, for example labels.json with {"liver": 1}.'
        )
    try:
        content = json.loads(path.read_text("utf-8"))
        labels = content.get("labels", content)
        # MSD's own dataset.json is reversed: value to name.
        reversed_labels = {str(value): int(name) for name, value in labels.items() if str(name).isdigit()}
        return reversed_labels or {str(name): int(value) for name, value in labels.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read as names and values of classes: {error!r}") from error
