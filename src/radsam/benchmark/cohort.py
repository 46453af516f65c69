"""The measured objects: cases from the adapters, objects from their labels, and those left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from radsam.benchmark.benchmark_config import DatasetConfig
from radsam.data.adapters import amos, folder, msd, phantom_dataset, totalsegmentator
from radsam.data.case import Case
from radsam.errors import DatasetError
from radsam.volume import LabelVolume, Modality, Plane, SliceGrid

#: The status of an object, as in the report.
SCORED, ABSENT, SMALL, CAPPED, UNREADABLE = "scored", "absent", "small", "over the limit", "unreadable"


@dataclass(frozen=True)
class Member:
    """One class of one case.

    Args:
        dataset: Name of the dataset.
        case: The case.
        patient: Its patient.
        label_origin: Where the labels come from.
        object_id: The object's id in the case; its random numbers depend on it.
        name: Its class.
        group: Its column in the report; "" without a group.
        voxels: Its size.
        slices: Number of its axial slices.
        status: "scored", or why not: "absent" from the case, "small", "over the limit" of objects; or the whole case
            is "unreadable".
        modality: What made the volume: "CT", "MR", "PET" or "other"; "" where it cannot be read.
    """

    dataset: str
    case: str
    patient: str
    label_origin: str
    object_id: int
    name: str
    group: str
    voxels: int
    slices: int
    status: str
    modality: str = ""


def find_dataset(name: str, config: DatasetConfig, root: Path) -> list[Case]:
    """List the cases of a dataset that are measured.

    Args:
        name: Its name, for messages.
        config: Its configuration.
        root: Its folder.

    Raises:
        DatasetError: The folder is of another layout, or holds none of the cases.
    """
    if config.make:
        phantom_dataset.write_phantoms(root, config.make)
    find = {
        "amos": amos.find_cases,
        "totalsegmentator": totalsegmentator.find_cases,
        "msd": msd.find_cases,
        "folder": folder.find_cases,
        "phantom": phantom_dataset.find_cases,
    }[config.layout]
    options = {"include_mri": True} if config.include_mri else {}
    found = find(root, classes=config.classes or None, **options)
    cases = [
        case
        for case in found
        if (not config.split or case.split == config.split)
        and (not config.cases or any(fnmatchcase(case.case_id, pattern) for pattern in config.cases))
    ]
    if not cases:
        splits = ", ".join(sorted({case.split or "none" for case in found}))
        wanted = f"split {config.split!r}" if config.split else "every split"
        raise DatasetError(
            f"None of the {len(found)} cases of {name} in {root} is in {wanted}"
            f"{' and among ' + ', '.join(config.cases) if config.cases else ''}; there are the splits "
            f"{splits}. Set datasets.{name}.split or datasets.{name}.cases."
        )
    return cases[: config.most_cases or None]


def members(dataset: str, config: DatasetConfig, case: Case, labels: LabelVolume, modality: Modality) -> list[Member]:
    """List every class of a case; objects that are large enough are measured, spread evenly over their sizes."""
    sizes = np.zeros(len(case.names) + 1, np.int64)
    for each in labels.ids:  # counting makes an array of eight times the size
        sizes += np.bincount(each.ravel(), minlength=sizes.size)
    large = [i for i in sorted(case.names, key=lambda i: -sizes[i]) if sizes[i] >= config.min_voxels]
    most = min(config.most_objects or len(large), len(large))
    ranks = np.unique(np.linspace(0, len(large) - 1, most).round().astype(int))
    scored = {large[rank] for rank in ranks} if large else set()
    grid = SliceGrid.of(labels.geometry, Plane.AXIAL)
    found = []
    for object_id, name in case.names.items():
        voxels = int(sizes[object_id])
        status = SCORED if object_id in scored else CAPPED if object_id in large else SMALL if voxels else ABSENT
        slices = sum(bool((grid.take(labels.ids, k) == object_id).any()) for k in range(grid.count)) if scored else 0
        found.append(
            Member(
                dataset=dataset,
                case=case.case_id,
                patient=case.patient,
                label_origin=case.label_origin,
                object_id=object_id,
                name=name,
                group=_match(config.case_groups, case.case_id) or _match(config.class_groups, name),
                voxels=voxels,
                slices=slices,
                status=status,
                modality=modality.value,
            )
        )
    # By size, so that the order does not depend on the labels' numbers.
    return sorted(found, key=lambda each: -each.voxels)


def _match(groups: Mapping[str, Sequence[str]], value: str) -> str:
    matching: Iterator[str] = (
        group for group, patterns in groups.items() if any(fnmatchcase(value, pattern) for pattern in patterns)
    )
    return next(matching, "")
