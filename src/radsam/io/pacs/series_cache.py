"""The cache of series from a PACS: images without the elements that identify the patient.

A second object on the same series, or a run after one that was interrupted, does not fetch them again.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from radsam.disk.folder_cache import FolderCache, cache_folder
from radsam.io.pacs.fetch_files import save_dicom
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.patient_identity import without_identity

#: About 30 series of 500 compressed slices.
_MAX_BYTES = 4 << 30


def series_cache(max_bytes: int = _MAX_BYTES) -> FolderCache:
    """Return the cache: a folder for each series, in ``$RADSAM_CACHE/series``."""
    return FolderCache(cache_folder("series"), "[0-9a-f]{32}", max_bytes=max_bytes)


class CachedSeries:
    """The cached images of one series.

    Args:
        address: The address of the series.
    """

    def __init__(self, address: PacsAddress) -> None:
        self._name = _hash(f"{address.base} {address.study_uid} {address.series_uid}")
        self._images = FolderCache(series_cache().folder / self._name, r"[0-9a-f]{32}\.dcm")

    def read(self, uid: str) -> Dataset | None:
        """Read one image; None if it is not cached, or damaged."""

        def load(file: BinaryIO) -> Dataset:
            with warnings.catch_warnings(action="ignore"):  # pydicom quotes values that break a rule
                dataset = pydicom.dcmread(file)
            if dataset.SOPInstanceUID != uid:
                raise ValueError("another image")
            return dataset

        return self._images.read(_file_name(uid), load)

    def write(self, dataset: Dataset) -> None:
        """Cache one image without the elements that identify the patient, unless it is cached.

        Raises:
            OutputError: There is no room.
        """
        name = _file_name(str(dataset.SOPInstanceUID))
        if not (self._images.folder / name).exists():
            self._images.write(name, lambda file: save_dicom(without_identity(dataset), file))

    def mark_used(self) -> None:
        """Note that the series was used now, and remove series beyond the size limit."""
        series_cache().mark_used(self._name)


def _file_name(uid: str) -> str:
    return f"{_hash(uid)}.dcm"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
