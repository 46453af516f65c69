"""Turns an array with a spacing into a volume.

The protocol carries neither position nor orientation of the image. It is taken as a CT in Hounsfield units whose axes
are those of a DICOM series: columns to the patient's left, rows to the back, slices upwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped

from radsam.errors import InputError, VolumeError
from radsam.volume import Geometry, Volume

#: Spacing if the program sends none.
_DEFAULT_SPACING = (1.0, 1.0, 1.0)


def volume_from_array(image: Shaped[np.ndarray, "..."], properties: Any) -> Volume:
    """Build a volume.

    Args:
        image: Array (1, z, y, x).
        properties: Its "spacing": millimetres along z, y and x.

    Raises:
        VolumeError: The array is not one 3D image, or its values are not finite or all the same.
        InputError: The spacing is not three positive numbers.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise VolumeError(f"The shape of the image is {image.shape}; give one channel of a 3D image, (1, z, y, x).")
    spacing = properties.get("spacing") if isinstance(properties, dict) else None
    try:
        z, y, x = (float(each) for each in (_DEFAULT_SPACING if spacing is None else spacing))
    except (TypeError, ValueError):
        z = y = x = 0.0
    if not all(np.isfinite(each) and 1e-3 <= each <= 1e3 for each in (z, y, x)):
        raise InputError(f"The spacing is {spacing!r}: give three numbers from 0.001 to 1000 mm along z, y and x.")
    voxels = image[0]
    geometry = Geometry.from_parts(
        (voxels.shape[0], voxels.shape[1], voxels.shape[2]), (0.0, 0.0, 0.0), (x, y, z), np.eye(3)
    )
    return Volume(_hounsfield(voxels), geometry, source="an image of nnInteractive's protocol")


def _hounsfield(voxels: Shaped[np.ndarray, "k j i"]) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Return whole numbers as int16, as CT files store them, so that the volume equals the file's bit for bit."""
    limits = np.iinfo(np.int16)
    if voxels.dtype == np.int16:
        return voxels
    low, high = voxels.min(), voxels.max()
    if np.isfinite(low) and np.isfinite(high) and low >= limits.min and high <= limits.max:
        whole = voxels.astype(np.int16)
        if all(np.array_equal(each, other) for each, other in zip(whole, voxels, strict=True)):
            return whole
    return voxels.astype(np.float32)
