"""DICOM input as a user gives it: a folder, a zip or one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radsam.errors import SeriesError, VolumeError
from radsam.io.dicom.dicom_series import Listing, Series, select_series
from radsam.io.dicom.dicom_zip import looks_like_dicom, unpacked
from radsam.io.image_file import SUFFIXES, format_of


def is_dicom(path: Path) -> bool:
    """Whether to read a path as DICOM: a folder, a zip, or a file that begins like DICOM.

    Raises:
        VolumeError: The path does not exist, or its format is unknown.
    """
    try:
        exists = path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise VolumeError(f"{str(path)[:200]} cannot be read: {error.strerror or error}.") from error
    if not exists:
        raise VolumeError(f"{path} does not exist. Check the spelling, and the folder you are in.")
    if path.is_dir() or path.suffix.lower() == ".zip":
        return True
    if format_of(path) is not None:
        return False
    with path.open("rb") as stream:
        head = stream.read(132)
    if (
        path.suffix.lower() in (".dcm", ".ima")
        or head[128:132] == b"DICM"
        or (not path.suffix and looks_like_dicom(head))
    ):
        return True
    raise VolumeError(
        f"{path} is not a volume that can be read. Known are {', '.join(SUFFIXES)}, DICOM SEG and RTSTRUCT files, "
        "and a folder or .zip with a DICOM series."
    )


@contextmanager
def dicom_folder(path: Path) -> Iterator[Path]:
    """Yield the folder or file of DICOM at `path`; a zip is unpacked for the ``with`` block."""
    if path.is_dir() or is_one_file(path):
        yield path
    else:
        with unpacked(path) as folder:
            yield folder


def choose_series(listing: Listing, given: Path, series: str | None) -> Series:
    """Choose one series of a listing.

    Raises:
        SeriesError: As `select_series`; or the path is a file of one slice.
    """
    chosen = select_series(listing.series, series)
    if is_one_file(given) and len(chosen.slices) == 1 and not chosen.slices[0].traits.mosaic:
        raise SeriesError(f"{given} is one DICOM file with one slice. Give the folder that holds the whole series.")
    return chosen


def is_one_file(path: Path) -> bool:
    """Whether a DICOM path is one file, neither a folder nor a zip."""
    return path.is_file() and path.suffix.lower() != ".zip"
