"""What a slice states about its values besides the rescale: a real-world value mapping, and Philips' private slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag, Tag

from radsam.io.dicom.element_values import numbers, private_text, text

_PHILIPS, _PHILIPS_SLOPE, _PHILIPS_FRAME = "Philips MR Imaging DD 001", 0x2005100E, Tag(0x2005, 0x140F)

#: Tags of the elements that are read here.
SCALING_TAGS: list[BaseTag] = [
    Tag(each) for each in ("RealWorldValueMappingSequence", 0x20050010, _PHILIPS_SLOPE, 0x20050014, _PHILIPS_FRAME)
]


@dataclass(frozen=True)
class SliceScaling:
    """What a slice states about its values, besides the rescale.

    Args:
        real_world: Slope and intercept of its real-world value mapping; NaN where it has none, several or a table.
        unit: The code of that mapping's unit (UCUM): "ms", "Bq/ml", "{SUVbw}g/ml"; empty if absent.
        philips_slope: Philips' scale slope (2005,100E); NaN if absent.
    """

    real_world: tuple[float, ...] = (math.nan, math.nan)
    unit: str = ""
    philips_slope: float = math.nan


def read_scaling(groups: Sequence[Dataset]) -> SliceScaling:
    """Read the scaling of an image, or of a frame of an enhanced one.

    Args:
        groups: Where it may be stated: the data set, or the functional groups, the frame's own first.
    """
    mappings: Sequence[Dataset] = next(
        (found for each in groups if (found := each.get("RealWorldValueMappingSequence"))), ()
    )
    real_world: tuple[float, ...] = (math.nan, math.nan)
    unit = ""
    if len(mappings) == 1:
        (mapping,) = mappings
        real_world = numbers(mapping, "RealWorldValueSlope", 1) + numbers(mapping, "RealWorldValueIntercept", 1)
        units = next(iter(mapping.get("MeasurementUnitsCodeSequence") or []), Dataset())
        unit = text(units, "CodeValue", "")
    private = [_private_item(each) for each in groups]
    slopes = (private_text(each, _PHILIPS, _PHILIPS_SLOPE) for each in private)
    try:
        slope = float(next(filter(None, slopes), ""))
    except ValueError:
        slope = math.nan  # the one of all headers, so that those of two copies of a file are equal
    return SliceScaling(real_world, unit, slope)


def _private_item(group: Dataset) -> Dataset:
    """Return where Philips keeps private elements of a frame; the group itself for an image of one frame."""
    found = group[_PHILIPS_FRAME].value if _PHILIPS_FRAME in group else None
    return found[0] if isinstance(found, Items) and found else group
