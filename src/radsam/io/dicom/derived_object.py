"""The part that all DICOM objects of this program have in common: patient, study, series, references."""

from __future__ import annotations

import datetime
import unicodedata
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

#: Largest length of the value representations LO, SH and DS.
_LO, _SH, _DS = 64, 16, 16


class NameWarning(UserWarning):
    """DICOM cannot hold a name of an object as it is."""


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
    names = _names(labels)
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
    dataset.SeriesDescription = long_string(f"{title}: {', '.join(names.values())}")
    dataset.SeriesDate = dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.SeriesTime = dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.InstanceNumber = 1
    dataset.Manufacturer = dataset.ManufacturerModelName = "RadSAM"
    dataset.SoftwareVersions = version("radsam")
    dataset.DeviceSerialNumber = "1"  # required, although a program has none
    return dataset, names


def _names(labels: LabelVolume) -> dict[int, str]:
    """Return the names that the objects get in DICOM: different ones for objects of different names."""
    names: dict[int, str] = {}
    changed = []
    for each in labels.present_ids:
        given = labels.names.get(each, f"object {each}")
        name = long_string(given) or f"object {each}"
        if name != given:
            number, free = 1, name
            while free in (*names.values(), *(labels.names.get(other) for other in labels.present_ids)):
                number += 1
                free = f"{_cut(name, _LO - len(str(number)) - 3)} ({number})"
            name = free
            changed.append(f"{given!r} as {name!r}")
        names[each] = name
    if changed:
        warnings.warn(
            f"A name in DICOM has at most {_LO} characters (fewer of other alphabets), no line breaks or other control "
            f"characters, no backslash, and no space at its ends: {'; '.join(changed)}.",
            NameWarning,
            stacklevel=5,
        )
    return names


def long_string(text: str) -> str:
    """Make a value of the representation LO: one line of at most 64 bytes, without backslashes (PS3.5 6.2)."""
    # A backslash would split it in two; a lone surrogate is half a character, or a byte that is not one.
    shown = "".join(
        " " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else "\ufffd" if "\ud800" <= each <= "\udfff" else each
        for each in text.replace("\\", "/")
    )
    return _cut(" ".join(shown.split()) if shown != text else text.strip(), _LO)


def _cut(text: str, length: int) -> str:
    """Cut a text at a number of bytes: DICOM counts characters, but the validator and archives count bytes."""
    return text.encode()[:length].decode(errors="ignore").strip()


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
    value = {"CodeValue" if len(code.value) <= _SH else "LongCodeValue": code.value}
    return item(**value, CodingSchemeDesignator=code.scheme[:_SH], CodeMeaning=long_string(code.meaning))


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
