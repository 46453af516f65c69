"""Fetching from a PACS into a folder: each file is written whole or not at all, so that a later call continues."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from radsam.disk.atomic_write import private_file, private_folder
from radsam.errors import OutputError, PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_search import list_instances
from radsam.io.pacs.pacs_server import PacsServer, Progress

#: Temporary names that `replacing` gives to the files.
_TEMPORARY = re.compile(r"\.[0-9]+\.[0-9a-f]{8}\.partial\.[0-9.]+\.dcm")


@dataclass(frozen=True)
class Fetched:
    """The files in the folder after fetching.

    Args:
        folders: One folder per series.
        instances: Number of files in them that belong to the address.
        new: How many of those were fetched now; the others were there before.
        new_bytes: Size of the new files.
    """

    folders: tuple[Path, ...]
    instances: int
    new: int
    new_bytes: int


def fetch_files(server: PacsServer, folder: Path, *, progress: Progress = lambda done, total: None) -> Fetched:
    """Fetch the study, series or instance at the server's address.

    The files of a series go into `folder` itself, those of a study into one folder per series below it,
    named by SeriesInstanceUID; a file is named by its SOPInstanceUID. Files that are there already are not
    fetched again: after an error, the same call continues. New files and folders are readable by their
    owner only.

    Args:
        server: A connected server.
        folder: The target folder; made if missing.
        progress: Called with the number of files done and the total.

    Raises:
        PacsRequestError: The address is that of a whole server, or nothing is there.
        PacsError: The PACS failed.
        OutputError: A file cannot be written.
    """
    folders = _series_folders(server, folder)
    wanted = {
        each: into / f"{each.address.instance_uid}.dcm" for at, into in folders for each in list_instances(server, at)
    }
    for _, into in folders:
        private_folder(into)
        _remove_temporary(into)
    missing = {each.address.instance_uid: each for each, path in wanted.items() if not _is_there(path, each.address)}
    done, new_bytes = len(wanted) - len(missing), 0
    progress(done, len(wanted))
    try:
        for dataset in server.fetch(list(missing.values())):
            with private_file(wanted[missing[str(dataset.SOPInstanceUID)]]) as file:
                new_bytes += save_dicom(dataset, file)
            done += 1
            progress(done, len(wanted))
    except (PacsError, PacsRequestError, OutputError) as error:
        raise type(error)(
            f"{error} {done} of {len(wanted)} images are in {folder}; the same command continues from there."
        ) from None
    return Fetched(tuple(into for _, into in folders), len(wanted), len(missing), new_bytes)


def save_dicom(dataset: Dataset, file: BinaryIO) -> int:
    """Write an instance to an open file; return its size in bytes."""
    with warnings.catch_warnings(action="ignore"):  # pydicom quotes values that break a rule
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.tell()


def _series_folders(server: PacsServer, folder: Path) -> Sequence[tuple[PacsAddress, Path]]:
    """Return each series with its folder."""
    at = server.address
    if at.level is Level.SERVER:
        raise PacsRequestError(
            f"{at} is a whole PACS. Add the study, and the series if you want one: /studies/UID/series/UID. "
            f"List them with: radsam pacs find {at}"
        )
    if at.level is not Level.STUDY:
        return [(at, folder)]
    uids = [str(each.get("SeriesInstanceUID", "")) for each in server.find(at, Level.SERIES, {}, None)]
    if not uids:
        raise PacsRequestError(
            f"The PACS has no study {at.study_uid}. List its studies with: radsam pacs find {replace(at, study_uid='')}"
        )
    return [(at.within(series=check_uid(uid, "A series UID of the PACS")), folder / uid) for uid in uids]


def _remove_temporary(folder: Path) -> None:
    """Remove temporary files of a run that was killed: readers of the folder would fail on them."""
    for path in folder.glob(".*.partial.*.dcm"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _is_there(path: Path, address: PacsAddress) -> bool:
    """Whether a file is the instance; it is whole, since files are written whole or not at all."""
    if not path.is_file():
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            head = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        return str(head.get("SOPInstanceUID", "")) == address.instance_uid
    except Exception:  # any other content is not the instance
        return False
