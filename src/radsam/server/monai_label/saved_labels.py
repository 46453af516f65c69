"""Label maps that users saved in a viewer, as NIfTI in the server's folder; each user sees their own only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from radsam.errors import GridMismatchError, InputError, VolumeError
from radsam.io.image_file import read_header
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.server.server_errors import NotFoundError
from radsam.server.volume_listing import VolumeEntry
from radsam.volume import LabelVolume

_TAG = re.compile(r"[A-Za-z0-9_-]{1,32}")
#: OHIF's suffix of voxels without a header.
RAW_SUFFIX = ".bin"


class SavedLabels:
    """Reads and writes the saved label maps.

    Args:
        folder: Their folder.
        check: Checks that an image file is within the limits.
    """

    def __init__(self, folder: Path, check: Callable[[Path], None]) -> None:
        self._folder = folder
        self._check = check

    def tags(self, user: str, volume: str) -> list[str]:
        """List the tags under which a user saved label maps of a volume."""
        return sorted(each.name.removesuffix(".nii.gz") for each in self._of(user, volume).glob("[!.]*.nii.gz"))

    def find(self, user: str, volume: str, tag: str) -> Path:
        """Return the file of a label map.

        Raises:
            NotFoundError: The user saved none under this tag.
        """
        path = self._path(user, volume, tag)
        if not path.is_file():
            raise NotFoundError(f"You have not saved a label map {tag!r} of this volume.")
        return path

    def save(self, user: str, entry: VolumeEntry, tag: str, received: Path) -> None:
        """Save a label map.

        Args:
            user: Its user.
            entry: Its volume.
            tag: Its tag, such as "final"; an existing label map with this tag is replaced.
            received: NIfTI, NRRD or MetaImage, or voxels of 8 or 16 bits without a header.

        Raises:
            VolumeError: The file is not a label map.
            GridMismatchError: The label map lies on another grid than the volume.
            OutputError: The label map cannot be written.
        """
        labels = _raw(received, entry) if received.suffix == RAW_SUFFIX else self._read(received, entry)
        target = self._path(user, entry.id, tag)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_labels(labels, target)

    def _read(self, received: Path, entry: VolumeEntry) -> LabelVolume:
        self._check(received)
        geometry = read_header(received).geometry
        if not geometry.same_grid(entry.geometry):
            raise GridMismatchError(
                f"The grid of the label map ({geometry.describe()}) is not the volume's ({entry.geometry.describe()})."
            )
        return read_labels(received)

    def _of(self, user: str, volume: str) -> Path:
        return self._folder / hashlib.sha256(user.encode()).hexdigest()[:16] / volume

    def _path(self, user: str, volume: str, tag: str) -> Path:
        if not _TAG.fullmatch(tag):
            raise InputError(f"{tag!r} cannot be a tag: give up to 32 letters, digits, - and _.")
        return self._of(user, volume) / f"{tag}.nii.gz"


def _raw(received: Path, entry: VolumeEntry) -> LabelVolume:
    voxels, size = int(np.prod(entry.geometry.shape_kji)), received.stat().st_size
    if size not in (voxels, 2 * voxels):
        raise VolumeError(f"The label map has {size} bytes; its volume has {voxels} voxels, of one or two bytes each.")
    ids = np.fromfile(received, np.uint8 if size == voxels else np.dtype("<u2"))
    return LabelVolume(ids.reshape(entry.geometry.shape_kji), entry.geometry)
