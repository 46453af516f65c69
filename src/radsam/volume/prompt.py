"""Prompts: a point, a box or a mask on one slice; and bounds.

Coordinates are voxel indices (i, j, k) of the volume as stored, zero-based. Both ends
of boxes and bounds are inclusive. A box or mask names its slice by the slice's own
axis: ``Box(k=41, i0=…, j0=…, i1=…, j1=…)`` on a usual axial slice,
``Box(j=200, i0=…, k0=…, i1=…, k1=…)`` on a coronal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.volume.plane import AXIS_NAMES, SliceGrid

#: The smallest side of a box, in voxels: a smaller box is no better than a point.
SMALLEST_BOX_SIDE = 2


@dataclass(frozen=True, kw_only=True)
class Point:
    """One voxel that belongs to the object (`positive`) or does not.

    Args:
        i: Column index as stored.
        j: Row index as stored.
        k: Slice index as stored.
        positive: Whether the voxel is part of the object.
    """

    i: int
    j: int
    k: int
    positive: bool = True

    @property
    def index_ijk(self) -> tuple[int, int, int]:
        """The voxel as (i, j, k)."""
        return self.i, self.j, self.k

    def check(self, grid: SliceGrid) -> None:
        """Refuse a point outside the volume.

        Raises:
            PromptError: The voxel is outside the grid.
        """
        index, u, v = grid.split(self.index_ijk)
        _check_inside(grid, index, (u, u), (v, v), f"The point {self.index_ijk}")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle on one slice; both ends belong to it.

    Exactly one of `i`, `j`, `k` names the slice; the two other axes have a range each.

    Args:
        i: Slice index, for a box on a slice across i.
        j: Slice index, for a box on a slice across j.
        k: Slice index, for a box on a slice across k (the usual axial slice).
        i0: First column.
        i1: Last column.
        j0: First row.
        j1: Last row.
        k0: First slice, for boxes across i or j.
        k1: Last slice, for boxes across i or j.

    Raises:
        PromptError: The ranges do not fit the slice axis or are reversed or too small.
    """

    i: int | None = None
    j: int | None = None
    k: int | None = None
    i0: int | None = None
    i1: int | None = None
    j0: int | None = None
    j1: int | None = None
    k0: int | None = None
    k1: int | None = None

    def __post_init__(self) -> None:
        axis = self.axis
        for name in AXIS_NAMES:
            low, high = getattr(self, f"{name}0"), getattr(self, f"{name}1")
            if name == AXIS_NAMES[axis]:
                if low is not None or high is not None:
                    raise PromptError(f"A box on slice {name}={self.index} has no range {name}0 to {name}1.")
            elif low is None or high is None:
                raise PromptError(f"A box on slice {AXIS_NAMES[axis]}={self.index} needs {name}0 and {name}1.")
            elif high - low + 1 < SMALLEST_BOX_SIDE:
                raise PromptError(
                    f"The box has no area: {name} goes from {low} to {high}. "
                    f"Give the smaller end first and at least {SMALLEST_BOX_SIDE} voxels on each side, or use a point."
                )

    @classmethod
    def on(cls, grid: SliceGrid, index: int, u0: int, v0: int, u1: int, v1: int) -> Box:
        """Build a box from in-slice coordinates on slice `index` of `grid`."""
        u, v = (AXIS_NAMES[a] for a in grid.uv_axes)
        return cls(**{grid.axis_name: index, f"{u}0": u0, f"{u}1": u1, f"{v}0": v0, f"{v}1": v1})

    @property
    def axis(self) -> int:
        """The stored axis that names the slice: 0 is i, 1 is j, 2 is k."""
        return _slice_axis("box", self.i, self.j, self.k)

    @property
    def index(self) -> int:
        """The slice index along `axis`."""
        return int(getattr(self, AXIS_NAMES[self.axis]))

    @property
    def uvuv(self) -> tuple[int, int, int, int]:
        """The box inside its slice: u0, v0, u1, v1, inclusive."""
        u, v = (name for a, name in enumerate(AXIS_NAMES) if a != self.axis)
        return getattr(self, f"{u}0"), getattr(self, f"{v}0"), getattr(self, f"{u}1"), getattr(self, f"{v}1")

    def check(self, grid: SliceGrid) -> None:
        """Refuse a box outside the volume or across another axis than the plane's.

        Raises:
            PromptError: The box does not lie on a slice of `grid`.
        """
        _check_axis("box", self.axis, grid)
        u0, v0, u1, v1 = self.uvuv
        _check_inside(grid, self.index, (u0, u1), (v0, v1), "The box")


