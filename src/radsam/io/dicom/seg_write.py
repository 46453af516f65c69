"""Label maps as DICOM segmentations (SEG): binary, one segment per object.

Written with pydicom alone, because highdicom takes three times as long
(``benchmarks/dicom_writers.py``); it reads the result in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage, generate_uid

from radsam.io.dicom.derived_object import (
    Algorithm,
    code_item,
    decimals,
    instance_items,
    item,
    items,
    long_string,
    save_object,
    start_object,
)
from radsam.io.dicom.organ_codes import Code, OrganCode, organ_code
from radsam.io.dicom.source_series import SourceSeries
from radsam.volume import LabelVolume
from radsam.volume.object_colours import Colour

#: Codes of PS3.16: the derivation of the frames (CID 7203), its source (CID 7202), and the family
#: of the algorithm (CID 7162).
_SEGMENTATION = Code("113076", "Segmentation", "DCM")
_SOURCE_IMAGE = Code("121322", "Source image for image processing operation", "DCM")
_ARTIFICIAL_INTELLIGENCE = Code("123109", "Artificial Intelligence", "DCM")
#: The same two elements for every frame: made once, they cost nothing.
_DERIVATION = DataElement("DerivationCodeSequence", "SQ", items(code_item(_SEGMENTATION)))
_PURPOSE = DataElement("PurposeOfReferenceCodeSequence", "SQ", items(code_item(_SOURCE_IMAGE)))
#: Tags by which the frames are ordered, each with the functional group that holds it.
_SEGMENT_NUMBER, _SEGMENT_IDENTIFICATION = 0x0062000B, 0x0062000A
_IMAGE_POSITION, _PLANE_POSITION = 0x00200032, 0x00209113


def write_seg(
    labels: LabelVolume,
    path: Path,
    source: SourceSeries,
    algorithm: Algorithm,
    codes: Mapping[str, OrganCode],
) -> None:
    """Write a label map as a SEG on the images that it was made on.

    Objects that overlap are written whole. Slices without an object get no frame. Of a resampled series, the frames
    lie on the original images, and each pixel takes its nearest voxel.

    Args:
        labels: The label map; ids without a name are called "object" and their id.
        path: The target file.
        source: The images of the labels.
        algorithm: The algorithm that made the labels.
        codes: Codes by the objects' names, which come before the table's.

    Raises:
        GridMismatchError: The labels do not lie on the images.
        OutputError: The label map is empty, or the file cannot be written.
    """
    dataset, names = start_object(labels, path, source, SegmentationStorage, "SEG", "Segmentation")
    first = source.slices[0]
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ContentDate, dataset.ContentTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.ContentLabel = "SEGMENTATION"
    dataset.ContentDescription, dataset.ContentCreatorName = "", ""
    dataset.ReferencedSeriesSequence = items(
        item(SeriesInstanceUID=source.series_uid, ReferencedInstanceSequence=instance_items(source))
    )
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = first.rows, first.cols
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "00"
    # Segments are numbered from 1 without gaps (PS3.3 C.8.20.4).
    dataset.SegmentSequence = items(
        *(
            _segment(position, name, codes.get(name) or organ_code(name), algorithm, labels.colours.get(number))
            for position, (number, name) in enumerate(names.items(), start=1)
        )
    )
    frames = list(_frames(labels, source, list(names)))
    dataset.SegmentationType, dataset.SegmentsOverlap = "BINARY", "YES" if _overlap(frames) else "NO"
    _add_dimensions(dataset)
    dataset.SharedFunctionalGroupsSequence = items(_shared_groups(source))
    dataset.PerFrameFunctionalGroupsSequence = items(
        *(_frame_groups(source, position, index) for position, index, _ in frames)
    )
    dataset.NumberOfFrames = len(frames)
    packed = np.packbits(np.stack([mask for _, _, mask in frames]).ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + bytes(len(packed) % 2)
    dataset["PixelData"].VR = "OB"
    save_object(dataset, path)


def _frames(
    labels: LabelVolume, source: SourceSeries, numbers: list[int]
) -> Iterator[tuple[int, int, Bool[np.ndarray, "rows cols"]]]:
    """Yield the frames that are not empty: segment number, index of the image, mask."""
    for position, number in enumerate(numbers, start=1):
        shown = False
        for index in range(len(source.slices)):
            mask = source.slice_mask(labels, number, index)
            if mask.any():
                shown = True
                yield position, index, mask
        if not shown:  # lost in resampling; a segment without frames is not allowed
            yield position, 0, source.slice_mask(labels, number, 0)


def _overlap(frames: Sequence[tuple[int, int, Bool[np.ndarray, "rows cols"]]]) -> bool:
    """Return whether a pixel of an image belongs to two segments."""
    seen: dict[int, Bool[np.ndarray, "rows cols"]] = {}
    for _, index, mask in frames:
        if index in seen and (seen[index] & mask).any():
            return True
        seen[index] = seen[index] | mask if index in seen else mask
    return False


def _segment(position: int, name: str, organ: OrganCode, algorithm: Algorithm, colour: Colour | None) -> Dataset:
    segment = item(
        SegmentNumber=position,
        SegmentLabel=name,
        SegmentAlgorithmType=algorithm.kind,
        SegmentAlgorithmName=long_string(algorithm.name),
        SegmentedPropertyCategoryCodeSequence=items(code_item(organ.category)),
        SegmentedPropertyTypeCodeSequence=items(code_item(organ.type)),
        SegmentationAlgorithmIdentificationSequence=items(
            item(
                AlgorithmFamilyCodeSequence=items(code_item(_ARTIFICIAL_INTELLIGENCE)),
                AlgorithmName=long_string(algorithm.name),
                AlgorithmVersion=long_string(algorithm.version),
            )
        ),
    )
    if organ.side is not None:
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = items(
            code_item(organ.side)
        )
    if (shown := colour or organ.rgb) is not None:
        segment.RecommendedDisplayCIELabValue = cielab(shown)
    return segment


def _add_dimensions(dataset: Dataset) -> None:
    """State the order of the frames: by segment, then by position (PS3.3 C.7.6.17)."""
    uid = generate_uid()
    dataset.DimensionOrganizationSequence = items(item(DimensionOrganizationUID=uid))
    dataset.DimensionIndexSequence = items(
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=_SEGMENT_NUMBER,
            FunctionalGroupPointer=_SEGMENT_IDENTIFICATION,
            DimensionDescriptionLabel="Segment Number",
        ),
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=_IMAGE_POSITION,
            FunctionalGroupPointer=_PLANE_POSITION,
            DimensionDescriptionLabel="Image Position Patient",
        ),
    )


def _shared_groups(source: SourceSeries) -> Dataset:
    first = source.slices[0]
    step_mm = source.stacked.geometry.spacing_mm_ijk[2]
    (thickness,) = decimals([step_mm])
    measures = item(SliceThickness=thickness, PixelSpacing=decimals(first.spacing_mm))
    if not source.stacked.problem:  # else the distance differs, or is not along the normal
        measures.SpacingBetweenSlices = thickness
    return item(
        PixelMeasuresSequence=items(measures),
        PlaneOrientationSequence=items(item(ImageOrientationPatient=decimals(first.cosines))),
    )


def _frame_groups(source: SourceSeries, position: int, index: int) -> Dataset:
    header = source.slices[index]
    image = item(
        ReferencedSOPClassUID=header.sop_class,
        ReferencedSOPInstanceUID=header.sop_uid,
        SpatialLocationsPreserved="YES",
    )
    image[_PURPOSE.tag] = _PURPOSE
    if header.frame is not None:
        image.ReferencedFrameNumber = header.frame + 1
    derivation = item(SourceImageSequence=items(image))
    derivation[_DERIVATION.tag] = _DERIVATION
    return item(
        DerivationImageSequence=items(derivation),
        FrameContentSequence=items(item(DimensionIndexValues=[position, index + 1])),
        PlanePositionSequence=items(item(ImagePositionPatient=decimals(header.position_lps))),
        SegmentIdentificationSequence=items(item(ReferencedSegmentNumber=position)),
    )


def cielab(rgb: tuple[int, int, int]) -> list[int]:
    """Turn sRGB into DICOM's CIELab: three numbers of 16 bits (PS3.3 C.10.7.1.1, white point D50)."""
    part = np.array(rgb) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    # sRGB to XYZ, adapted from D65 to D50 (Bradford), relative to the white point.
    matrix = np.array(
        [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    )
    xyz = matrix @ linear / matrix.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, a, b = 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])
    scaled = (lightness * 65535 / 100, (a + 128) * 65535 / 255, (b + 128) * 65535 / 255)
    return [int(np.clip(round(float(each)), 0, 65535)) for each in scaled]
