"""From stored pixels to values: the slopes and intercepts of the slices of one volume, and the unit of the result.

The rescale of each slice is applied as it is written. What comes before or after it makes the slices of a volume
comparable, or gives their values a unit:

- a real-world value mapping, where there is no rescale;
- Philips' private scale slope, where it differs between slices, so that their rescaled values are not comparable;
- for PET, the factor to SUV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from radsam.io.dicom.pet_unit import pet_unit
from radsam.io.dicom.slice_header import SliceHeader
from radsam.io.dicom.slice_stack import Stack
from radsam.volume import Modality


class UnitWarning(UserWarning):
    """The values of a PET are not SUV by body weight."""


@dataclass(frozen=True)
class ScaledStack:
    """A stack whose slices have the slope and intercept that make them values of one unit.

    Args:
        stacked: The stack; the `rescale` of its slices is the whole way from stored pixels to values.
        unit: Unit of the values of another modality than CT: "SUV", "Bq/ml"; empty for arbitrary ones.
        doubt: Why values of PET are not SUV, as a sentence; empty otherwise.
    """

    stacked: Stack
    unit: str = ""
    doubt: str = ""


def scaled(stacked: Stack, modality: Modality) -> ScaledStack:
    """Find the way from the stored pixels of a stack to its values.

    Args:
        stacked: The stack.
        modality: What it is taken for.
    """
    if modality is Modality.CT:
        return ScaledStack(stacked)
    if modality is not Modality.PET or stacked.slices[0].modality != "PT":
        return ScaledStack(replace(stacked, slices=_comparable(stacked.slices)))
    slices = tuple(_by_real_world(each, always=True) for each in stacked.slices)
    found = pet_unit(slices)
    return ScaledStack(
        replace(stacked, slices=tuple(_times(each, found.factor) for each in slices)), found.unit, found.problem
    )


def _comparable(slices: Sequence[SliceHeader]) -> tuple[SliceHeader, ...]:
    found = tuple(_by_real_world(each) for each in slices)
    # Philips: a floating-point value is the rescaled one by both slopes, whatever they are in a slice.
    both = np.array([each.scaling.philips_slope * each.rescale[0] for each in found])
    if not np.isfinite(both).all() or not both.all() or np.allclose(both, both[0], rtol=1e-4):
        return found
    return tuple(_times(each, 1.0 / float(slope)) for each, slope in zip(found, both, strict=True))


def _by_real_world(header: SliceHeader, *, always: bool = False) -> SliceHeader:
    """Return a header with its real-world value mapping as its rescale, where it has no rescale."""
    real_world = header.scaling.real_world
    if not np.isfinite(real_world).all() or not real_world[0] or not header.scaling.unit:
        return header
    stated = any(math.isfinite(each) for each in header.rescale)
    return header if stated and not always else replace(header, rescale=real_world)


def _times(header: SliceHeader, factor: float) -> SliceHeader:
    slope, intercept = header.rescale
    return replace(
        header,
        rescale=(
            (slope if math.isfinite(slope) and slope else 1.0) * factor,
            (intercept if math.isfinite(intercept) else 0.0) * factor,
        ),
    )
