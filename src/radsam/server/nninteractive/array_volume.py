"""From an array with a spacing to a volume.

The protocol says nothing about where the image lies and how it is turned. It is taken as a CT in Hounsfield units
whose axes are those of a DICOM series: columns to the patient's left, rows to the back, slices upwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped

from radsam.errors import InputError, VolumeError
from radsam.volume import Geometry, Volume

#: What viewers call a voxel of an image without a scale.
_UNKNOWN_SPACING = (1.0, 1.0, 1.0)


def volume_of(image: Shaped[np.ndarray, "..."], properties: Any) -> Volume:
    """Make a volume.

    Args:
        image: Array (1, z, y, x).
        properties: Its "spacing": millimetres along z, y and x.

    Raises:
        VolumeError: It is not one image in 3D, or its values are not finite or all the same.
        InputError: The spacing is none.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise VolumeError(f"One channel of a 3D image is needed, an array (1, z, y, x); this one is {image.shape}.")
    spacing = properties.get("spacing") if isinstance(properties, dict) else None
    try:
        z, y, x = (float(each) for each in (_UNKNOWN_SPACING if spacing is None else spacing))
    except (TypeError, ValueError):
        z = y = x = 0.0
    if not all(np.isfinite(each) and 1e-3 <= each <= 1e3 for each in (z, y, x)):
        raise InputError(f"The spacing {spacing!r} is none: give three numbers of millimetres along z, y and x.")
    voxels = image[0]
    geometry = Geometry.from_parts(
        (voxels.shape[0], voxels.shape[1], voxels.shape[2]), (0.0, 0.0, 0.0), (x, y, z), np.eye(3)
    )
    return Volume(_hounsfield(voxels), geometry, source="an image of nnInteractive's protocol")


def _hounsfield(voxels: Shaped[np.ndarray, "k j i"]) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Whole numbers become int16, as they are in the file: then it is the same CT as there, bit for bit."""
    limits = np.iinfo(np.int16)
    if voxels.dtype == np.int16:
        return voxels
    low, high = voxels.min(), voxels.max()
    if np.isfinite(low) and np.isfinite(high) and low >= limits.min and high <= limits.max:
        whole = voxels.astype(np.int16)
        if all(np.array_equal(each, other) for each, other in zip(whole, voxels, strict=True)):
            return whole
    return voxels.astype(np.float32)
