"""The instances of a series in a PACS: their list, and a check of what the PACS sends."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_server import Instance, PacsServer


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
