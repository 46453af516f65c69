"""Masks that a user sends to open them as objects: checked, and read on the grid of a volume."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.errors import GridMismatchError, InputError, PromptError
from radsam.io.dicom.dicom_input import is_dicom
from radsam.io.dicom.dicom_labels import LabelOverlapWarning, LabelWarning
from radsam.io.label_grid import LabelResampledWarning, require_same_grid
from radsam.io.volume_read import read_labels
from radsam.server.server_errors import UnsupportedFileError
from radsam.server.uploads import display_name, without_path
from radsam.session.label_objects import names_in
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


@dataclass(frozen=True, eq=False)
class ReadMasks:
    """Masks on the grid of a volume.

    Args:
        labels: The labels.
        notes: What was left out of the file.
        resampled: What became of the objects, where they were resampled; empty where they were not.
    """

    labels: LabelVolume
    notes: tuple[str, ...]
    resampled: str = ""

    @property
    def every_note(self) -> tuple[str, ...]:
        """All notes."""
        return (*([self.resampled] if self.resampled else []), *self.notes)

    def choose(self, objects: Sequence[tuple[str, str]], name: str) -> ReadMasks:
        """Take some objects, each with its name here and the name that it gets.

        Args:
            objects: Pairs of names.
            name: A name for the file, for messages.

        Raises:
            PromptError: There is no object of a name.
        """
        listed = {each: number for number, each in names_in(self.labels).items()}
        if missing := [each for each, _ in objects if each not in listed]:
            raise PromptError(
                f"{name} has no object {', '.join(map(repr, missing))}. Choose from: {', '.join(map(repr, listed))}."
            )
        chosen = {listed[each]: new for each, new in objects}
        return replace(self, labels=replace(self.labels.select(list(chosen)), names=chosen))


def read_masks(
    path: Path,
    name: str,
    volume: Volume,
    check_image: Callable[[Path], None],
    *,
    names: Sequence[str] | None = None,
    resample: bool = False,
) -> ReadMasks:
    """Read a mask file on the grid of a volume.

    Args:
        path: The received file.
        name: Its display name.
        volume: The volume.
        check_image: Checks that an image file is within the limits.
        names: The objects to read, by name or number; None for all.
        resample: Whether to resample another grid onto the volume's.

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
    shown = [(each.category, without_path(str(each.message), path, name)) for each in caught]
    # The session keeps objects whole where they overlap.
    left_out = (
        text for kind, text in shown if issubclass(kind, LabelWarning) and not issubclass(kind, LabelOverlapWarning)
    )
    resampled = " ".join(text for kind, text in shown if issubclass(kind, LabelResampledWarning))
    return ReadMasks(labels, tuple(left_out), resampled)


def look_into_masks(path: Path, name: str, volume: Volume, check_image: Callable[[Path], None]) -> ReadMasks:
    """Read a mask file as `read_masks` does; masks on another grid are resampled where that is possible.

    Raises:
        VolumeError: The file is not one of masks.
        GridMismatchError: It lies elsewhere, or in another frame of reference.
        TooLargeError: It exceeds the limits.
    """
    try:
        return read_masks(path, name, volume, check_image)
    except GridMismatchError:
        return read_masks(path, name, volume, check_image, resample=True)
