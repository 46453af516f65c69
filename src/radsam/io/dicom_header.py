"""The header of one DICOM image: the few elements that decide where its pixels go.

Nothing that names the patient is read.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from radsam.errors import SeriesError
from radsam.io.archive import looks_like_dicom

#: Objects that describe an image instead of being one. Some (SEG, RTDOSE) have pixels
#: and even a position, so the modality decides.
_NOT_IMAGES = {
    "ANN",
    "ASMT",
    "DOC",
    "FID",
    "KO",
    "M3D",
    "PLAN",
    "PR",
    "REG",
    "RTDOSE",
    "RTIMAGE",
    "RTPLAN",
    "RTRECORD",
    "RTSTRUCT",
    "SEG",
    "SR",
}
_TAGS = [
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
]


@dataclass(frozen=True)
class SliceHeader:
    """What is needed of one DICOM image before its pixels are decoded.

    Args:
        path: The file.
        series_uid: SeriesInstanceUID.
        series_number: SeriesNumber; only orders the listing.
        modality: Modality.
        description: SeriesDescription.
        acquisition: AcquisitionNumber as text, "none" if absent.
        instance: InstanceNumber as text, "none" if absent.
        localizer: Whether ImageType calls it a localizer (scout).
        rows: Rows.
        cols: Columns.
        frames: NumberOfFrames, 1 if absent.
        samples: SamplesPerPixel, 1 if absent.
        dtype: Type of the stored pixels.
        position_lps: Centre of the first pixel in mm.
        cosines: LPS directions along a row and along a column, six numbers.
        spacing_mm: Distance between rows and between columns.
        rescale: Slope and intercept to HU.
        complete: Whether the file is as long as its pixels need.

    Numbers that the file does not give are NaN.
    """

    path: Path
    series_uid: str
    series_number: int
    modality: str
    description: str
    acquisition: str
    instance: str
    localizer: bool
    rows: int
    cols: int
    frames: int
    samples: int
    dtype: str
    position_lps: tuple[float, ...]
    cosines: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    rescale: tuple[float, ...]
    complete: bool


def read_slice_header(path: Path) -> SliceHeader | None:
    """Read the header of one file.

    Returns:
        The header, or None if the file is not a DICOM image with a place in space:
        another kind of file, a report, contours, a segmentation, a screenshot.

    Raises:
        SeriesError: The file begins like DICOM but cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
            if not looks_like_dicom(head):
                return None
            stream.seek(0)
            with warnings.catch_warnings():
                # pydicom warns of every value that breaks a rule; those used here are checked.
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(
                    stream, stop_before_pixels=True, specific_tags=list(_TAGS), force=head[128:132] != b"DICM"
                )
                return _header(path, dataset, stream)
    except Exception as error:  # pydicom has no common base for what damaged bytes provoke
        raise SeriesError(
            f"{path.name} begins like a DICOM file but cannot be read ({error}). Copy it again, or take it out."
        ) from error


def _header(path: Path, dataset: pydicom.FileDataset, stream: BinaryIO) -> SliceHeader | None:
    rows, cols = _integer(dataset, "Rows", 0), _integer(dataset, "Columns", 0)
    frames = _integer(dataset, "NumberOfFrames", 1)
    samples = _integer(dataset, "SamplesPerPixel", 1)
    bits = _integer(dataset, "BitsAllocated", 16)
    modality = _text(dataset, "Modality", "")
    position_lps = _numbers(dataset, "ImagePositionPatient", 3)
    if (
        not rows
        and modality in ("", "CT")
        and dataset.file_meta.get("MediaStorageSOPClassUID") != MediaStorageDirectoryStorage
    ):
        raise EOFError("it ends within its header")
    # A multi-frame image keeps its positions frame by frame, so it may have none here.
    placed = not math.isnan(position_lps[0]) or frames > 1
    if not (rows and cols and placed) or modality in _NOT_IMAGES:
        return None
    return SliceHeader(
        path=path,
        series_uid=_text(dataset, "SeriesInstanceUID", "none"),
        series_number=_integer(dataset, "SeriesNumber", 0),
        modality=modality or "unknown",
        description=_text(dataset, "SeriesDescription", ""),
        acquisition=_text(dataset, "AcquisitionNumber", "none"),
        instance=_text(dataset, "InstanceNumber", "none"),
        localizer="LOCALIZER" in str(dataset.get("ImageType", "")),
        rows=rows,
        cols=cols,
        frames=frames,
        samples=samples,
        dtype=f"{'int' if _integer(dataset, 'PixelRepresentation', 0) else 'uint'}{bits}",
        position_lps=position_lps,
        cosines=_numbers(dataset, "ImageOrientationPatient", 6),
        spacing_mm=_numbers(dataset, "PixelSpacing", 2),
        rescale=_numbers(dataset, "RescaleSlope", 1) + _numbers(dataset, "RescaleIntercept", 1),
        complete=_pixels_complete(dataset, stream, rows * cols * frames * samples * bits // 8),
    )


def _pixels_complete(dataset: pydicom.FileDataset, stream: BinaryIO, needed: int) -> bool:
    """Whether the pixel data reach as far as they say.

    The decoders fill what is missing with zeros or with memory, and say nothing.

    Args:
        dataset: The header; reading it left `stream` in front of the pixel data.
        stream: The file.
        needed: Bytes of the uncompressed pixels.
    """
    if dataset.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True  # inflating it, which reading the header did, would have failed
    start = stream.read(12)
    explicit = start[4:6] in (b"OB", b"OW")
    value_at = stream.tell() if explicit else stream.tell() - 4
    if len(start) < 12:
        return False
    end = stream.seek(0, 2)
    if start[8 if explicit else 4 :][:4] != b"\xff\xff\xff\xff":
        return end - value_at >= needed
    stream.seek(value_at)
    while len(item := stream.read(8)) == 8:
        tag_group, tag_element, length = struct.unpack("<HHL", item)
        if (tag_group, tag_element) == (0xFFFE, 0xE0DD):
            return True
        stream.seek(length, 1)
    return False


def _text(dataset: pydicom.FileDataset, name: str, default: str) -> str:
    value = dataset.get(name)
    return default if value is None or str(value).strip() == "" else str(value).strip()


def _integer(dataset: pydicom.FileDataset, name: str, default: int) -> int:
    text = _text(dataset, name, "")
    return int(float(text)) if text else default


def _numbers(dataset: pydicom.FileDataset, name: str, count: int) -> tuple[float, ...]:
    """Return `count` numbers; NaN when the element is absent, empty or of another length."""
    value = dataset.get(name)
    values = list(value) if isinstance(value, MultiValue) else [value]
    if len(values) != count or any(each is None or str(each).strip() == "" for each in values):
        return (math.nan,) * count
    return tuple(float(each) for each in values)
