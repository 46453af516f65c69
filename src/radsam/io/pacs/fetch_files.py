"""Fetching into a folder: instance by instance, each whole or not there, so that it can go on later."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from radsam.disk.atomic_write import reason, replacing
from radsam.errors import OutputError, PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_server import PacsServer, Progress
from radsam.io.pacs.series_instances import list_instances

#: Temporary names that `replacing` gives to files of this module.
_REMAINS = re.compile(r"\.[0-9]+\.[0-9a-f]{8}\.partial\.[0-9.]+\.dcm")


@dataclass(frozen=True)
class Fetched:
    """What is in the folder now.

    Args:
        folders: One folder per series.
        instances: Files in them that belong to the address.
        new: How many of those were fetched now; the others were there.
        new_bytes: Their size.
    """

    folders: tuple[Path, ...]
    instances: int
    new: int
    new_bytes: int


def fetch_files(server: PacsServer, folder: Path, *, progress: Progress = lambda done, total: None) -> Fetched:
    """Fetch the study, series or instance that the server's address means.

    A series goes into `folder` itself, a study into one folder per series below it, named by
    SeriesInstanceUID; a file is named by its SOPInstanceUID. What is there already is not
    fetched again: after an error, the same call goes on where it stopped. Files, and folders
    that had to be made, are readable by their owner only.

    Args:
        server: An open server.
        folder: Where to; made if missing.
        progress: Called with instances done and their number.

    Raises:
        PacsRequestError: The address means a whole server or nothing that is there.
        PacsError: The PACS failed.
        OutputError: A file cannot be written.
    """
    places = _places(server, folder)
    wanted = {
        each: place / f"{each.address.instance_uid}.dcm" for at, place in places for each in list_instances(server, at)
    }
    for _, place in places:
        private_folder(place)
        _remove_remains(place)
    missing = {each.address.instance_uid: each for each, path in wanted.items() if not _is_there(path, each.address)}
    done, new_bytes = len(wanted) - len(missing), 0
    progress(done, len(wanted))
    try:
        for dataset in server.fetch(list(missing.values())):
            new_bytes += write_private(dataset, wanted[missing[str(dataset.SOPInstanceUID)]])
            done += 1
            progress(done, len(wanted))
    except (PacsError, PacsRequestError, OutputError) as error:
        raise type(error)(
            f"{error} {done} of {len(wanted)} images are in {folder}; the same command goes on from there."
        ) from None
    return Fetched(tuple(place for _, place in places), len(wanted), len(missing), new_bytes)


def write_private(dataset: Dataset, path: Path) -> int:
    """Write one instance that only its owner can read, whole or not at all; return its size in bytes.

    Raises:
        OutputError: It cannot be written.
    """
    with replacing(path) as partial:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom quotes values that break a rule
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)
            return file.tell()


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it, that only its owner can enter; one that is there stays as it is.

    Raises:
        OutputError: It cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} could not be made: {reason(error, folder.parent)}") from error
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file; give the name of a folder.")


def _places(server: PacsServer, folder: Path) -> Sequence[tuple[PacsAddress, Path]]:
    """Say which series go where."""
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
            f"The PACS has no study {at.study_uid}. Look with: radsam pacs find {replace(at, study_uid='')}"
        )
    return [(at.within(series=check_uid(uid, "A series UID of the PACS")), folder / uid) for uid in uids]


def _remove_remains(folder: Path) -> None:
    """Remove what a run that was killed outright left behind: readers of the folder would stumble over it."""
    for path in folder.glob(".*.partial.*.dcm"):
        if _REMAINS.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _is_there(path: Path, address: PacsAddress) -> bool:
    """Whether a file is the instance; a whole one, since `write_private` leaves no others."""
    if not path.is_file():
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        return str(head.get("SOPInstanceUID", "")) == address.instance_uid
    except Exception:  # whatever it is, it is not the instance
        return False
