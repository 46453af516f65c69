"""Labels on the grid of the volume that they are used with: it is required, or they are resampled onto it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from radsam.errors import GridMismatchError
from radsam.volume import Geometry, LabelVolume, Volume
from radsam.volume.label_resampling import resample_labels

#: How labels on another grid can be had on that of the volume.
RESAMPLE_THEM = (
    "Have them resampled (radsam segment or convert with --resample-masks; radsam.read_labels with resample=True)"
)


class LabelResampledWarning(UserWarning):
    """Labels were resampled onto the grid of a volume; it tells what became of each object."""


def require_same_grid(labels: LabelVolume, geometry: Geometry, what: str) -> None:
    """Refuse labels on another grid than the volume.

    Args:
        labels: The labels.
        geometry: The grid of the volume.
        what: A name for the labels, as the subject of a sentence ("The mask organ.nii.gz").

    Raises:
        GridMismatchError: The grids differ; the message describes both.
    """
    if not labels.geometry.same_grid(geometry):
        turned = not np.allclose(labels.geometry.direction, geometry.direction, atol=1e-3)
        raise GridMismatchError(
            f"{what} lies on another grid than the volume: {labels.geometry.describe()}, but the volume has "
            f"{geometry.describe()}"
            f"{', and its axes point another way' if turned else ''}. "
            f"{RESAMPLE_THEM}, or draw on this volume."
        )


def resample_onto(labels: LabelVolume, volume: Volume, path: Path) -> LabelVolume:
    """Return labels on the grid of a volume, each voxel with the nearest label; warns with what became of the objects.

    Args:
        labels: The labels, in the same space.
        volume: The volume.
        path: Their file.

    Raises:
        GridMismatchError: They have voxels, and none of them lies in the volume.
    """
    if labels.geometry.same_grid(volume.geometry):
        return labels
    try:
        moved = resample_labels(labels, volume.geometry)
    except GridMismatchError as error:
        raise GridMismatchError(f"{path}: {error}") from error
    warnings.warn(moved.describe(str(path)), LabelResampledWarning, stacklevel=3)
    return moved.labels
