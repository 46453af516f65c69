"""The operations of a PACS, over either protocol: search, fetch and store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydicom.dataset import Dataset

from radsam.io.pacs.pacs_address import Level, PacsAddress

#: Reports progress: how many files are done, and their total number.
Progress = Callable[[int, int | None], None]

#: Keyword (PS3.6) of the UID of each level.
UID_KEYWORDS = {Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID", Level.INSTANCE: "SOPInstanceUID"}
#: Keywords of the elements that describe a match at each level, by their names for users.
DESCRIPTIONS = {
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
#: Those of the patient of a study; shown on request only.
PATIENT = {"patient_id": "PatientID", "patient_name": "PatientName"}
#: Keywords that a search returns at each level: the UIDs down to it, and all that describe a match.
RETURNED_KEYWORDS = {
    level: [*[*UID_KEYWORDS.values()][:depth], *described.values(), *(PATIENT.values() if level is Level.STUDY else ())]
    for depth, (level, described) in enumerate(DESCRIPTIONS.items(), start=1)
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
