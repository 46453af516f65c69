"""Searching a PACS: a check of the filters, and a description of each match in plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_server import DESCRIPTIONS, PATIENT, UID_KEYWORDS

_COUNTS = {"series", "instances", "number"}


def check_filters(filters: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return filters by keyword; refuse names that are not keywords of the DICOM dictionary.

    Raises:
        PacsRequestError: A name is not a keyword.
    """
    for keyword, _ in filters:
        if tag_for_keyword(keyword) is None:
            raise PacsRequestError(
                f"{keyword!r} is not a keyword of DICOM, such as PatientID, StudyDate or AccessionNumber."
            )
    return dict(filters)


def describe_match(found: Dataset, address: PacsAddress, level: Level, *, patient: bool = False) -> dict[str, Any]:
    """Describe one match.

    Args:
        found: The match.
        address: Where the search was: the server, a study or a series.
        level: The level of the match.
        patient: Whether to describe the patient of a study, too.

    Returns:
        Its ``url`` and ``uid``, and the elements of its level; None for those that the server did not send.
    """
    uid = str(found.get(UID_KEYWORDS[level], ""))
    shown = DESCRIPTIONS[level] | (PATIENT if patient and level is Level.STUDY else {})
    about = {name: _plain(found.get(keyword), whole=name in _COUNTS) for name, keyword in shown.items()}
    return {"url": str(address.within(**{level.value: uid})), "uid": uid} | about


def _plain(value: object, *, whole: bool) -> str | int | None:
    if value is None or str(value).strip() == "":
        return None
    if whole:
        return int(str(value)) if str(value).strip().lstrip("-").isdigit() else None
    if isinstance(value, str):
        return str(getattr(value, "name", value))  # a UID's name in the standard
    if isinstance(value, Iterable) and not hasattr(value, "family_name"):  # a name of a person is iterable, too
        return "/".join(map(str, value))
    return str(value)
