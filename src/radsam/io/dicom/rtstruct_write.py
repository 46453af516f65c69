"""Label maps as DICOM structure sets (RTSTRUCT): closed planar contours, one ROI per object.

Contours run halfway between inner and outer pixels, in the planes of the original
images. Holes are keyholes: joined to the outer contour by a channel of no width.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage

from radsam.io.dicom.derived_object import (
    Algorithm,
    code_item,
    instance_items,
    item,
    items,
    save_object,
    start_object,
)
from radsam.io.dicom.organ_codes import organ_code
from radsam.io.dicom.polygons import rings_of
from radsam.io.dicom.source_series import SourceSeries
from radsam.volume import LabelVolume

_CONTOUR_DATA = Tag("ContourData")
#: Colours of ROIs whose name is not in the table of organs.
_COLOURS = ((220, 50, 47), (38, 139, 210), (133, 153, 0), (211, 54, 130), (42, 161, 152), (181, 137, 0))
#: RT Referenced Study: the only class that its item may name (PS3.3 C.8.8.5, retired but required).
_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"


def write_rtstruct(labels: LabelVolume, path: Path, source: SourceSeries, algorithm: Algorithm) -> None:
    """Write a label map as a structure set on the images that it was made on.

    Args:
        labels: The label map; ids without a name are called "object" and their id.
        path: The target file.
        source: The images.
        algorithm: The algorithm that made the labels.

    Raises:
        GridMismatchError: The labels do not lie on the images.
        OutputError: The label map is empty, or the file cannot be written.
    """
    dataset, names = start_object(labels, path, source, RTStructureSetStorage, "RTSTRUCT", "Structure set")
    dataset.OperatorsName, dataset.ApprovalStatus = "", "UNAPPROVED"
    dataset.StructureSetLabel = "RadSAM"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.SeriesDate, dataset.SeriesTime
    # Required with a frame of reference; images rarely name a landmark.
    dataset.PositionReferenceIndicator = ""
    dataset.ReferencedFrameOfReferenceSequence = items(_frame_of_reference(source))
    dataset.StructureSetROISequence = items(
        *(
            item(
                ROINumber=position,
                ReferencedFrameOfReferenceUID=source.slices[0].frame_of_reference,
                ROIName=names[number],
                ROIGenerationAlgorithm=algorithm.kind,
                ROIGenerationDescription=f"{algorithm.name} {algorithm.version}"[:64],
            )
            for position, number in enumerate(names, start=1)
        )
    )
    dataset.ROIContourSequence = items(
        *(
            item(
                ROIDisplayColor=list(organ_code(names[number]).rgb or _COLOURS[position % len(_COLOURS)]),
                ReferencedROINumber=position,
                ContourSequence=items(*_contours(labels, source, number)),
            )
            for position, number in enumerate(names, start=1)
        )
    )
    dataset.RTROIObservationsSequence = items(
        *(_observation(position, names[number]) for position, number in enumerate(names, start=1))
    )
    save_object(dataset, path)


def _contours(labels: LabelVolume, source: SourceSeries, number: int) -> Iterator[Dataset]:
    for index, header in enumerate(source.slices):
        rings = rings_of(source.slice_mask(labels, number, index))
        if not rings:
            continue
        image = item(ReferencedSOPClassUID=header.sop_class, ReferencedSOPInstanceUID=header.sop_uid)
        if header.frame is not None:
            image.ReferencedFrameNumber = header.frame + 1
        plane = source.slice_geometry(index)
        for ring in rings:
            points_lps = plane.index_to_mm(np.column_stack([ring, np.zeros(len(ring))]))
            contour = item(
                ContourImageSequence=items(image),
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(ring),
            )
            contour[_CONTOUR_DATA] = _decimals(points_lps)
            yield contour


def _decimals(points_lps: Float[np.ndarray, "n 3"]) -> RawDataElement:
    """Encode coordinates as bytes: one decimal string object for each takes ten times as long."""
    # A micrometre is finer than any pixel, and always fits into sixteen characters.
    value = "\\".join([f"{each:.3f}" for each in (np.round(points_lps, 3) + 0.0).ravel().tolist()]).encode()
    value += b" " * (len(value) % 2)
    return RawDataElement(_CONTOUR_DATA, "DS", len(value), value, 0, is_implicit_VR=False, is_little_endian=True)


def _frame_of_reference(source: SourceSeries) -> Dataset:
    series = item(SeriesInstanceUID=source.series_uid, ContourImageSequence=instance_items(source))
    study = item(
        ReferencedSOPClassUID=_DETACHED_STUDY,
        ReferencedSOPInstanceUID=source.study_uid,
        RTReferencedSeriesSequence=items(series),
    )
    return item(FrameOfReferenceUID=source.slices[0].frame_of_reference, RTReferencedStudySequence=items(study))


def _observation(position: int, name: str) -> Dataset:
    observation = item(
        ObservationNumber=position, ReferencedROINumber=position, RTROIInterpretedType="", ROIInterpreter=""
    )
    organ = organ_code(name)
    if organ.known:
        observation.RTROIIdentificationCodeSequence = items(code_item(organ.type))
    return observation
