"""The operations of a PACS, over either protocol: search, fetch and store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydicom.dataset import Dataset

from radsam.io.pacs.pacs_address import Level, PacsAddress

#: Reports progress: how many files are done, and their total number.
Progress = Callable[[int, int | None], None]

#: Keywords (PS3.6) that a search returns at each level. Those of the patient are shown on request only.
RETURNED_KEYWORDS: Mapping[Level, tuple[str, ...]] = {
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
class Instance:
    """One instance in a PACS.

    Args:
        address: Its address.
        sop_class: SOPClassUID, or empty.
    """

    address: PacsAddress
    sop_class: str


@runtime_checkable
class PacsServer(Protocol):
    """A connected PACS. Every request is bounded in time and repeated where that may help.

    Every method raises `PacsRequestError` where the server refuses the request, and
    `PacsError` where it cannot be reached or trusted, breaks off or fails.
    """

    address: PacsAddress

    def find(self, at: PacsAddress, level: Level, where: Mapping[str, str], limit: int | None) -> list[Dataset]:
        """Search.

        Args:
            at: Where to search: the server, a study or a series of it.
            level: The level of the matches.
            where: Values by DICOM keyword; ``*`` and ``?`` match any text.
            limit: Largest number of matches; None for all.

        Returns:
            One data set per match, with `RETURNED_KEYWORDS` as far as the server has them.
        """
        ...

    def fetch(self, instances: Sequence[Instance]) -> Iterator[Dataset]:
        """Fetch instances as the server stores them, each whole, in any order.

        Instances that were yielded before an error are whole.
        """
        ...

    def store(self, dataset: Dataset) -> None:
        """Store one instance that has a file header."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
