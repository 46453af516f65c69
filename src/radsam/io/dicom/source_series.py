"""The images that a SEG or RTSTRUCT refers to: their headers, and masks on their grid."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Bool
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pydicom.valuerep import validate_value

from radsam.errors import GridMismatchError, OutputError
from radsam.io.dicom.dicom_input import choose_series, dicom_folder, is_dicom
from radsam.io.dicom.dicom_series import list_dicom
from radsam.io.dicom.slice_header import SliceHeader
from radsam.io.dicom.slice_stack import Stack, stack
from radsam.volume import Geometry, LabelVolume
from radsam.volume.geometry import nearest_index

#: Elements that a derived object copies from its images: patient, study, frame of reference and clinical
#: trial (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.7.4.1). Without them a PACS files the object elsewhere.
_COPIED = [
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID", "ClinicalTrialSubjectID", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID",
    "PositionReferenceIndicator",
]  # fmt: skip
#: Elements of type 2 in the same modules: required, but may be empty.
_TYPE_2 = [
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator",
]  # fmt: skip
#: Value representations of dates, times, ages and numbers: what breaks their rules is not copied.
_CHECKED = ("DA", "TM", "AS", "DS", "IS")


class SourceWarning(UserWarning):
    """The images lack a UID that an object made on them refers to."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The images that labels were made on.

    Args:
        stacked: Their headers in order, and the grid of the labels.
        copied: The elements that a derived object copies from them; they name the patient.
        study_uid: StudyInstanceUID, generated where the images have none.
        series_uid: SeriesInstanceUID, generated where the images have none.
    """

    stacked: Stack
    copied: Dataset
    study_uid: str
    series_uid: str

    @property
    def slices(self) -> tuple[SliceHeader, ...]:
        """Headers of the images, or of the frames of an enhanced image, in the order of the stack."""
        return self.stacked.slices

    def check(self, labels: LabelVolume) -> None:
        """Refuse labels of another grid.

        Raises:
            GridMismatchError: They were not made on these images.
        """
        if not labels.geometry.same_grid(self.stacked.geometry):
            raise GridMismatchError(
                f"The labels do not lie on the images of the series: {labels.geometry.describe()}, but the series has "
                f"{self.stacked.geometry.describe()}. Give the series that they were made on, or resample the labels."
            )

    def slice_mask(self, labels: LabelVolume, number: int, index: int) -> Bool[np.ndarray, "rows cols"]:
        """Return object `number`, whole, on image `index`: of a resampled series, each pixel's nearest voxel."""
        header, corners = self.slices[index], self.stacked.corners_ijk
        if corners is None:
            return labels.slice_mask(number, index)
        i, j, k = (int(each) for each in nearest_index(corners[index]))
        k = min(k, labels.ids.shape[0] - 1)
        return labels.slice_mask(number, k)[j : j + header.rows, i : i + header.cols]

    def slice_geometry(self, index: int) -> Geometry:
        """Return the grid of image `index` alone."""
        header = self.slices[index]
        grid = self.stacked.geometry
        x, y, z = header.position_lps
        return Geometry.from_parts((1, header.rows, header.cols), (x, y, z), grid.spacing_mm_ijk, grid.direction)


def read_source(path: str | os.PathLike[str], *, series: str | None = None, resample: bool = False) -> SourceSeries:
    """Read the headers of the series that labels were made on.

    Args:
        path: The folder, zip or enhanced image, as for `read_volume`.
        series: Which series, as for `read_volume`.
        resample: As for `read_volume`: the labels then lie on the resampled grid.

    Raises:
        OutputError: The path is not DICOM, or its images lack UIDs that a derived object needs.
        SeriesError: The images do not make one volume.
    """
    given = Path(path)
    if not is_dicom(given):
        raise OutputError(
            f"A DICOM SEG or RTSTRUCT refers to DICOM images, and {given} is not DICOM. Give the series it came from, "
            "or write NIfTI or NRRD."
        )
    with dicom_folder(given) as folder:
        stacked = stack(choose_series(list_dicom(folder, given), given, series), resample=resample)
        with warnings.catch_warnings(action="ignore"):  # pydicom warns of every value that breaks a rule
            copied = _copied(stacked.slices[0].path)
    first = stacked.slices[0]
    if not first.frame_of_reference or not all(each.sop_uid and each.sop_class for each in stacked.slices):
        missing = "SOPInstanceUIDs" if first.frame_of_reference else "FrameOfReferenceUID"
        raise OutputError(
            f"The images in {given} have no {missing}, so a DICOM object cannot refer to them. "
            "Write NIfTI or NRRD, or export the series again."
        )
    if not first.study_uid or first.series_uid == "none":
        warnings.warn(
            "The images have no UID of their study or series; the object refers to one made from their other UIDs.",
            SourceWarning,
            stacklevel=2,
        )
    # From the SOPInstanceUIDs, so that every object made on these images refers to the same series.
    generated = [generate_uid(entropy_srcs=[what, *sorted({each.sop_uid for each in stacked.slices})]) for what in "12"]
    return SourceSeries(
        stacked,
        copied,
        first.study_uid or str(generated[0]),
        first.series_uid if first.series_uid != "none" else str(generated[1]),
    )


def _copied(path: Path) -> Dataset:
    found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_COPIED), force=True)
    copied = Dataset()
    for name in _COPIED:
        try:
            if name in found and found.get(name) not in (None, "", []):
                if found[name].VR in _CHECKED:
                    validate_value(found[name].VR, str(found[name].value), RAISE)
                copied[name] = found[name]
        except Exception:  # pydicom has no common base for what broken values provoke; the value is then absent
            continue
    for name in _TYPE_2:
        if name not in copied:
            setattr(copied, name, "")
    return copied
