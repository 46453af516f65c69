"""One labelled volume of a dataset: where its files are and the names of its classes.

Adapters make cases from a folder without reading voxels; `radsam.data.case_load` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.disk.utf8_path import printable
from radsam.errors import DatasetError
from radsam.volume import Modality

#: Names of splits; "" means that the dataset has none.
SPLITS = ("train", "val", "test", "")


@dataclass(frozen=True)
class LabelSource:
    """Where the voxels of one class are.

    Args:
        file: A label map on the grid of the image.
        value: The class's value in the file, or None where the file is the mask of this
            class alone and every voxel other than 0 belongs to it.

    Raises:
        DatasetError: The value is not 1 to 65535.
    """

    file: Path
    value: int | None = None

    def __post_init__(self) -> None:
        if self.value is not None and not 1 <= self.value <= 65535:
            raise DatasetError(f"A class of {self.file} has the value {self.value}; labels are 1 to 65535.")


@dataclass(frozen=True)
class Case:
    """One labelled volume.

    Args:
        case_id: Its name, unique in the dataset and fit to name a folder.
        image: File or DICOM folder of the volume.
        labels: Class name to where its voxels are. The object ids of the case are 1, 2, …
            in this order; where classes overlap, the later one owns the voxel.
        split: One of `SPLITS`.
        patient: Name or code of the patient; all cases of one patient are in one split.
        label_origin: Origin of the labels: "manual", "reviewed" (a model, corrected by people),
            "model", "exact" (made together with the image) or "unknown".
        licence: Under which terms it may be used, in words.
        modality: What made the image; None where the dataset does not say, which is then guessed from the values.

    Raises:
        DatasetError: The name cannot name a folder, the split is unknown, or there is no
            class.
    """

    case_id: str
    image: Path
    labels: Mapping[str, LabelSource]
    split: str = ""
    patient: str = ""
    label_origin: str = "unknown"
    licence: str = "unknown"
    modality: Modality | None = Modality.CT

    def __post_init__(self) -> None:
        if (shown := printable(self.case_id)) != self.case_id:  # the files' name is not text
            object.__setattr__(self, "case_id", shown.replace("\\", "_"))
        if not self.case_id or self.case_id.startswith(".") or set(self.case_id) & set('/\\:*?"<>|\0'):
            raise DatasetError(f"{self.case_id!r} cannot name a case: a folder is made of it. Rename the files.")
        if self.split not in SPLITS:
            raise DatasetError(f"Case {self.case_id} has the split {self.split!r}; known are train, val and test.")
        if not 1 <= len(self.labels) <= 65535:
            raise DatasetError(f"Case {self.case_id} has {len(self.labels)} classes; it needs 1 to 65535.")
        if not self.patient:
            object.__setattr__(self, "patient", self.case_id)

    @property
    def names(self) -> dict[int, str]:
        """Object id to class name."""
        return dict(enumerate(self.labels, start=1))


def modality_named(name: str) -> Modality:
    """Return the modality that a description calls CT, MR or PET, or by DICOM's code."""
    try:
        return Modality(name)
    except ValueError:
        return Modality.of_dicom(name)


def only_classes(cases: Iterable[Case], classes: Sequence[str] | None) -> list[Case]:
    """Keep only the classes that are named; cases that have none of them are left out.

    Args:
        cases: Cases of one dataset.
        classes: Class names, or None for all.

    Raises:
        DatasetError: No case has one of the names; the message lists those that exist.
    """
    cases = list(cases)
    if classes is None:
        return cases
    known = {name for case in cases for name in case.labels}
    unknown = [name for name in classes if name not in known]
    if unknown or not classes:
        missing = f"no class called {', '.join(map(repr, unknown))}" if unknown else "no class without a name"
        raise DatasetError(f"This dataset has {missing}. Its classes are: {', '.join(sorted(known))}.")
    wanted = set(classes)
    labels_by_case = ({name: source for name, source in case.labels.items() if name in wanted} for case in cases)
    return [replace(case, labels=labels) for case, labels in zip(cases, labels_by_case, strict=True) if labels]
