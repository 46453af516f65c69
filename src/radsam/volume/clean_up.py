"""Clean-up of a whole mask: its parts, holes, surface and slices, as pure functions of the mask and its spacing.

Masks are indexed (k, j, i); an axis is a stored one, as `SliceGrid.axis`: 0 is i, 1 is j, 2 is k. A step checks its
own values when it is made, what depends on the volume in `check`, and what depends on the mask in
`check_clean_up`. `clean_up` refuses nothing after that, so it can be computed again on any other mask: slices that
have become empty are left out of an interpolation, and an empty slice is not copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.volume.mask_parts import keep_largest, keep_nearest, without_holes, without_small_parts
from radsam.volume.mask_surface import grow, smooth
from radsam.volume.plane import AXIS_NAMES
from radsam.volume.shape_between import shapes_between
from radsam.volume.sparse_mask import SparseMask

#: More is a mistake of units, and would take minutes.
MOST_MM = 50.0


class _OnVolume:
    """A step that fits every volume."""

    def check(self, shape_kji: tuple[int, int, int]) -> None:
        """Refuse a step that does not fit the volume.

        Args:
            shape_kji: Size of the volume.

        Raises:
            PromptError: A voxel or slice lies outside.
        """


@dataclass(frozen=True)
class KeepLargest(_OnVolume):
    """Keep the largest part and remove all others; of equal ones the first in stored order (k, then j, then i).

    Voxels that share a face, an edge or a corner belong to one part (26-connected): between thick slices, an oblique
    vessel or duct hangs together by edges only, and would be cut off otherwise.
    """


@dataclass(frozen=True)
class KeepAt(_OnVolume):
    """Keep the part that holds a voxel, or the nearest part (in mm) if no part does.

    Args:
        voxel_ijk: The voxel.
    """

    voxel_ijk: tuple[int, int, int]

    def check(self, shape_kji: tuple[int, int, int]) -> None:
        """Refuse a voxel outside the volume (see `_OnVolume.check`)."""
        for axis, index in enumerate(self.voxel_ijk):
            _check_index(f"The voxel {self.voxel_ijk}", index, axis, shape_kji)


@dataclass(frozen=True)
class RemoveIslands(_OnVolume):
    """Remove parts smaller than a volume; if all are, the largest stays. Parts are those of `KeepLargest`.

    Args:
        smallest_ml: Volume of the smallest part that stays, in ml.

    Raises:
        PromptError: The volume is not positive.
    """

    smallest_ml: float | int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.smallest_ml) and self.smallest_ml > 0):
            raise PromptError(
                f"Islands are smaller than a volume in ml above 0, such as 0.5; {self.smallest_ml} is not."
            )


@dataclass(frozen=True)
class FillHoles(_OnVolume):
    """Fill what the mask encloses: background without a way out over faces of voxels.

    A cavity that reaches the volume's border is open, and so is one that a single voxel connects with the outside.

    Args:
        in_slices: Whether to look at each slice by itself, which also closes tubes that run through slices.
        axis: The axis of those slices.

    Raises:
        PromptError: There is no such axis.
    """

    in_slices: bool = False
    axis: int = 2

    def __post_init__(self) -> None:
        _check_axis(self.axis)


@dataclass(frozen=True)
class Smooth(_OnVolume):
    """Smooth the surface: a Gaussian, whose threshold is chosen so that the mask keeps its number of voxels.

    Flat ends stay flat: the first and last slice along `axis` are continued before smoothing, no slices are added
    beyond them, and a slice that had voxels keeps some. Bumps, dents, gaps and threads thinner than about `mm`
    disappear where thicker parts are beside them, and their volume goes to the thicker parts.

    Args:
        mm: Standard deviation of the Gaussian in mm.
        axis: The axis of the object's slices.

    Raises:
        PromptError: The width is not above 0 and at most 50 mm, or there is no such axis.
    """

    mm: float | int
    axis: int = 2

    def __post_init__(self) -> None:
        _check_axis(self.axis)
        if not (math.isfinite(self.mm) and 0 < self.mm <= MOST_MM):
            raise PromptError(f"Smoothing takes more than 0 and at most {MOST_MM:g} mm, such as 2; {self.mm} is not.")


@dataclass(frozen=True)
class Grow(_OnVolume):
    """Move the surface outwards, or inwards, by a distance in mm; never beyond the volume.

    Growing adds the voxels whose centre is at most `mm` and half the shortest spacing away from a voxel of the mask
    (surfaces lie halfway between voxels); shrinking removes the voxels that are as close to the background. What lies
    beyond the volume's border is not background. Growing and then shrinking by the same distance loses nothing.

    Args:
        mm: The distance in mm; negative to shrink.

    Raises:
        PromptError: The distance is 0, not finite or more than 50 mm.
    """

    mm: float | int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm) and 0 < abs(self.mm) <= MOST_MM):
            raise PromptError(
                f"Growing takes up to {MOST_MM:g} mm, such as 2, or -2 to shrink, and not 0; {self.mm} is not possible."
            )


@dataclass(frozen=True)
class Interpolate(_OnVolume):
    """Replace the slices between chosen ones by the shapes between them; the chosen ones do not change.

    Args:
        slices: Indices of the chosen slices, at least two, in any order.
        axis: The axis of the slices.

    Raises:
        PromptError: There are fewer than two different slices, none lies between them, or there is no such axis.
    """

    slices: tuple[int, ...]
    axis: int

    def __post_init__(self) -> None:
        _check_axis(self.axis)
        chosen = sorted(set(self.slices))
        if len(chosen) < 2:
            raise PromptError("Interpolation needs at least two different slices: name the ones that are right.")
        if chosen[-1] - chosen[0] == len(chosen) - 1:
            raise PromptError(f"No slice lies between {_listed(chosen)}: choose slices that are further apart.")

    def check(self, shape_kji: tuple[int, int, int]) -> None:
        """Refuse slices outside the volume (see `_OnVolume.check`)."""
        for index in self.slices:
            _check_index("The slice", index, self.axis, shape_kji)


@dataclass(frozen=True)
class CopySlice(_OnVolume):
    """Replace slices by a copy of another one.

    Args:
        index: The slice to copy.
        to: The slices to replace.
        axis: The axis of the slices.

    Raises:
        PromptError: There is no slice to replace, or it is the copied one, or there is no such axis.
    """

    index: int
    to: tuple[int, ...]
    axis: int

    def __post_init__(self) -> None:
        _check_axis(self.axis)
        if not self.to:
            raise PromptError(f"Name the slices that slice {self.index} is copied to.")
        if self.index in self.to:
            raise PromptError(f"Slice {self.index} cannot be copied to itself: leave it out of {_listed(self.to)}.")

    def check(self, shape_kji: tuple[int, int, int]) -> None:
        """Refuse slices outside the volume (see `_OnVolume.check`)."""
        for index in (self.index, *self.to):
            _check_index("The slice", index, self.axis, shape_kji)


CleanUpStep = KeepLargest | KeepAt | RemoveIslands | FillHoles | Smooth | Grow | Interpolate | CopySlice


def check_clean_up(mask: SparseMask, step: CleanUpStep) -> None:
    """Refuse a step that does not fit the volume or has nothing to work on.

    Args:
        mask: The present mask.
        step: What is to be done.

    Raises:
        PromptError: A voxel or slice lies outside the volume, the mask is empty, or a chosen slice is.
    """
    step.check(mask.shape_kji)
    if not mask:
        raise PromptError("The object has no voxels: there is nothing to clean up.")
    if isinstance(step, Interpolate | CopySlice):
        slices = mask.along(step.axis).slices
        chosen = step.slices if isinstance(step, Interpolate) else (step.index,)
        if empty := [index for index in sorted(set(chosen)) if index not in slices]:
            raise PromptError(
                f"The object has no voxels on slice {AXIS_NAMES[step.axis]}={_listed(empty)}: choose others."
            )


def clean_up(
    mask: Bool[np.ndarray, "k j i"], step: CleanUpStep, spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    """Do one step; the mask itself does not change.

    Args:
        mask: The mask; an empty one stays empty.
        step: What is to be done; it fits the volume (see `check_clean_up`).
        spacing_mm_kji: Millimetres between voxels along k, j and i.

    Returns:
        The new mask.
    """
    if not mask.any():
        return mask.copy()
    match step:
        case KeepLargest():
            return keep_largest(mask)
        case KeepAt():
            return keep_nearest(mask, step.voxel_ijk, spacing_mm_kji)
        case RemoveIslands():
            return without_small_parts(mask, step.smallest_ml, spacing_mm_kji)
        case FillHoles():
            return without_holes(mask, step.axis if step.in_slices else None)
        case Smooth():
            return smooth(mask, step.mm, spacing_mm_kji, step.axis)
        case Grow():
            return grow(mask, step.mm, spacing_mm_kji)
        case Interpolate():
            return _interpolate(mask, step, spacing_mm_kji)
        case CopySlice():
            return _copy_slice(mask, step)


def _interpolate(
    mask: Bool[np.ndarray, "k j i"], step: Interpolate, spacing_mm_kji: tuple[float, float, float]
) -> Bool[np.ndarray, "k j i"]:
    out = mask.copy()
    slices = np.moveaxis(out, 2 - step.axis, 0)
    rows_mm, cols_mm = (mm for axis, mm in zip((2, 1, 0), spacing_mm_kji, strict=True) if axis != step.axis)
    chosen = [index for index in sorted(set(step.slices)) if slices[index].any()]
    for low, high in pairwise(chosen):
        between = range(low + 1, high)
        weights = [(index - low) / (high - low) for index in between]
        for index, shape in zip(
            between, shapes_between(slices[low], slices[high], weights, (rows_mm, cols_mm)), strict=True
        ):
            slices[index] = shape
    return out


def _copy_slice(mask: Bool[np.ndarray, "k j i"], step: CopySlice) -> Bool[np.ndarray, "k j i"]:
    out = mask.copy()
    slices = np.moveaxis(out, 2 - step.axis, 0)
    if slices[step.index].any():
        slices[list(step.to)] = slices[step.index]
    return out


def _check_axis(axis: int) -> None:
    if axis not in (0, 1, 2):
        raise PromptError(f"There is no axis {axis}: 0 is i, 1 is j, 2 is k.")


def _check_index(what: str, index: int, axis: int, shape_kji: tuple[int, int, int]) -> None:
    size = shape_kji[2 - axis]
    if not 0 <= index < size:
        name = AXIS_NAMES[axis]
        raise PromptError(f"{what} lies outside the volume: {name}={index}, but {name} goes from 0 to {size - 1}.")


def _listed(indices: Sequence[int]) -> str:
    return ", ".join(str(each) for each in indices)
