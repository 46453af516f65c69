"""The header of one DICOM file: the few elements that place its pixels in space.

Nothing that names the patient is read. A file of many frames gives one header per
frame, so that a series of single images and an enhanced image are stacked alike.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from radsam.io.dicom.dicom_zip import looks_like_dicom
from radsam.io.dicom.element_values import integer, numbers, text
from radsam.io.dicom.slice_scaling import SCALING_TAGS, SliceScaling, read_scaling
from radsam.io.dicom.slice_traits import TRAIT_TAGS, SliceTraits, read_frame_traits, read_traits

#: Modalities of objects that describe images: for those of private SOP classes, or whose class is wrong.
_NOT_IMAGES = {
    "ANN", "ASMT", "DOC", "FID", "KO", "M3D", "PLAN", "PR", "REG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD",
    "RTSTRUCT", "SEG", "SR",
}  # fmt: skip
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "StudyInstanceUID", "StudyDate", "StudyDescription",
    "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "FrameOfReferenceUID", "PatientPosition",
    "AcquisitionNumber", "AcquisitionTime", "SeriesTime", "ContrastBolusAgent", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows",
    "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


@dataclass(frozen=True)
class SliceHeader:
    """The header of one DICOM image, or of one frame: the values that decoding and stacking need.

    Args:
        path: The file.
        frame: Index of the frame in an enhanced image; None for an image of one frame.
        sop_class: SOPClassUID.
        sop_uid: SOPInstanceUID.
        study_uid: StudyInstanceUID.
        study_date: StudyDate as stored, YYYYMMDD; empty if absent.
        study_description: StudyDescription.
        series_uid: SeriesInstanceUID, "none" if absent.
        series_number: SeriesNumber; only orders the listing.
        modality: Modality.
        description: SeriesDescription.
        frame_of_reference: FrameOfReferenceUID, empty if absent.
        patient_position: PatientPosition ("HFS", "FFDL"), empty if absent; decides nothing.
        syntax: TransferSyntaxUID.
        acquisition: AcquisitionNumber as text, "none" if absent; of an enhanced CT the
            first of TemporalPositionIndex, StackID and FrameAcquisitionNumber that differs
            between its frames.
        time: AcquisitionTime, or else SeriesTime, as stored (HHMMSS.ffffff); empty if absent.
        contrast: ContrastBolusAgent; empty if absent.
        instance: InstanceNumber as text, "none" if absent.
        localizer: Whether ImageType calls it a localizer (scout).
        rows: Rows.
        cols: Columns.
        frames: NumberOfFrames, 1 if absent; 1 for a frame of an enhanced image.
        samples: SamplesPerPixel, 1 if absent.
        photometric: PhotometricInterpretation.
        dtype: Type of the stored pixels.
        bits: BitsStored, and how many unused bits lie below them.
        position_lps: Centre of the first pixel in mm.
        cosines: LPS directions along a row and along a column, six numbers.
        spacing_mm: Distance between rows and between columns.
        rescale: Slope and intercept of the stored values: of CT to HU.
        complete: Whether the file is as long as its pixels need.
        traits: What tells it from other images of the same place.
        scaling: What else it states about its values.

    Numbers that the file does not give are NaN.
    """

    path: Path
    frame: int | None
    sop_class: str
    sop_uid: str
    study_uid: str
    study_date: str
    study_description: str
    series_uid: str
    series_number: int
    modality: str
    description: str
    frame_of_reference: str
    patient_position: str
    syntax: str
    acquisition: str
    time: str
    contrast: str
    instance: str
    localizer: bool
    rows: int
    cols: int
    frames: int
    samples: int
    photometric: str
    dtype: str
    bits: tuple[int, int]
    position_lps: tuple[float, ...]
    cosines: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    rescale: tuple[float, ...]
    complete: bool
    traits: SliceTraits
    scaling: SliceScaling


@dataclass(frozen=True)
class ObjectHeader:
    """A DICOM object that is not an image: a segmentation, contours, a report, raw data.

    Args:
        path: The file.
        modality: Modality: "SEG", "RTSTRUCT", "SR", …
        study_uid: StudyInstanceUID.
        description: SeriesDescription.
        series_uid: SeriesInstanceUID.
        kind: Name of its SOP class; empty for a private one.
    """

    path: Path
    modality: str
    study_uid: str
    description: str
    series_uid: str = ""
    kind: str = ""


@dataclass(frozen=True)
class UnusedFile:
    """A file that adds no slice to a volume.

    Args:
        path: The file.
        reason: Why: "not DICOM", "localizer", …; of a damaged file a sentence without its subject.
        series_uid: SeriesInstanceUID; empty where the file does not state one.
        damaged: Whether it may be a slice that cannot be read, so that a volume without it might be wrong.
        sop_class: SOPClassUID of an image without a position; else empty.
    """

    path: Path
    reason: str
    series_uid: str = ""
    damaged: bool = False
    sop_class: str = ""


#: Reasons of `UnusedFile`.
NOT_DICOM, NO_POSITION, COPY = "not DICOM", "without a position in space", "a copy of another file"
LOCALIZER, CAPTURE = "a localizer, or scout image", "a secondary capture"


def read_headers(path: Path) -> tuple[SliceHeader, ...] | ObjectHeader | UnusedFile | None:
    """Read the header of one file. The SOP class says whether it is an image.

    Returns:
        One header per slice of an image with a place in space; an `ObjectHeader` for a DICOM object that is not an
        image; an `UnusedFile` for any other file, also for one that is cut short or cannot be read; None for a
        DICOMDIR.
    """
    begins_like_dicom = False
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
            if not looks_like_dicom(head):
                return UnusedFile(path, NOT_DICOM)
            begins_like_dicom = head[128:132] == b"DICM"
            stream.seek(0)
            # pydicom warns of every value that breaks a rule; those used here are checked.
            with warnings.catch_warnings(action="ignore"):
                dataset = pydicom.dcmread(
                    stream,
                    stop_before_pixels=True,
                    specific_tags=[*map(Tag, _TAGS), *TRAIT_TAGS, *SCALING_TAGS],
                    force=not begins_like_dicom,
                )
                found = _headers(path, dataset, stream)
    except OSError as error:
        return UnusedFile(path, f"cannot be read ({error.strerror or error})", damaged=True)
    except Exception as error:  # pydicom has no common base for what damaged bytes provoke
        found = UnusedFile(path, f"begins like a DICOM file but cannot be read ({error})", damaged=True)
    if not begins_like_dicom and isinstance(found, UnusedFile) and found.damaged and not found.series_uid:
        return UnusedFile(path, NOT_DICOM)  # any file may begin with the two bytes of an old DICOM file
    return found


def is_image_class(sop_class: str) -> bool | None:
    """Whether a SOP class is one of images; None for a private one."""
    keyword = UID(sop_class).keyword
    return "ImageStorage" in keyword if keyword else None


def _headers(
    path: Path, dataset: pydicom.FileDataset, stream: BinaryIO
) -> tuple[SliceHeader, ...] | ObjectHeader | UnusedFile | None:
    sop_class = _sop_class(dataset)
    if sop_class == MediaStorageDirectoryStorage:
        return None
    modality, series_uid = text(dataset, "Modality", ""), text(dataset, "SeriesInstanceUID", "")
    rows, cols = integer(dataset, "Rows", 0), integer(dataset, "Columns", 0)
    is_image = is_image_class(sop_class)
    # Every object states its series, before the size of its pixels.
    cut_short = not rows and (is_image or (is_image is None and not series_uid))
    if cut_short and modality not in _NOT_IMAGES:
        reason = "begins like a DICOM file but cannot be read (it ends within its header)"
        return UnusedFile(path, reason, series_uid, damaged=True)
    if is_image is False or modality in _NOT_IMAGES or not (rows and cols):
        return ObjectHeader(
            path,
            modality or "none",
            text(dataset, "StudyInstanceUID", ""),
            text(dataset, "SeriesDescription", ""),
            series_uid,
            UID(sop_class).name if UID(sop_class).keyword else "",
        )
    frames = integer(dataset, "NumberOfFrames", 1)
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    # A multi-frame image has a position for each frame, so it may have none here.
    if math.isnan(numbers(dataset, "ImagePositionPatient", 3)[0]) and frames <= 1 and len(groups) != 1:
        return UnusedFile(path, NO_POSITION, series_uid, sop_class=sop_class)
    header = _header(path, dataset, stream)
    return _frames(header, dataset, groups) if len(groups) == frames else (header,)


def _sop_class(dataset: pydicom.FileDataset) -> str:
    """Return SOPClassUID; some anonymisers empty it, and a file may end within it, but the file header has it, too."""
    found, stated = text(dataset, "SOPClassUID", ""), text(dataset.file_meta, "MediaStorageSOPClassUID", "")
    return stated if is_image_class(found) is None and stated else found


def _header(path: Path, dataset: pydicom.FileDataset, stream: BinaryIO) -> SliceHeader:
    meta = dataset.file_meta
    rows, cols = integer(dataset, "Rows", 0), integer(dataset, "Columns", 0)
    frames, samples = integer(dataset, "NumberOfFrames", 1), integer(dataset, "SamplesPerPixel", 1)
    bits = integer(dataset, "BitsAllocated", 16)
    return SliceHeader(
        path=path,
        frame=None,
        sop_class=_sop_class(dataset),
        # As its class: emptied, but left in the file header.
        sop_uid=text(dataset, "SOPInstanceUID", text(meta, "MediaStorageSOPInstanceUID", "")),
        study_uid=text(dataset, "StudyInstanceUID", ""),
        study_date=text(dataset, "StudyDate", ""),
        study_description=text(dataset, "StudyDescription", ""),
        series_uid=text(dataset, "SeriesInstanceUID", "none"),
        series_number=integer(dataset, "SeriesNumber", 0),
        modality=text(dataset, "Modality", "unknown"),
        description=text(dataset, "SeriesDescription", ""),
        frame_of_reference=text(dataset, "FrameOfReferenceUID", ""),
        patient_position=text(dataset, "PatientPosition", ""),
        syntax=text(meta, "TransferSyntaxUID", ""),
        acquisition=text(dataset, "AcquisitionNumber", "none"),
        time=text(dataset, "AcquisitionTime", text(dataset, "SeriesTime", "")),
        contrast=text(dataset, "ContrastBolusAgent", ""),
        instance=text(dataset, "InstanceNumber", "none"),
        localizer="LOCALIZER" in str(dataset.get("ImageType", "")),
        rows=rows,
        cols=cols,
        frames=frames,
        samples=samples,
        photometric=text(dataset, "PhotometricInterpretation", ""),
        dtype=f"{'int' if integer(dataset, 'PixelRepresentation', 0) else 'uint'}{bits}",
        bits=_bits(dataset, bits),
        position_lps=numbers(dataset, "ImagePositionPatient", 3),
        cosines=numbers(dataset, "ImageOrientationPatient", 6),
        spacing_mm=numbers(dataset, "PixelSpacing", 2),
        rescale=numbers(dataset, "RescaleSlope", 1) + numbers(dataset, "RescaleIntercept", 1),
        complete=_pixels_complete(dataset, stream, rows * cols * frames * samples * bits // 8),
        traits=read_traits(dataset),
        scaling=read_scaling([dataset]),
    )


def _bits(dataset: Dataset, allocated: int) -> tuple[int, int]:
    """Return BitsStored and the bits below them; where they contradict each other, none lie below (PS3.5 8.1.1)."""
    stored = integer(dataset, "BitsStored", allocated)
    below = integer(dataset, "HighBit", stored - 1) + 1 - stored
    return stored, below if 0 <= below <= allocated - stored else 0


def _frames(header: SliceHeader, dataset: Dataset, groups: Sequence[Dataset]) -> tuple[SliceHeader, ...]:
    """Give each frame of an enhanced image its own header (PS3.3 C.7.6.16, functional groups)."""
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or []), Dataset())

    def macro(group: Dataset, name: str) -> Dataset:
        """Return the item of a functional group: the frame's own, else the shared one."""
        return next(iter(group.get(name) or shared.get(name) or []), Dataset())

    contents = [macro(group, "FrameContentSequence") for group in groups]
    # Of MR and PET, time points and stacks are traits.
    splits = ("TemporalPositionIndex", "StackID", "FrameAcquisitionNumber")[0 if header.modality == "CT" else -1 :]
    split = next((name for name in splits if len({text(each, name, "none") for each in contents}) > 1), splits[-1])
    headers = []
    for frame, (group, content) in enumerate(zip(groups, contents, strict=True)):
        rescale = macro(group, "PixelValueTransformationSequence")
        headers.append(
            replace(
                header,
                frame=frame,
                frames=1,
                instance=f"{header.instance}, frame {frame + 1}",
                acquisition=text(content, split, header.acquisition),
                position_lps=numbers(macro(group, "PlanePositionSequence"), "ImagePositionPatient", 3),
                cosines=numbers(macro(group, "PlaneOrientationSequence"), "ImageOrientationPatient", 6),
                spacing_mm=numbers(macro(group, "PixelMeasuresSequence"), "PixelSpacing", 2),
                rescale=numbers(rescale, "RescaleSlope", 1) + numbers(rescale, "RescaleIntercept", 1),
                traits=read_frame_traits(header.traits, (group, shared)),
                scaling=read_scaling((group, shared)),
            )
        )
    return tuple(headers)


def _pixels_complete(dataset: pydicom.FileDataset, stream: BinaryIO, needed: int) -> bool:
    """Whether the pixel data are as long as the header states.

    The decoders fill missing data with zeros or with memory, without an error.

    Args:
        dataset: The header; after reading it, `stream` is at the pixel data.
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
