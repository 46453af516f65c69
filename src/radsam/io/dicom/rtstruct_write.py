"""Label maps as DICOM structure sets (RTSTRUCT): closed planar contours, one ROI per object.

Contours run halfway between inner and outer pixels, in the planes of the original
images. Holes are keyholes: joined to the outer contour by a channel of no width.

The coordinates of a contour with many holes take more than 64 kB, the most that Explicit VR has room for in a decimal
string; written so, they would become UN, which some planning systems refuse. Such a structure set is written in
Implicit VR, DICOM's default, which has no such limit (PS3.5 7.1.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from radsam.io.dicom.derived_object import (
    Algorithm,
    code_item,
    instance_items,
    item,
    items,
    long_string,
    save_object,
    start_object,
)
from radsam.io.dicom.organ_codes import OrganCode, organ_code
from radsam.io.dicom.polygons import rings_of
from radsam.io.dicom.source_series import SourceSeries
from radsam.volume import LabelVolume

_CONTOUR_DATA = Tag("ContourData")
#: The most bytes, an even number, of a decimal string in Explicit VR.
_LONGEST_EXPLICIT = 0xFFFE
#: Colours of ROIs whose name is not in the table of organs.
_COLOURS = ((220, 50, 47), (38, 139, 210), (133, 153, 0), (211, 54, 130), (42, 161, 152), (181, 137, 0))
#: RT Referenced Study: the only class that its item may name (PS3.3 C.8.8.5, retired but required).
_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"


def write_rtstruct(
    labels: LabelVolume,
    path: Path,
    source: SourceSeries,
    algorithm: Algorithm,
    progress: Callable[[int, int], None],
    codes: Mapping[str, OrganCode],
) -> None:
    """Write a label map as a structure set on the images that it was made on.

    Args:
        labels: The label map; ids without a name are called "object" and their id.
        path: The target file.
        source: The images.
        algorithm: The algorithm that made the labels.
        progress: Called with the number of slices done, of all objects together, and their total.
        codes: Codes by the objects' names, which come before the table's.

    Raises:
        GridMismatchError: The labels do not lie on the images.
        OutputError: The label map is empty, or the file cannot be written.
    """
    dataset, names = start_object(labels, path, source, RTStructureSetStorage, "RTSTRUCT", "Structure set")
    organs = {number: codes.get(name) or organ_code(name) for number, name in names.items()}
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
                ROIGenerationDescription=long_string(f"{algorithm.name} {algorithm.version}"),
            )
            for position, number in enumerate(names, start=1)
        )
    )
    count = len(source.slices)

    def tell(objects: int, slices: int) -> None:
        progress(objects * count + slices, len(names) * count)

    dataset.ROIContourSequence = items(
        *(
            item(
                ROIDisplayColor=list(
                    labels.colours.get(number) or organs[number].rgb or _COLOURS[position % len(_COLOURS)]
                ),
                ReferencedROINumber=position,
                ContourSequence=items(*_contours(labels, source, number, partial(tell, position - 1))),
            )
            for position, number in enumerate(names, start=1)
        )
    )
    dataset.RTROIObservationsSequence = items(
        *(_observation(position, organs[number]) for position, number in enumerate(names, start=1))
    )
    if any(
        each.get_item(_CONTOUR_DATA).length > _LONGEST_EXPLICIT
        for roi in dataset.ROIContourSequence
        for each in roi.ContourSequence
    ):
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save_object(dataset, path)


def _contours(
    labels: LabelVolume, source: SourceSeries, number: int, progress: Callable[[int], None]
) -> Iterator[Dataset]:
    for index, header in enumerate(source.slices):
        progress(index + 1)
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


def _observation(position: int, organ: OrganCode) -> Dataset:
    observation = item(
        ObservationNumber=position, ReferencedROINumber=position, RTROIInterpretedType="", ROIInterpreter=""
    )
    if organ.known:
        observation.RTROIIdentificationCodeSequence = items(code_item(organ.type))
    return observation
