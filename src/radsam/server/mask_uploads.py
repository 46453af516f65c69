"""Masks that a user sends to open them as objects: checked, and read on the grid of a volume."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from radsam.errors import InputError
from radsam.io.dicom.dicom_input import is_dicom
from radsam.io.dicom.dicom_labels import LabelOverlapWarning, LabelWarning
from radsam.io.label_grid import LabelResampledWarning, require_same_grid
from radsam.io.volume_read import read_labels
from radsam.server.server_errors import UnsupportedFileError
from radsam.server.uploads import display_name, without_path
from radsam.volume import LabelVolume, Volume

_ACCEPTED = (".nii", ".nii.gz", ".nrrd", ".mha", ".dcm")
#: Warnings are caught in one thread at a time.
_catching = threading.Lock()


def mask_suffix(filename: str) -> str:
    """Return the suffix of a mask file.

    Raises:
        UnsupportedFileError: The name has no supported suffix.
    """
    found = next((each for each in sorted(_ACCEPTED, key=len, reverse=True) if filename.lower().endswith(each)), None)
    if found is None:
        raise UnsupportedFileError(
            f"{display_name(filename)!r} is not a mask: send {', '.join(_ACCEPTED)} (a DICOM SEG or RTSTRUCT)."
        )
    return found


def read_masks(
    path: Path,
    name: str,
    volume: Volume,
    check_image: Callable[[Path], None],
    *,
    names: Sequence[str] | None = None,
    resample: bool = False,
) -> tuple[LabelVolume, tuple[str, ...]]:
    """Read a mask file on the grid of a volume.

    Args:
        path: The received file.
        name: Its display name.
        volume: The volume.
        check_image: Checks that an image file is within the limits.
        names: The objects to read, by name or number; None for all.
        resample: Whether to resample another grid onto the volume's.

    Returns:
        The labels, and notes: what was resampled or left out.

    Raises:
        VolumeError: The file is not one of masks, or has no object of a name.
        GridMismatchError: It lies on another grid.
        TooLargeError: It exceeds the limits.
    """
    if not is_dicom(path):
        check_image(path)
    try:
        with _catching, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            labels = read_labels(path, on=volume, names=names or None, resample=resample)
        require_same_grid(labels, volume.geometry, name)
    except InputError as error:
        raise type(error)(without_path(str(error), path, name)) from None
    # The session keeps objects whole where they overlap.
    kinds, whole = (LabelResampledWarning, LabelWarning), LabelOverlapWarning
    found = [each.message for each in caught if isinstance(each.message, kinds) and not isinstance(each.message, whole)]
    return labels, tuple(without_path(str(each), path, name) for each in found)
