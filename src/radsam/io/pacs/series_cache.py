"""Images of a PACS that are kept between runs, without what tells whose they are.

A second object on the same series, or a run after one that broke off, does not fetch them
again. Names of folders and files are hashes; only their owner can read them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

import platformdirs
import pydicom
from pydicom.dataset import Dataset

from radsam.io.pacs.fetch_files import private_folder, write_private
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.patient_identity import without_identity

#: About 30 series of 500 compressed slices.
_MAX_BYTES = 4 << 30
_SUFFIX = ".dcm"


def kept_folder() -> Path:
    """Where images are kept between runs: ``$RADSAM_CACHE/series``, or in the platform's cache folder."""
    named = os.environ.get("RADSAM_CACHE")
    return (Path(named) if named else platformdirs.user_cache_path("radsam")) / "series"


class KeptSeries:
    """The images of one series that are kept.

    Args:
        folder: Where they are; made when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, address: PacsAddress) -> KeptSeries:
        """Return what is kept of the series at an address."""
        return cls(kept_folder() / _hash(f"{address.base} {address.study_uid} {address.series_uid}"))

    def read(self, uid: str) -> Dataset | None:
        """Read one image; None if it is not here, or damaged."""
        path = self._path(uid)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom quotes values that break a rule
                dataset = pydicom.dcmread(path)
            return dataset if dataset.SOPInstanceUID == uid else None
        except Exception:  # a damaged file goes, and is fetched again
            path.unlink(missing_ok=True)
            return None

    def write(self, dataset: Dataset) -> None:
        """Keep one image without what tells whose it is, unless it is here.

        Raises:
            OutputError: There is no room.
        """
        if self._path(str(dataset.SOPInstanceUID)).exists():
            return
        private_folder(self._folder)
        write_private(without_identity(dataset), self._path(str(dataset.SOPInstanceUID)))

    def touch(self) -> None:
        """Note that it was used now, which decides what goes first when all grows too large."""
        with suppress(OSError):
            self._folder.touch()

    def _path(self, uid: str) -> Path:
        return self._folder / f"{_hash(uid)}{_SUFFIX}"


def kept_bytes() -> int:
    """Total size of the images that are kept."""
    return sum(size for _, size, _ in _kept_series())


def clear_kept() -> int:
    """Remove every image that is kept, and nothing else; return how many bytes that freed."""
    freed = sum(_remove(folder) for _, _, folder in _kept_series())
    with suppress(OSError):  # not empty, or not there
        kept_folder().rmdir()
    return freed


def _kept_series() -> list[tuple[float, int, Path]]:
    """List what is kept, longest unused first: time of last use, bytes, folder."""
    found = []
    for folder in kept_folder().glob("*"):
        if folder.is_dir() and not folder.is_symlink() and len(folder.name) == len(_hash("")):
            with suppress(FileNotFoundError):  # another process may remove it meanwhile
                size = sum(each.stat().st_size for each in folder.glob(f"*{_SUFFIX}"))
                found.append((folder.stat().st_mtime, size, folder))
    return sorted(found)


def _remove(folder: Path) -> int:
    freed = sum(each.stat().st_size for each in folder.glob(f"*{_SUFFIX}"))
    shutil.rmtree(folder, ignore_errors=True)
    return freed


def prune_kept(max_bytes: int = _MAX_BYTES) -> None:
    """Remove what was used longest ago until the rest fits; never what was used last."""
    series = _kept_series()
    total = sum(size for _, size, _ in series)
    for _, size, folder in series[:-1]:
        if total <= max_bytes:
            return
        total -= size
        _remove(folder)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
