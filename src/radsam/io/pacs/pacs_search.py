"""What a search of a PACS found, in plain values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.dataset import Dataset

from radsam.io.pacs.pacs_address import Level, PacsAddress

#: Keyword of the UID of each level, and of what describes it.
_UID = {Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID", Level.INSTANCE: "SOPInstanceUID"}
_SHOWN = {
    Level.STUDY: {
        "date": "StudyDate",
        "modalities": "ModalitiesInStudy",
        "description": "StudyDescription",
        "series": "NumberOfStudyRelatedSeries",
        "instances": "NumberOfStudyRelatedInstances",
    },
    Level.SERIES: {
        "number": "SeriesNumber",
        "modality": "Modality",
        "description": "SeriesDescription",
        "instances": "NumberOfSeriesRelatedInstances",
    },
    Level.INSTANCE: {"number": "InstanceNumber", "kind": "SOPClassUID"},
}
_PATIENT = {"patient_id": "PatientID", "patient_name": "PatientName"}
_COUNTS = {"series", "instances", "number"}


def describe(found: Dataset, address: PacsAddress, level: Level, *, patient: bool = False) -> dict[str, Any]:
    """Describe one match.

    Args:
        found: The match.
        address: Where it was looked for.
        level: What was looked for: studies, series or instances.
        patient: Whether a study says whose it is.

    Returns:
        Its ``url`` and ``uid``, and by level what else the server said; None where it did not.
    """
    uid = str(found.get(_UID[level], ""))
    shown = _SHOWN[level] | (_PATIENT if patient and level is Level.STUDY else {})
    about = {name: _plain(found.get(keyword), whole=name in _COUNTS) for name, keyword in shown.items()}
    return {"url": str(address.within(**{level.value: uid})), "uid": uid} | about


def _plain(value: object, *, whole: bool) -> str | int | None:
    if value is None or str(value).strip() == "":
        return None
    if whole:
        return int(str(value)) if str(value).strip().lstrip("-").isdigit() else None
    if isinstance(value, str):
        return str(getattr(value, "name", value))  # of a UID, what the standard calls it
    if isinstance(value, Iterable) and not hasattr(value, "family_name"):  # a name of a person is iterable, too
        return "/".join(map(str, value))
    return str(value)
