"""Writing label maps and volumes as NIfTI or NRRD, on exactly the grid they were made on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from jaxtyping import Shaped

from radsam.errors import OutputError, VolumeError
from radsam.io.atomic import check_writable, reason, replacing
from radsam.io.image_file import read_image
from radsam.volume import Geometry, LabelVolume, Volume

Voxels = Shaped[np.ndarray, "k j i"]

#: Suffixes that can be written.
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd")


def write_labels(labels: LabelVolume, path: str | os.PathLike[str]) -> None:
    """Write a label map; the file is complete or not there.

    The voxel order and the affine are kept as they are. The file is read back and
    compared before it takes its name, because SimpleITK's writers report success on a
    full disk.

    Args:
        labels: The label map.
        path: Where to; the suffix, one of `LABEL_SUFFIXES`, chooses the format.

    Raises:
        OutputError: The suffix is unknown, the place cannot be written, the disk is
            full, or the format cannot hold the grid. An existing file is then unchanged.
    """
    _write(labels.ids, labels.geometry, check_label_path(path))


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write a volume's values on its own grid, as safely as `write_labels`.

    Args:
        volume: The volume.
        path: Where to; the suffix, one of `LABEL_SUFFIXES`, chooses the format.

    Raises:
        OutputError: As for `write_labels`.
    """
    _write(volume.hu, volume.geometry, check_label_path(path))


def check_label_path(path: str | os.PathLike[str]) -> Path:
    """Refuse a path that `write_labels` cannot write to, before anything is computed.

    Raises:
        OutputError: The suffix is unknown, or the place cannot be written.
    """
    if not Path(path).name.lower().endswith(LABEL_SUFFIXES):
        raise OutputError(f"{path} has no suffix of an image file: choose one of {', '.join(LABEL_SUFFIXES)}.")
    return check_writable(path)


def _write(array: Voxels, geometry: Geometry, target: Path) -> None:
    image = _image(array, geometry, target)
    with replacing(target) as partial:
        try:
            sitk.WriteImage(image, str(partial), useCompression=target.suffix.lower() != ".nii")
        except RuntimeError as error:
            raise _failure(partial, target) from error
        _check_written(array, geometry, partial, target)


def _image(array: Voxels, geometry: Geometry, target: Path) -> sitk.Image:
    direction = geometry.direction
    # 1e-5: the cosines of a float32 header; anything looser would not come back the same.
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-5):
        raise OutputError(f"{target} cannot hold this grid: its voxel axes are not perpendicular.")
    image = sitk.GetImageFromArray(array)
    image.SetOrigin(geometry.origin_lps)
    image.SetSpacing(geometry.spacing_mm_ijk)
    image.SetDirection(direction.ravel().tolist())
    return image


def _check_written(array: Voxels, geometry: Geometry, partial: Path, target: Path) -> None:
    try:
        header, image = read_image(partial)
    except VolumeError as error:
        raise _failure(partial, target) from error
    if not header.geometry.same_grid(geometry):
        raise OutputError(f"{target} cannot hold this grid ({geometry.describe()}). Try the suffix .nrrd.")
    if not np.array_equal(sitk.GetArrayViewFromImage(image), array):
        raise _failure(partial, target)


def _failure(partial: Path, target: Path) -> OutputError:
    """Find out why a file is not what was written: the writer does not say."""
    try:
        with partial.open("ab") as stream:
            # More than a block: the last block of the file may still have room.
            stream.write(bytes(1 << 20))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return OutputError(f"{target} could not be written: {reason(error, target.parent)}")
    return OutputError(f"{target} could not be written: reading it back gave other values. Try another folder.")
