"""What made a volume: stated by its file or its user, or guessed from its values."""

from __future__ import annotations

from enum import Enum, StrEnum

import numpy as np
from jaxtyping import Float, Int16, Shaped

#: Below this there is nothing in a patient: padding of a round field of view (-2000, -3024, -32768).
_PADDING = -1500
#: Air in and around a patient; denser than lung, there is fat, water, soft tissue and bone.
_AIR_HU, _LUNG_HU, _FAT_HU, _BONE_HU = -850, -600, -250, 300
#: Smallest share of air, and of tissue in what is denser than lung.
_AIR_SHARE, _TISSUE_SHARE = 0.001, 0.5
#: Fat and noise around water: an interpolated MR has fewer and weaker negative values.
_NEGATIVE_HU, _NEGATIVE_SHARE = -20, 0.01
#: No CT is as narrow, not even a crop of one organ: its noise alone is wider, except in air.
_NARROWEST_HU = 20
#: A CT that was cut to a window of soft tissue, or a crop of an organ with its fat.
_CUT_HU = (-400, 400)
#: Voxels of a CT that are only outside the fat, the air and the noise below 0 are fewer, and not as bright.
_CROP_VOXELS, _CROP_HU = 250_000, 200
#: Phase images go as far below 0 as above it.
_PHASE_RATIO, _LEAST_PHASE = 0.9, -1000
#: Voxels that are looked at; more take longer and tell nothing more.
_MOST_SAMPLES = 1_000_000

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
        CT or MR, and whether it is certain. Only a CT with air, or with nothing but
        fat and soft tissue, can be.
    """
    step = max(1, round((values.size / _MOST_SAMPLES) ** (1 / 3)))
    sample = values[::step, ::step, ::step]
    body = sample[sample > _PADDING]
    if body.size and _looks_like_a_patient(body):
        return Modality.CT, True
    if not body.size or _is_phase(float(sample.min()), float(sample.max())):
        return Modality.MR, False
    low, high = float(body.min()), float(body.max())
    if not _can_be_hu(body, values.size, low, high):
        return Modality.MR, False
    return Modality.CT, _CUT_HU[0] <= low <= _NEGATIVE_HU and high <= _CUT_HU[1]


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


def _looks_like_a_patient(body: Shaped[np.ndarray, " n"]) -> bool:
    """Whether there is air, and of all that is denser than lung most is fat, water or soft tissue."""
    if not (body < _AIR_HU).mean() >= _AIR_SHARE:
        return False
    dense = body[body > _LUNG_HU]
    return not dense.size or bool(((dense > _FAT_HU) & (dense < _BONE_HU)).mean() >= _TISSUE_SHARE)


def _can_be_hu(body: Shaped[np.ndarray, " n"], size: int, low: float, high: float) -> bool:
    """Whether the values of a volume of this size without air can be Hounsfield units, as in crops of one organ."""
    if low <= _NEGATIVE_HU:
        negative = np.count_nonzero(body <= _NEGATIVE_HU) / body.size
        return bool(high - low > _NARROWEST_HU and negative >= _NEGATIVE_SHARE)
    without_negative = high >= _CROP_HU and (low <= 0 or size >= _CROP_VOXELS)
    return not (high - low <= _NARROWEST_HU or low >= _BONE_HU or without_negative)


def _is_phase(low: float, high: float) -> bool:
    return low < _LEAST_PHASE and high > 0 and _PHASE_RATIO < -low / high < 1 / _PHASE_RATIO
