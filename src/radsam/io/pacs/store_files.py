"""Storing files in a PACS: all are checked before the first one is sent."""

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
from radsam.io.pacs.pacs_server import UID_KEYWORDS, PacsServer, Progress


@dataclass(frozen=True)
class Upload:
    """Files that can be stored.

    Args:
        files: The files, in the order of their names.
        skipped: Number of files that are not DICOM objects.
        uid_seeds: The text from which new UIDs are made, by folder; empty where none are needed.
    """

    files: tuple[Path, ...]
    skipped: int = 0
    uid_seeds: Mapping[Path, str] = field(default_factory=dict)


def check_files(paths: Sequence[Path], address: PacsAddress, *, assign_uids: bool = False) -> Upload:
    """Check every file before anything is sent.

    Args:
        paths: Files, and folders that are searched through.
        address: The PACS; if it names a study, every file must belong to it.
        assign_uids: Give new UIDs to files that have none (some anonymisers empty them): files of one
            folder become one study, with one series for each SeriesInstanceUID. The same folder
            always gets the same.

    Raises:
        PacsRequestError: No file can be stored, or one of them cannot.
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
    return Upload(tuple(found), skipped, _uid_seeds(found) if assign_uids else {})


def store_files(
    server: PacsServer, upload: Upload, *, progress: Progress = lambda done, total: None
) -> list[PacsAddress]:
    """Store files one by one. Storing a file again changes nothing.

    Args:
        server: A connected server.
        upload: What `check_files` returned.
        progress: Called with the number of files done and the total.

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
        if upload.uid_seeds:
            _assign_uids(dataset, path, upload.uid_seeds[path.parent])
        try:
            server.store(dataset)
        except (PacsError, PacsRequestError) as error:
            raise type(error)(
                f"{path}: {error} {done} of {total} files were stored. Run the same command again: "
                "storing a file twice changes nothing."
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
    """Refuse a file that lacks what a PACS needs, or that belongs to another study than the address."""
    head = _head(path)
    for name in ("SOPClassUID", *UID_KEYWORDS.values()):
        uid = check_uid(str(head.get(name) or ""), f"The {name} of {path}")
        if not uid and not assign_uids:
            raise PacsRequestError(
                f"{path} has no {name}, which a PACS needs; some anonymisers empty it. "
                "Add --assign-uids to make new ones. Nothing was sent."
            )
    if not (head.get("SOPClassUID") or head.file_meta.get("MediaStorageSOPClassUID")):
        raise PacsRequestError(f"{path} has no SOPClassUID, which names its kind of object. Nothing was sent.")
    if not head.file_meta.get("TransferSyntaxUID"):
        raise PacsRequestError(f"{path} has no TransferSyntaxUID, which names its encoding. Nothing was sent.")
    if address.study_uid and not assign_uids and head.StudyInstanceUID != address.study_uid:
        raise PacsRequestError(
            f"{path} belongs to study {head.StudyInstanceUID}, not to {address.study_uid}. Nothing was sent."
        )


def _head(path: Path) -> FileDataset:
    with warnings.catch_warnings(action="ignore"):
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*UID_KEYWORDS.values(), "SOPClassUID"])


def _uid_seeds(files: Sequence[Path]) -> dict[Path, str]:
    """Return, by folder, a hash of its files: the seed of new UIDs."""
    digests: dict[Path, list[str]] = {}
    for path in files:
        digests.setdefault(path.parent, []).append(hashlib.sha256(path.read_bytes()).hexdigest())
    return {folder: hashlib.sha256("".join(sorted(each)).encode()).hexdigest() for folder, each in digests.items()}


def _assign_uids(dataset: Dataset, path: Path, uid_seeds: str) -> None:
    """Fill in empty UIDs: from the file header, which anonymisers leave, else new ones."""
    meta, old_series = dataset.file_meta, str(dataset.get("SeriesInstanceUID") or "")
    known = {
        "SOPClassUID": meta.get("MediaStorageSOPClassUID"),
        "SOPInstanceUID": meta.get("MediaStorageSOPInstanceUID") or generate_uid(entropy_srcs=[uid_seeds, path.name]),
        "StudyInstanceUID": generate_uid(entropy_srcs=[uid_seeds, "study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[uid_seeds, "series", old_series]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[uid_seeds, "frame of reference", old_series]),
    }
    for name, uid in known.items():
        if not dataset.get(name):
            setattr(dataset, name, uid)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
