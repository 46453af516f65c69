"""Whether values can be Hounsfield units, where no header says that a volume is a CT."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int16

#: No CT is as narrow, not even a crop of one organ: its noise alone is wider, except in air.
_NARROWEST_HU, _AIR_HU = 20, -500
#: Nothing but dense bone and metal is above, so no crop of a CT has all of its voxels there.
_BONE_HU = 300
#: Voxels of a CT that are only outside the fat, the air and the noise below 0 are fewer, and not as bright.
_CROP_VOXELS, _CROP_HU = 250_000, 200


def hu_doubt(hu: Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]) -> str:
    """Say why the values of a volume are hardly Hounsfield units; empty where they can be.

    A CT has air at -1000, fat at -100 and noise around 0. Most MR start at 0, where their background is, and so does a
    CT that was stored with an offset. Crops of one organ, and CT that were cut to a window, are taken as they are.

    Args:
        hu: The values.
    """
    low, high = float(hu.min()), float(hu.max())
    narrow = high - low <= _NARROWEST_HU and low > _AIR_HU
    without_negative = low >= 0 and high >= _CROP_HU and (low == 0 or hu.size >= _CROP_VOXELS)
    if not (narrow or low >= _BONE_HU or without_negative):
        return ""
    return (
        f"The values of this volume go from {low:g} to {high:g}, which are hardly Hounsfield units (air is -1000, fat "
        "-100, water 0). Its file does not say what it is, so it was taken as a CT: the mask can be wrong. Of an MR or "
        "PET, give a window that shows the object (--window LO HI); of a CT, convert its values to Hounsfield units."
    )
