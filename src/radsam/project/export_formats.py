"""The files of an export, a case at a time: nnU-Net, images and label maps, DICOM SEG and RTSTRUCT."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from radsam.disk.atomic_write import make_folder
from radsam.errors import InputError
from radsam.io.dicom.derived_object import Algorithm
from radsam.io.dicom.source_series import read_source
from radsam.io.label_legend import own_legend_path, write_legend
from radsam.io.pacs.pacs_address import is_pacs_url
from radsam.io.volume_write import write_labels, write_volume
from radsam.project.case_source import case_path, read_case_volume
from radsam.project.export_split import PatientSplit
from radsam.project.finished_mask import FinishedMask, file_name
from radsam.project.task_state import Case
from radsam.session.label_set import LabelSet
from radsam.volume import Geometry, LabelVolume, Modality


class ExportFormat(StrEnum):
    """A form in which a project is exported."""

    NNUNET = "nnunet"
    NIFTI = "nifti"
    SEG = "seg"
    RTSTRUCT = "rtstruct"

    @property
    def is_dicom(self) -> bool:
        """Whether it refers to DICOM images."""
        return self in (ExportFormat.SEG, ExportFormat.RTSTRUCT)


@dataclass(frozen=True)
class ExportedCase:
    """What was written of a case.

    Args:
        image: Its image, relative to the export; empty where images stay where they are.
        labels: Its labels.
        overlap: Voxels that several labels have; a label map gives them to the last one of the label set.
        modality: What the image is, as far as that is known.
    """

    image: str
    labels: str
    overlap: int
    modality: Modality | None


def label_values(labels: LabelSet, file_format: ExportFormat) -> dict[str, int]:
    """Return the value of each label in an export: the set's own; of nnU-Net, which knows no gaps, 1 and so on."""
    if file_format is ExportFormat.NNUNET:
        return {each.name: number for number, each in enumerate(labels.label, start=1)}
    return {each.name: each.value for each in labels.label}


def write_case(
    masks: Sequence[FinishedMask],
    labels: LabelSet,
    folder: Path,
    file_format: ExportFormat,
    *,
    test: bool,
    images: bool,
) -> ExportedCase:
    """Write a case.

    Args:
        masks: All its masks.
        labels: The project's labels.
        folder: The folder of the export.
        file_format: The form.
        test: Whether it is for testing.
        images: Of NIfTI, whether to write the image.

    Raises:
        VolumeError: The volume or a mask cannot be read.
        OutputError: The form cannot hold it, or the disk is full.
    """
    case = masks[0].case
    name = file_name(case.id)
    if file_format.is_dicom:
        return _write_dicom(case, masks, labels, folder / f"{name}.dcm", file_format)
    places = ("imagesTs", "labelsTs") if test else ("imagesTr", "labelsTr")
    image_place, label_place = places if file_format is ExportFormat.NNUNET else ("images", "labels")
    channel = "_0000" if file_format is ExportFormat.NNUNET else ""
    label_file = folder / label_place / f"{name}.nii.gz"
    make_folder(label_file.parent)
    found, overlap = _label_map(masks, labels, label_values(labels, file_format), keep_both=False)
    image_file = folder / image_place / f"{name}{channel}.nii.gz"
    modality = None if case.modality is None else Modality(case.modality)
    if images:
        make_folder(image_file.parent)
        volume = read_case_volume(case)
        _check_grid(case, found.geometry, volume.geometry)
        write_volume(volume, image_file)
        modality = volume.modality
    write_labels(found, label_file)
    if file_format is ExportFormat.NIFTI:
        write_legend(own_legend_path(label_file), found)
    image = image_file.relative_to(folder).as_posix() if images else ""
    return ExportedCase(image, label_file.relative_to(folder).as_posix(), overlap, modality)


