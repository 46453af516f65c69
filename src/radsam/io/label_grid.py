"""Labels on the grid of the volume that they are used with."""

from __future__ import annotations

import numpy as np

from radsam.errors import GridMismatchError
from radsam.volume import Geometry, LabelVolume


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
            "Resample it onto the volume (nearest neighbour), or draw it on this volume."
        )
