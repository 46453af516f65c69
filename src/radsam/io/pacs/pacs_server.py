"""What a PACS can be asked, whatever it speaks; patience with one that falters; `connect`."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol, TypeVar, runtime_checkable

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from radsam.errors import MissingExtraError, PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid

T = TypeVar("T")

#: What is asked for of each level, as keywords of PS3.6. Patient: only shown where the user wants it.
RETURNED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyInstanceUID",
        "StudyDate",
        "StudyDescription",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "PatientID",
        "PatientName",
    ),
    Level.SERIES: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesDescription",
        "Modality",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.INSTANCE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}


@dataclass(frozen=True)
class Patience:
    """How long a PACS is waited for.

    Args:
        connect_s: Seconds until a connection stands.
        answer_s: Seconds without a sign of life; ``$RADSAM_PACS_TIMEOUT``.
        attempts: How often one request is made; ``$RADSAM_PACS_ATTEMPTS``.
        wait_s: Seconds before the second attempt; doubled each time.
    """

    connect_s: float = 10.0
    answer_s: float = 60.0
    attempts: int = 4
    wait_s: float = 0.5

    @classmethod
    def from_environment(cls) -> Patience:
        """Read the two variables.

        Raises:
            PacsRequestError: One is no positive number.
        """
        answer_s = _positive("RADSAM_PACS_TIMEOUT", cls.answer_s)
        return cls(
            min(cls.connect_s, answer_s), answer_s, math.ceil(_positive("RADSAM_PACS_ATTEMPTS", float(cls.attempts)))
        )

    def repeat(self, request: Callable[[], T]) -> T:
        """Make a request again while its error is transient and attempts are left."""
        for attempt in range(1, self.attempts):
            try:
                return request()
            except PacsError as error:
                if not error.transient:
                    raise
                time.sleep(self.wait_s * 2 ** (attempt - 1))
        return request()


@dataclass(frozen=True)
class Instance:
    """One instance in a PACS.

    Args:
        address: Where it is.
        sop_class: SOPClassUID, or empty.
    """

    address: PacsAddress
    sop_class: str


@runtime_checkable
class Server(Protocol):
    """An open PACS. Every request is bounded in time and repeated where that may help.

    Every method raises `PacsRequestError` where the server refuses what was asked, and
    `PacsError` where it cannot be reached or trusted, breaks off or fails.
    """

    address: PacsAddress

    def find(self, at: PacsAddress, level: Level, where: Mapping[str, str], limit: int | None) -> list[Dataset]:
        """Search.

        Args:
            at: Where to look: the server, a study or a series of it.
            level: What to look for there.
            where: Values by DICOM keyword; ``*`` and ``?`` stand for any text.
            limit: At most so many; None for all there are.

        Returns:
            One data set per match, with `RETURNED` as far as the server has it.
        """
        ...

    def fetch(self, instances: Sequence[Instance]) -> Iterator[Dataset]:
        """Fetch instances as the server stores them, each whole, in any order.

        What was yielded before an error is good.
        """
        ...

    def store(self, dataset: Dataset) -> None:
        """Store one instance that has a file header."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@contextmanager
def connect(address: PacsAddress, patience: Patience | None = None) -> Iterator[Server]:
    """Open the PACS at an address; whatever the block does, its connections are closed.

    Args:
        address: The address.
        patience: How long to wait; from the environment if None.

    Raises:
        MissingExtraError: The extra ``dicom`` is not installed.
    """
    require_libraries()
    _keep_patients_out_of_logs()
    waits = patience or Patience.from_environment()
    server: Server
    if address.is_dimse:
        from radsam.io.pacs.dimse import DimseServer

        server = DimseServer(address, waits)
    else:
        from radsam.io.pacs.dicomweb import DicomWebServer
        from radsam.io.pacs.pacs_credentials import find_credentials

        server = DicomWebServer(address, find_credentials(address), waits)
    try:
        yield server
    finally:
        server.close()


def require_libraries() -> None:
    """Refuse to go on without the libraries of the extra ``dicom``.

    Raises:
        MissingExtraError: One is not installed.
    """
    if any(find_spec(each) is None for each in ("dicomweb_client", "pynetdicom", "keyring")):
        raise MissingExtraError("Reaching a PACS", "dicom")


def list_instances(server: Server, address: PacsAddress) -> list[Instance]:
    """List the instances of a series, in the order of their numbers, each once.

    Raises:
        PacsRequestError: There is no such series or instance.
        PacsError: The server names an instance with what is no UID.
    """
    where = {"SOPInstanceUID": address.instance_uid} if address.instance_uid else {}
    found = {str(each.get("SOPInstanceUID", "")): each for each in server.find(address, Level.INSTANCE, where, None)}
    if not found:
        raise PacsRequestError(
            f"The PACS has nothing at {address}. Look with: radsam pacs find "
            f"{PacsAddress(address.base, address.study_uid)}"
        )
    listed = sorted(found.items(), key=lambda each: (_number(each[1]), each[0]))
    return [Instance(_inside(address, uid), str(each.get("SOPClassUID", ""))) for uid, each in listed]


def check_received(dataset: Dataset, instances: Sequence[Instance]) -> Dataset:
    """Return a fetched instance; refuse one that was not asked for, or that has no file header.

    Raises:
        PacsError: It cannot be used.
    """
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not syntax or str(dataset.get("SOPInstanceUID", "")) not in {each.address.instance_uid for each in instances}:
        raise PacsError(
            f"The PACS sent something else than the instance that was asked for, {instances[0].address.instance_uid}. "
            "Ask its administrator."
        )
    return dataset


def check_where(where: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Refuse filters whose names are not DICOM's.

    Raises:
        PacsRequestError: A name is no keyword of the standard's dictionary.
    """
    for keyword, _ in where:
        if tag_for_keyword(keyword) is None:
            raise PacsRequestError(
                f"{keyword!r} is not a keyword of DICOM, such as PatientID, StudyDate or AccessionNumber."
            )
    return dict(where)


def _inside(series: PacsAddress, uid: str) -> PacsAddress:
    try:
        if not check_uid(uid, "An instance"):
            raise PacsRequestError("An instance has no UID")
    except PacsRequestError as error:
        raise PacsError(
            f"The PACS lists an instance of {series} by what is no DICOM UID. Ask its administrator."
        ) from error
    return series.within(instance=uid)


def _number(dataset: Dataset) -> float:
    try:
        return float(dataset.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0.0


def _positive(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise PacsRequestError(f"{variable} is {text!r}; it must be a number above 0.")
    return value


def _keep_patients_out_of_logs() -> None:
    """Silence the libraries below: they log queries, answers and URLs, and those hold patients' names and ids."""
    for library in ("dicomweb_client", "pynetdicom", "urllib3", "requests"):
        logger = logging.getLogger(library)
        logger.setLevel(logging.CRITICAL + 1)
