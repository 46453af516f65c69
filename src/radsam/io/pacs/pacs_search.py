"""Searching a PACS: a check of the filters, a description of each match, and the instances of a series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_server import DESCRIPTIONS, PATIENT, UID_KEYWORDS, Instance, PacsServer

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


def list_instances(server: PacsServer, address: PacsAddress) -> list[Instance]:
    """List the instances of a series, in the order of their InstanceNumber, each once.

    Raises:
        PacsRequestError: The series or instance does not exist.
        PacsError: The PACS lists an instance whose UID is not a DICOM UID.
    """
    where = {"SOPInstanceUID": address.instance_uid} if address.instance_uid else {}
    found = {str(each.get("SOPInstanceUID", "")): each for each in server.find(address, Level.INSTANCE, where, None)}
    if not found:
        raise PacsRequestError(
            f"The PACS has nothing at {address}. List the series with: radsam pacs find "
            f"{PacsAddress(address.base, address.study_uid)}"
        )
    listed = sorted(found.items(), key=lambda each: (_number(each[1]), each[0]))
    return [Instance(_instance_address(address, uid), str(each.get("SOPClassUID", ""))) for uid, each in listed]


def check_received(dataset: Dataset, instances: Sequence[Instance]) -> Dataset:
    """Return a fetched instance; refuse one that was not requested, or that has no file header.

    Raises:
        PacsError: It cannot be used.
    """
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not syntax or str(dataset.get("SOPInstanceUID", "")) not in {each.address.instance_uid for each in instances}:
        raise PacsError(
            f"The PACS sent something else than the requested instance {instances[0].address.instance_uid}. "
            "Ask its administrator."
        )
    return dataset


def _instance_address(series: PacsAddress, uid: str) -> PacsAddress:
    try:
        if not check_uid(uid, "An instance"):
            raise PacsRequestError("An instance has no UID")
    except PacsRequestError as error:
        raise PacsError(
            f"The PACS lists an instance of {series} whose UID is not a DICOM UID. Ask its administrator."
        ) from error
    return series.within(instance=uid)


def _number(dataset: Dataset) -> float:
    try:
        return float(dataset.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0.0
