"""Storing files in a PACS: all are looked at before the first one is sent."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import MediaStorageDirectoryStorage, generate_uid

from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import PacsAddress, check_uid
from radsam.io.pacs.pacs_server import PacsServer, Progress

#: What a PACS files an object by.
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class Upload:
    """Files that can be stored.

    Args:
        files: The files, in the order of their names.
        skipped: Number of files that are not DICOM objects.
        made_from: What new UIDs are made from, by folder; empty where none are to be made.
    """

    files: tuple[Path, ...]
    skipped: int = 0
    made_from: Mapping[Path, str] = field(default_factory=dict)


def check_files(paths: Sequence[Path], address: PacsAddress, *, assign_uids: bool = False) -> Upload:
    """Look at every file before anything is sent.

    Args:
        paths: Files, and folders that are searched through.
        address: The PACS; where it names a study, every file must belong to that.
        assign_uids: Give new UIDs to files without (some anonymisers empty them): files of one
            folder become one study, with one series for each SeriesInstanceUID. The same folder
            always gets the same.

    Raises:
        PacsRequestError: There is nothing to store, or a file cannot be.
    """
    found: list[Path] = []
    skipped = 0
    for given in paths:
        if not given.exists():
            raise PacsRequestError(f"{given} does not exist. Check the spelling, and the folder you are in.")
        for path in sorted(each for each in given.rglob("*") if each.is_file()) if given.is_dir() else [given]:
            if _is_object(path):
                _check(path, address, assign_uids)
                found.append(path)
            elif given.is_dir():
                skipped += 1
            else:
                raise PacsRequestError(f"{path} is not a DICOM file (with a file header, PS3.10). Nothing was sent.")
    if not found:
        raise PacsRequestError(f"There is no DICOM file in {', '.join(map(str, paths))}. Nothing was sent.")
    return Upload(tuple(found), skipped, _made_from(found) if assign_uids else {})


def store_files(
    server: PacsServer, upload: Upload, *, progress: Progress = lambda done, total: None
) -> list[PacsAddress]:
    """Store files, one by one. Storing one again does no harm.

    Args:
        server: An open server.
        upload: What `check_files` returned.
        progress: Called with files done and their number.

    Returns:
        The address of every series that something was stored in.

    Raises:
        PacsRequestError: The PACS refused a file.
        PacsError: The PACS failed.
    """
    series: dict[PacsAddress, None] = {}
    total = len(upload.files)
    for done, path in enumerate(upload.files):
        progress(done, total)
        with warnings.catch_warnings(action="ignore"):  # pydicom quotes values that break a rule
            dataset = pydicom.dcmread(path)
        if upload.made_from:
            _assign_uids(dataset, path, upload.made_from[path.parent])
        try:
            server.store(dataset)
        except (PacsError, PacsRequestError) as error:
            raise type(error)(
                f"{path}: {error} {done} of {total} files were stored. The same command can be given again: "
                "storing a file twice does no harm."
            ) from None
        at = PacsAddress(server.address.base, str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))
        series[at] = None
    progress(total, total)
    return list(series)


def _is_object(path: Path) -> bool:
    """Whether a file has the header of a DICOM file and is not a DICOMDIR."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return False
    try:
        return bool(_head(path).file_meta.get("MediaStorageSOPClassUID") != MediaStorageDirectoryStorage)
    except Exception:  # pydicom has no common base for what damaged bytes provoke
        raise PacsRequestError(f"{path} begins like a DICOM file but cannot be read. Nothing was sent.") from None


def _check(path: Path, address: PacsAddress, assign_uids: bool) -> None:
    """Refuse a file that no PACS takes, or of another study than is meant."""
    head = _head(path)
    for name in ("SOPClassUID", *_UIDS):
        uid = check_uid(str(head.get(name) or ""), f"The {name} of {path}")
        if not uid and not assign_uids:
            raise PacsRequestError(
                f"{path} has no {name}, which a PACS needs; some anonymisers empty it. "
                "Add --assign-uids to have new ones made. Nothing was sent."
            )
    if not (head.get("SOPClassUID") or head.file_meta.get("MediaStorageSOPClassUID")):
        raise PacsRequestError(f"{path} does not say what kind of object it is (SOPClassUID). Nothing was sent.")
    if not head.file_meta.get("TransferSyntaxUID"):
        raise PacsRequestError(f"{path} does not say how it is encoded (TransferSyntaxUID). Nothing was sent.")
    if address.study_uid and not assign_uids and head.StudyInstanceUID != address.study_uid:
        raise PacsRequestError(
            f"{path} belongs to study {head.StudyInstanceUID}, not to {address.study_uid}. Nothing was sent."
        )


def _head(path: Path) -> FileDataset:
    with warnings.catch_warnings(action="ignore"):
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_UIDS, "SOPClassUID"])


def _made_from(files: Sequence[Path]) -> dict[Path, str]:
    """Return, by folder, a text that tells these files from any others: from it new UIDs are made."""
    digests: dict[Path, list[str]] = {}
    for path in files:
        digests.setdefault(path.parent, []).append(hashlib.sha256(path.read_bytes()).hexdigest())
    return {folder: hashlib.sha256("".join(sorted(each)).encode()).hexdigest() for folder, each in digests.items()}


def _assign_uids(dataset: Dataset, path: Path, made_from: str) -> None:
    """Fill in what is empty: from the file header, which anonymisers forget, else anew."""
    meta, old_series = dataset.file_meta, str(dataset.get("SeriesInstanceUID") or "")
    known = {
        "SOPClassUID": meta.get("MediaStorageSOPClassUID"),
        "SOPInstanceUID": meta.get("MediaStorageSOPInstanceUID") or generate_uid(entropy_srcs=[made_from, path.name]),
        "StudyInstanceUID": generate_uid(entropy_srcs=[made_from, "study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[made_from, "series", old_series]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[made_from, "frame of reference", old_series]),
    }
    for name, uid in known.items():
        if not dataset.get(name):
            setattr(dataset, name, uid)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