def _write_dicom(
    case: Case, masks: Sequence[FinishedMask], labels: LabelSet, path: Path, file_format: ExportFormat
) -> ExportedCase:
    found, overlap = _label_map(masks, labels, label_values(labels, file_format), keep_both=True)
    if not found.present_ids:
        return ExportedCase("", "", 0, None)
    with case_path(case) as place:
        source = read_source(place, series=case.series, resample=True)
        _check_grid(case, found.geometry, source.stacked.geometry)
        write_labels(
            found, path, file_format=file_format.value, source=source, algorithm=_algorithm(masks), codes=labels.codes
        )
    return ExportedCase("", path.name, overlap, None)


def _label_map(
    masks: Sequence[FinishedMask], labels: LabelSet, values: Mapping[str, int], *, keep_both: bool
) -> tuple[LabelVolume, int]:
    """Put masks into one label map, the last label of the set on top; and count voxels of several labels."""
    order = [each.name for each in labels.label]
    ids, geometry, overlap = None, None, 0
    covered: dict[int, Int64[np.ndarray, " n"]] = {}
    for each in sorted(masks, key=lambda mask: order.index(mask.label)):
        found = each.labels()
        if ids is None or geometry is None:
            ids, geometry = (
                np.zeros(found.ids.shape, np.uint8 if max(values.values()) < 256 else np.uint16),
                found.geometry,
            )
        voxels = found.ids > 0
        below = np.flatnonzero(voxels & (ids > 0))
        overlap += below.size
        if keep_both:
            for number in np.unique(ids.reshape(-1)[below]):
                hidden = below[ids.reshape(-1)[below] == number]
                covered[int(number)] = np.union1d(covered.get(int(number), hidden), hidden)
        ids[voxels] = values[each.label]
    if ids is None or geometry is None:
        raise InputError("A case without masks cannot be exported.")
    names, colours = {values[name]: name for name in order}, {values[name]: rgb for name, rgb in labels.colours.items()}
    return LabelVolume(ids, geometry, names, covered, colours=colours), overlap


def _algorithm(masks: Sequence[FinishedMask]) -> Algorithm:
    """Name the model that most masks were made with."""
    models = [each.provenance.get("model") for each in masks if not each.absent]
    known = [each for each in models if isinstance(each, dict) and "name" in each]
    if not known:
        return Algorithm("RadSAM", "unknown")
    first: dict[str, Any] = max(known, key=known.count)
    return Algorithm(str(first["name"]), f"SHA-256 {str(first.get('sha256', 'unknown'))[:12]}")


def _check_grid(case: Case, masks: Geometry, volume: Geometry) -> None:
    """Refuse a volume that was replaced since it was annotated."""
    if not masks.same_grid(volume):
        raise InputError(
            f"The volume of the case {case.id} is not the one that was annotated: it has {volume.describe()}, the "
            f"masks {masks.describe()}. Put the former one back."
        )


def write_descriptions(
    folder: Path,
    name: str,
    labels: LabelSet,
    file_format: ExportFormat,
    modality: Modality | None,
    training: int,
    split: PatientSplit,
) -> None:
    """Write what datasets have beside their images: `dataset.json`, and of nnU-Net the folds."""
    if file_format.is_dicom:
        return
    values = label_values(labels, file_format)
    described = {
        "name": name,
        "channel_names": {"0": "noNorm" if modality is None else modality.value},
        "labels": {"background": 0, **values},
        "numTraining": training,
        "file_ending": ".nii.gz",
    }
    if modality is None:
        del described["channel_names"]  # of several modalities: guessed from the values
    _write_json(folder / "dataset.json", described)
    if file_format is ExportFormat.NNUNET and split.folds:
        _write_json(folder / "splits_final.json", split.as_nnunet())


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def not_dicom(cases: Sequence[Case]) -> Iterator[str]:
    """Yield the ids of cases whose volume is not a DICOM series."""
    for each in cases:
        if each.series is None and not is_pacs_url(each.source):
            yield each.id
