"""Whom and when a DICOM series shows: for listings of a server whose operator allows it, and nothing else.

These values never go into sessions, caches, logs or messages.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom

from radsam.io.dicom.dicom_input import dicom_folder
from radsam.io.dicom.element_values import text

_ELEMENTS = [
    "SpecificCharacterSet", "PatientName", "PatientID", "StudyDate", "StudyDescription", "SeriesInstanceUID",
]  # fmt: skip


@dataclass(frozen=True)
class PatientHeader:
    """Patient and study of a series; what is absent is empty.

    Args:
        name: PatientName, as "Family, Given".
        id: PatientID.
        study_date: StudyDate, YYYY-MM-DD.
        study: StudyDescription.
    """

    name: str
    id: str
    study_date: str
    study: str


def read_patient(path: Path, series_uid: str) -> PatientHeader | None:
    """Read patient and study from the first file of a series; None if no file of it can be read.

    Args:
        path: A DICOM file, folder or zip.
        series_uid: SeriesInstanceUID.
    """
    with dicom_folder(path) as place:
        for each in [place] if place.is_file() else sorted(place.rglob("*")):
            if each.is_file() and (found := _patient(each, series_uid)):
                return found
    return None


def _patient(path: Path, series_uid: str) -> PatientHeader | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # pydicom warns of every value that breaks a rule
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_ELEMENTS))
            if text(head, "SeriesInstanceUID", "none") != series_uid:
                return None
            name = text(head, "PatientName", "").split("=")[0].split("^")[:2]
            date = text(head, "StudyDate", "")
    except Exception:  # pydicom has no common base for what damaged bytes provoke
        return None
    return PatientHeader(
        name=", ".join(filter(None, (part.strip() for part in name))),
        id=text(head, "PatientID", ""),
        study_date=f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date,
        study=text(head, "StudyDescription", ""),
    )
