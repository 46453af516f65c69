"""What made a volume: stated by its file or its user, or guessed from its values."""

from __future__ import annotations

from enum import Enum, StrEnum

import numpy as np
from jaxtyping import Float, Int16

#: Of other modalities, only phase images and the like have values below this.
_AIR_HU = -500
#: No CT is as narrow, not even a crop of one organ: its noise alone is wider, except in air.
_NARROWEST_HU = 20
#: Nothing but dense bone and metal is above, so no crop of a CT has all of its voxels there.
_BONE_HU = 300
#: Fat and noise around water: an interpolated MR has fewer and weaker negative values.
_NEGATIVE_HU, _NEGATIVE_SHARE = -20, 0.01
#: Voxels of a CT that are only outside the fat, the air and the noise below 0 are fewer, and not as bright.
_CROP_VOXELS, _CROP_HU = 250_000, 200
#: Where there is more than air, something is above this; where there is air alone, nothing is below that.
_FAT_HU, _DENSEST_AIR_HU = -300, -1100
#: Air is at -1000, padding at -2000 or -3024; phase images go as far below 0 as above it.
_LEAST_HU, _PHASE_RATIO = -5000, 0.9

Values = Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]


class Modality(StrEnum):
    """A kind of image, as far as it decides what its values mean."""

    CT = "CT"
    MR = "MR"
    PET = "PET"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Modality | None:
        return next((each for each in cls if str(value).lower() == each.value.lower()), None)

    @classmethod
    def of_dicom(cls, code: str) -> Modality:
        """Return the kind of DICOM's Modality (0008,0060): "PT" is a PET, "US" or "XA" another one."""
        return {"CT": cls.CT, "MR": cls.MR, "PT": cls.PET}.get(code.upper(), cls.OTHER)


class ModalitySource(Enum):
    """Where the modality of a volume comes from."""

    HEADER = "header"
    GIVEN = "given"
    VALUES = "values"


def guess_modality(values: Values) -> tuple[Modality, bool]:
    """Guess what a volume is from its values: a CT has air at -1000, fat at -100 and noise around 0.

    Most MR start at 0, where their background is. So does a CT that was stored with an offset, and PET: neither
    looks different from an MR.

    Args:
        values: Its values.

    Returns:
        CT or MR, and whether it is certain. Only a CT with air or fat can be.
    """
    low, high = float(values.min()), float(values.max())
    if _LEAST_HU < low <= _AIR_HU and (high > _FAT_HU or low > _DENSEST_AIR_HU) and not _is_phase(low, high):
        return Modality.CT, True
    if low < 0 and _can_be_hu(values, low, high):  # fat, or the noise of water
        return Modality.CT, True
    return (Modality.CT if _can_be_hu(values, low, high) else Modality.MR), False


def modality_doubt(values: Values, modality: Modality, source: ModalitySource) -> str:
    """Say in a sentence that a volume may be something else than it is taken for; empty where nothing speaks for that.

    Args:
        values: Its values.
        modality: What it is taken for.
        source: Who says so.
    """
    likely, certain = guess_modality(values)
    ranges = f"values {float(values.min()):g} to {float(values.max()):g}"
    if source is ModalitySource.VALUES:
        if certain:
            return ""
        reason = "a CT has air at -1000" if likely is Modality.MR else "which can be Hounsfield units"
        return (
            f"The file does not say what it is. It is taken for {_WITH_ARTICLE[modality]} by its {ranges} ({reason}); "
            f"if that is wrong: --modality {_others(modality)}."
        )
    if modality is Modality.CT and likely is not Modality.CT:
        return (
            f"This is read as a CT, but its {ranges} are hardly Hounsfield units (air is -1000, fat -100, water 0), so "
            "the mask can be wrong. Of another modality: --modality mr|pet|other; of a CT, convert its values."
        )
    if modality is not Modality.CT and certain:
        return (
            f"This is read as {_WITH_ARTICLE[modality]}, but its {ranges} look like Hounsfield units (air -1000, fat "
            "-100). If it is a CT: --modality ct."
        )
    return ""


_WITH_ARTICLE = {
    Modality.CT: "a CT",
    Modality.MR: "an MR",
    Modality.PET: "a PET",
    Modality.OTHER: "an image of another modality",
}


def _others(modality: Modality) -> str:
    return "|".join(each.value.lower() for each in Modality if each is not modality)


def _can_be_hu(values: Values, low: float, high: float) -> bool:
    """Whether the values of a volume without air can be Hounsfield units, as in crops of one organ."""
    if low < 0:
        negative = int(np.count_nonzero(values <= _NEGATIVE_HU)) / values.size
        return high - low > _NARROWEST_HU and negative >= _NEGATIVE_SHARE and not _is_phase(low, high)
    without_negative = high >= _CROP_HU and (low == 0 or values.size >= _CROP_VOXELS)
    return not (high - low <= _NARROWEST_HU or low >= _BONE_HU or without_negative)


def _is_phase(low: float, high: float) -> bool:
    return high > 0 and _PHASE_RATIO < -low / high < 1 / _PHASE_RATIO and low < 2 * _AIR_HU