@dataclass(frozen=True, kw_only=True, eq=False)
class Mask:
    """A rough mask on one slice.

    Args:
        pixels: Boolean array [v, u] of the whole slice as stored (see `radsam.volume.plane`).
        i: Slice index, for a mask on a slice across i.
        j: Slice index, for a mask on a slice across j.
        k: Slice index, for a mask on a slice across k (the usual axial slice).

    Raises:
        PromptError: The array is not a two-dimensional boolean one, or is empty.
    """

    pixels: Bool[np.ndarray, "v u"]
    i: int | None = None
    j: int | None = None
    k: int | None = None

    def __post_init__(self) -> None:
        axis = self.axis
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise PromptError("A mask prompt is a two-dimensional boolean array.")
        if not self.pixels.any():
            raise PromptError(
                f"The mask is empty on slice {AXIS_NAMES[axis]}={self.index}: give one with at least one voxel."
            )

    @classmethod
    def on(cls, grid: SliceGrid, index: int, pixels: Bool[np.ndarray, "v u"]) -> Mask:
        """Build a mask prompt on slice `index` of `grid`."""
        return cls(pixels=pixels, **{grid.axis_name: index})

    @property
    def axis(self) -> int:
        """The stored axis that names the slice: 0 is i, 1 is j, 2 is k."""
        return _slice_axis("mask", self.i, self.j, self.k)

    @property
    def index(self) -> int:
        """The slice index along `axis`."""
        return int(getattr(self, AXIS_NAMES[self.axis]))

    def check(self, grid: SliceGrid) -> None:
        """Refuse a mask of another size than the slice.

        Raises:
            PromptError: The mask does not lie on a slice of `grid`.
        """
        _check_axis("mask", self.axis, grid)
        _check_inside(grid, self.index, (0, 0), (0, 0), "The mask")
        if self.pixels.shape != grid.shape_vu:
            raise PromptError(
                f"The mask is {self.pixels.shape}, the {grid.plane} slice is {grid.shape_vu} (rows, columns)."
            )


Prompt = Point | Box | Mask


def slice_index(prompt: Prompt, grid: SliceGrid) -> int:
    """Return the index of the slice of `grid` that a prompt lies on."""
    return grid.split(prompt.index_ijk)[0] if isinstance(prompt, Point) else prompt.index


@dataclass(frozen=True)
class Bounds:
    """The first and last slice of an object; both belong to it.

    Args:
        low: First slice index.
        high: Last slice index.

    Raises:
        PromptError: The bounds are reversed.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.high < self.low:
            raise PromptError(f"The bounds {self.low} to {self.high} are reversed: give the smaller slice first.")

    def __contains__(self, index: int) -> bool:
        return self.low <= index <= self.high

    def check(self, grid: SliceGrid, index: int) -> None:
        """Refuse bounds outside the volume or without the prompted slice.

        Raises:
            PromptError: The bounds do not fit.
        """
        if self.low < 0 or self.high >= grid.count:
            raise PromptError(
                f"The bounds {self.low} to {self.high} leave the volume: its {grid.plane} slices "
                f"are numbered 0 to {grid.count - 1}."
            )
        if index not in self:
            raise PromptError(
                f"The bounds {self.low} to {self.high} exclude the prompted slice {index}. "
                "Prompt on a slice between the bounds, or widen them."
            )


def _slice_axis(what: str, i: int | None, j: int | None, k: int | None) -> int:
    given = [axis for axis, index in enumerate((i, j, k)) if index is not None]
    if len(given) != 1:
        raise PromptError(f"A {what} lies on one slice: give exactly one of i, j, k (usually k).")
    return given[0]


def _check_axis(what: str, axis: int, grid: SliceGrid) -> None:
    if axis != grid.axis:
        raise PromptError(
            f"The {what} lies on a slice across {AXIS_NAMES[axis]}, but {grid.plane} slices of this volume "
            f"are counted along {grid.axis_name}: give {grid.axis_name}=… or choose another plane."
        )


def _check_inside(grid: SliceGrid, index: int, u: tuple[int, int], v: tuple[int, int], what: str) -> None:
    rows, cols = grid.shape_vu
    names = [AXIS_NAMES[a] for a in grid.uv_axes]
    for name, (low, high), size in (
        (grid.axis_name, (index, index), grid.count),
        (names[0], u, cols),
        (names[1], v, rows),
    ):
        if low < 0 or high >= size:
            at = f"{name}={low}" if low == high else f"{name}={low} to {high}"
            raise PromptError(f"{what} lies outside the volume: {at}, but {name} goes from 0 to {size - 1}.")
