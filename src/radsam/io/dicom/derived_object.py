"""The part that all DICOM objects of this program have in common: patient, study, series, references."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError
from radsam.io.dicom.organ_codes import Code
from radsam.io.dicom.source_series import SourceSeries
from radsam.volume import LabelVolume

#: Largest length of the value representations LO and DS.
_LO, _DS = 64, 16


@dataclass(frozen=True)
class Algorithm:
    """The algorithm that made the labels.

    Args:
        name: Name of the weights bundle.
        version: Its version: the beginning of its SHA-256.
        kind: "SEMIAUTOMATIC" (a person guided it), "AUTOMATIC" or "MANUAL".
    """

    name: str
    version: str
    kind: str = "SEMIAUTOMATIC"


#: For labels that were only converted: their algorithm is unknown.
CONVERTED = Algorithm("converted by RadSAM", "unknown")


def start_object(
    labels: LabelVolume, path: Path, source: SourceSeries, sop_class: str, modality: str, title: str
) -> tuple[FileDataset, dict[int, str]]:
    """Make an object of the same patient and study as its images, in a new series.

    Returns:
        The object, and the names of the labels by their ids.

    Raises:
        GridMismatchError: The labels do not lie on the images.
        OutputError: The label map is empty.
    """
    source.check(labels)
    # A backslash would split a DICOM text in two.
    names = {each: labels.names.get(each, f"object {each}").replace("\\", "/")[:_LO] for each in labels.present_ids}
    if not names:
        raise OutputError(
            f"{path} is not written: the label map has no object, and a {title.lower()} needs at least one."
        )
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.update(source.copied)
    # UTF-8, whatever the images use: objects have names in any language.
    dataset.SpecificCharacterSet = "ISO_IR 192"
    now = datetime.datetime.now()
    # Those of the images are there already.
    for name, uid in (
        ("StudyInstanceUID", source.study_uid),
        ("FrameOfReferenceUID", source.slices[0].frame_of_reference),
    ):
        if not dataset.get(name):
            setattr(dataset, name, uid)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.SeriesInstanceUID = generate_uid()
    # Listed after the images.
    dataset.SeriesNumber = 1000 + source.slices[0].series_number % 1000
    dataset.SeriesDescription = f"{title}: {', '.join(names.values())}"[:_LO]
    dataset.SeriesDate = dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.SeriesTime = dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.InstanceNumber = 1
    dataset.Manufacturer = dataset.ManufacturerModelName = "RadSAM"
    dataset.SoftwareVersions = version("radsam")
    dataset.DeviceSerialNumber = "1"  # required, although a program has none
    return dataset, names


def save_object(dataset: FileDataset, path: Path) -> None:
    """Write an object, whole or not at all.

    Raises:
        OutputError: The file cannot be written, or the disk is full.
    """
    # pydicom warns of values that break a rule; they are copied from the images as they are.
    with replacing(path) as partial, warnings.catch_warnings(action="ignore"):
        dataset.save_as(partial, enforce_file_format=True)


def item(**elements: object) -> Dataset:
    """Make a sequence item."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def items(*datasets: Dataset) -> Items:
    """Make a sequence."""
    return Items(datasets)


def code_item(code: Code) -> Dataset:
    """Make a coded entry (PS3.3 8.8)."""
    return item(CodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=code.meaning[:_LO])


def instance_items(source: SourceSeries) -> Items:
    """Make references to every image of the series, to an enhanced image once."""
    unique = {each.sop_uid: each.sop_class for each in source.slices}
    return items(
        *(item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid) for uid, sop_class in unique.items())
    )


def decimals(values: Sequence[float]) -> list[str]:
    """Write numbers as decimal strings, which have at most sixteen characters."""
    return [decimal(float(each)) for each in values]


def decimal(value: float) -> str:
    """Write a number as a decimal string; of millimetres, it is exact to a nanometre."""
    exact = repr(value + 0.0)  # + 0.0: no minus before a zero
    return exact if len(exact) <= _DS else f"{value:.9g}"
