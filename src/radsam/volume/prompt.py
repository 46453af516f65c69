"""Prompts: a point, a box, a mask, a scribble or a lasso on one slice.

Coordinates are voxel indices (i, j, k) of the volume as stored, zero-based. Both ends
of a box belong to it. A box, mask or lasso names its slice by the slice's own
axis: ``Box(k=41, i0=…, j0=…, i1=…, j1=…)`` on a usual axial slice,
``Box(j=200, i0=…, k0=…, i1=…, k1=…)`` on a coronal one. A positive prompt marks the object,
a negative one what does not belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from radsam.errors import PromptError
from radsam.volume.plane import AXIS_NAMES, SliceGrid
from radsam.volume.polygon_fill import fill_closed
from radsam.volume.voxel_line import voxel_line

#: The smallest side of a box, in voxels: a smaller box is no better than a point.
SMALLEST_BOX_SIDE = 2
#: The fewest corners of a polygon with an area.
SMALLEST_POLYGON = 3
#: Corners of a polygon are this close to a line if they have no area, and this far away at most, in voxels.
_SAME_PLACE, _FARTHEST = 1e-6, 1e6


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
        check_inside(grid, index, (u, u), (v, v), f"The point {self.index_ijk}")


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
        positive: Whether the object lies in it, or none of it does.

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
    positive: bool = True

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
    def on(cls, grid: SliceGrid, index: int, u0: int, v0: int, u1: int, v1: int, positive: bool = True) -> Box:
        """Build a box from in-slice coordinates on slice `index` of `grid`."""
        u, v = (AXIS_NAMES[a] for a in grid.uv_axes)
        sides = {grid.axis_name: index, f"{u}0": u0, f"{u}1": u1, f"{v}0": v0, f"{v}1": v1}
        return cls(positive=positive, **sides)

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
        check_inside(grid, self.index, (u0, u1), (v0, v1), "The box")


@dataclass(frozen=True, kw_only=True, eq=False)
class Mask:
    """A rough mask on one slice.

    Args:
        pixels: Boolean array [v, u] of the whole slice as stored (see `radsam.volume.plane`).
        i: Slice index, for a mask on a slice across i.
        j: Slice index, for a mask on a slice across j.
        k: Slice index, for a mask on a slice across k (the usual axial slice).
        positive: Whether its voxels are part of the object.

    Raises:
        PromptError: The array is not a two-dimensional boolean one, or is empty.
    """

    pixels: Bool[np.ndarray, "v u"]
    i: int | None = None
    j: int | None = None
    k: int | None = None
    positive: bool = True

    def __post_init__(self) -> None:
        axis = self.axis
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise PromptError("A mask prompt is a two-dimensional boolean array.")
        if not self.pixels.any():
            raise PromptError(
                f"The mask is empty on slice {AXIS_NAMES[axis]}={self.index}: give one with at least one voxel."
            )

    @classmethod
    def on(cls, grid: SliceGrid, index: int, pixels: Bool[np.ndarray, "v u"], positive: bool = True) -> Mask:
        """Build a mask prompt on slice `index` of `grid`."""
        return cls(pixels=pixels, positive=positive, **{grid.axis_name: index})

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
        check_inside(grid, self.index, (0, 0), (0, 0), "The mask")
        if self.pixels.shape != grid.shape_vu:
            raise PromptError(
                f"The mask is {self.pixels.shape}, the {grid.plane} slice is {grid.shape_vu} (rows, columns)."
            )


@dataclass(frozen=True, kw_only=True)
class Scribble:
    """A stroke on one slice: the voxels on the lines between consecutive points.

    It may be drawn in any plane; on the slices of another plane each of its voxels lies on its own.

    Args:
        voxels_ijk: The points as (i, j, k), in the order in which they were drawn.
        positive: Whether its voxels are part of the object.

    Raises:
        PromptError: There is no point, one is not three whole numbers, or i, j and k all change.
    """

    voxels_ijk: tuple[tuple[int, int, int], ...]
    positive: bool = True

    def __post_init__(self) -> None:
        if not self.voxels_ijk:
            raise PromptError("The scribble is empty: give at least one voxel.")
        check_voxels(self.voxels_ijk, "scribble")
        if all(len(set(along)) > 1 for along in zip(*self.voxels_ijk, strict=True)):
            raise PromptError("The scribble leaves its slice: i, j and k all change. Draw it on one slice.")

    @property
    def line_ijk(self) -> Int64[np.ndarray, "n 3"]:
        """All voxels of the stroke, in the order in which they were drawn."""
        return voxel_line(np.array(self.voxels_ijk, dtype=np.int64))

    def pixels_by_slice(self, grid: SliceGrid) -> dict[int, Int64[np.ndarray, "n 2"]]:
        """Return the pixels (u, v) of the stroke on each slice of `grid` that it crosses, as they were drawn.

        Drawn on a slice of `grid` it has one slice; drawn in another plane it has a few pixels on each of several.
        """
        line = self.line_ijk
        index, uv = line[:, grid.axis], line[:, grid.uv_axes]
        return {int(each): uv[index == each] for each in np.unique(index)}

    def check(self, grid: SliceGrid) -> None:
        """Refuse a stroke that leaves the volume; it may be drawn in another plane than that of `grid`.

        Raises:
            PromptError: A voxel lies outside the volume.
        """
        for i, j, k in (map(extreme, zip(*self.voxels_ijk, strict=True)) for extreme in (min, max)):
            index, u, v = grid.split((i, j, k))
            check_inside(grid, index, (u, u), (v, v), "A part of the scribble")


@dataclass(frozen=True, kw_only=True)
class Lasso:
    """A closed polygon on one slice; voxels belong to it whose centres lie inside or on its sides.

    Where it crosses itself, what it goes around twice is outside (the even-odd rule). It may leave the slice.

    Args:
        polygon: Its corners, three or more, as (u, v): voxel coordinates along the slice's two stored axes, in stored
            order, so (i, j) on a usual axial slice. Fractions are allowed; voxel centres are whole numbers.
        i: Slice index, for a lasso on a slice across i.
        j: Slice index, for a lasso on a slice across j.
        k: Slice index, for a lasso on a slice across k (the usual axial slice).
        positive: Whether the object lies in it, or none of it does.

    Raises:
        PromptError: The polygon has less than three corners, no area, or corners that are not finite.
    """

    polygon: tuple[tuple[float, float], ...]
    i: int | None = None
    j: int | None = None
    k: int | None = None
    positive: bool = True

    def __post_init__(self) -> None:
        where = f"on slice {AXIS_NAMES[self.axis]}={self.index}"
        if len(self.polygon) < SMALLEST_POLYGON:
            raise PromptError(
                f"The lasso {where} has {len(self.polygon)} corners: give at least {SMALLEST_POLYGON} around an area."
            )
        corners = np.array(self.polygon, dtype=np.float64)
        if not np.isfinite(corners).all() or np.abs(corners).max() > _FARTHEST:
            raise PromptError(f"A corner of the lasso {where} is not finite or lies far outside the volume.")
        if np.linalg.matrix_rank(corners - corners[0], tol=_SAME_PLACE) < 2:
            raise PromptError(f"The lasso {where} has no area: its corners lie on a line. Draw it around an area.")

    @classmethod
    def on(cls, grid: SliceGrid, index: int, polygon: Sequence[tuple[float, float]], positive: bool = True) -> Lasso:
        """Build a lasso from in-slice coordinates on slice `index` of `grid`."""
        return cls(polygon=tuple(polygon), positive=positive, **{grid.axis_name: index})

    @property
    def axis(self) -> int:
        """The stored axis that names the slice: 0 is i, 1 is j, 2 is k."""
        return _slice_axis("lasso", self.i, self.j, self.k)

    @property
    def index(self) -> int:
        """The slice index along `axis`."""
        return int(getattr(self, AXIS_NAMES[self.axis]))

    def pixels(self, shape_vu: tuple[int, int]) -> Bool[np.ndarray, "v u"]:
        """Return the pixels that belong to it, of a whole slice of `shape_vu` rows and columns."""
        pixels = np.zeros(shape_vu, dtype=bool)
        part, rows, cols = fill_closed(np.array(self.polygon, dtype=np.float64), shape_vu)
        pixels[np.ix_(rows, cols)] = part
        return pixels

    def check(self, grid: SliceGrid) -> None:
        """Refuse a lasso across another axis than the plane's, or without a voxel of the slice inside.

        Raises:
            PromptError: The lasso does not enclose voxels of a slice of `grid`.
        """
        _check_axis("lasso", self.axis, grid)
        check_inside(grid, self.index, (0, 0), (0, 0), "The lasso")
        if not self.pixels(grid.shape_vu).any():
            (u, v), (rows, cols) = (AXIS_NAMES[a] for a in grid.uv_axes), grid.shape_vu
            raise PromptError(
                f"The lasso on slice {grid.axis_name}={self.index} encloses no voxel of the volume: there {u} goes "
                f"from 0 to {cols - 1} and {v} from 0 to {rows - 1}. Draw it around at least one voxel."
            )


Prompt = Point | Box | Mask | Scribble | Lasso


def slice_index(prompt: Prompt, grid: SliceGrid) -> int:
    """Return the index of the slice of `grid` that a prompt lies on.

    Raises:
        PromptError: A scribble, drawn in another plane, lies on several; see `Scribble.pixels_by_slice`.
    """
    match prompt:
        case Point():
            return grid.split(prompt.index_ijk)[0]
        case Scribble():
            along = [voxel[grid.axis] for voxel in prompt.voxels_ijk]
            if min(along) < max(along):
                raise PromptError(
                    f"The scribble lies on the {grid.plane} slices {min(along)} to {max(along)}; it has to lie on one. "
                    f"Draw it on a {grid.plane} slice, or choose another plane."
                )
            return along[0]
        case _:
            return prompt.index


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


def check_voxels(voxels_ijk: Iterable[tuple[int, int, int]], what: str) -> None:
    """Refuse points that are not voxels.

    Raises:
        PromptError: A point is not three whole numbers.
    """
    for voxel in voxels_ijk:
        if len(voxel) != 3 or not all(float(each).is_integer() for each in voxel):
            raise PromptError(f"A point of the {what} is {voxel}, but a voxel is three whole numbers (i, j, k).")


def check_inside(grid: SliceGrid, index: int, u: tuple[int, int], v: tuple[int, int], what: str) -> None:
    """Refuse what reaches outside the volume.

    Args:
        grid: The slices.
        index: The slice.
        u: The first and last column.
        v: The first and last row.
        what: Its name in the message: "The box".

    Raises:
        PromptError: A part of it lies outside.
    """
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
