"""Slices of a volume, as stored and as displayed.

A `Plane` is anatomical. Its slice axis is the stored axis closest to the plane's
normal; the coordinates inside a slice are the two other stored axes in stored order:
``u`` (the earlier of i, j, k) counts columns and ``v`` (the later) counts rows, so a
slice array is indexed ``[v, u]``. For a CT stored as usual, axial slices have u = i
and v = j.

A person or a model sees the same slice turned to the *radiological* display: axial with
anterior at the top and the patient's right at the left, coronal with superior at the top
and the patient's right at the left, sagittal with superior at the top and anterior at the
left. `SliceGrid` maps between the two without resampling, so a mask does not depend on how
a file happens to be stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

import numpy as np
from jaxtyping import Shaped

from radsam.errors import PromptError
from radsam.volume.geometry import Geometry


class Plane(StrEnum):
    """An anatomical plane."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


#: LPS axis that each plane's slices are stacked along.
_NORMAL = {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}
#: LPS axis and sign that display columns (to the right) and rows (downwards) follow.
_DISPLAY = {
    Plane.AXIAL: ((0, 1), (1, 1)),
    Plane.CORONAL: ((0, 1), (2, -1)),
    Plane.SAGITTAL: ((1, 1), (2, -1)),
}
_LETTERS = {(0, 1): "L", (0, -1): "R", (1, 1): "P", (1, -1): "A", (2, 1): "S", (2, -1): "I"}
AXIS_NAMES = "ijk"


@dataclass(frozen=True)
class SliceGrid:
    """The slices of one volume in one plane.

    Args:
        plane: The anatomical plane.
        axis: The stored axis that counts slices: 0 is i, 1 is j, 2 is k.
        count: Number of slices.
        shape_vu: Rows and columns of a slice as stored.
        spacing_mm_vu: Millimetres between rows and between columns as stored.
        transpose: Whether the display exchanges rows and columns first.
        flip_rows: Whether the display then turns the rows upside down.
        flip_cols: Whether the display then mirrors the columns.
    """

    plane: Plane
    axis: int
    count: int
    shape_vu: tuple[int, int]
    spacing_mm_vu: tuple[float, float]
    transpose: bool
    flip_rows: bool
    flip_cols: bool

    @classmethod
    def of(cls, geometry: Geometry, plane: Plane | str) -> SliceGrid:
        """Find the slices of `geometry` in `plane`.

        Raises:
            PromptError: `plane` is not the name of a plane.
        """
        try:
            plane = Plane(plane)
        except ValueError:
            names = ", ".join(Plane)
            raise PromptError(f"{plane!r} is not a plane; choose one of {names}.") from None
        direction = geometry.direction
        # A permutation, not three nearest axes: in a grid tilted by 45° two stored axes
        # may be nearest to the same patient axis.
        lps_of = max(permutations(range(3)), key=lambda p: sum(abs(direction[p[a], a]) for a in range(3)))
        axis = lps_of.index(_NORMAL[plane])
        u, v = (a for a in range(3) if a != axis)
        (col_lps, col_sign), (row_lps, row_sign) = _DISPLAY[plane]
        transpose = lps_of[u] != col_lps
        col_axis, row_axis = (v, u) if transpose else (u, v)
        return cls(
            plane=plane,
            axis=axis,
            count=geometry.shape_ijk[axis],
            shape_vu=(geometry.shape_ijk[v], geometry.shape_ijk[u]),
            spacing_mm_vu=(geometry.spacing_mm_ijk[v], geometry.spacing_mm_ijk[u]),
            transpose=transpose,
            flip_rows=bool(direction[row_lps, row_axis] * row_sign < 0),
            flip_cols=bool(direction[col_lps, col_axis] * col_sign < 0),
        )

    @classmethod
    def across(cls, geometry: Geometry, axis: int) -> SliceGrid:
        """Find the slices that a stored axis (0 is i, 1 is j, 2 is k) counts."""
        return next(grid for plane in Plane if (grid := cls.of(geometry, plane)).axis == axis)

    @property
    def axis_name(self) -> str:
        """The stored axis that counts slices: "i", "j" or "k"."""
        return AXIS_NAMES[self.axis]

    @property
    def uv_axes(self) -> tuple[int, int]:
        """The stored axes behind u and v."""
        u, v = (a for a in range(3) if a != self.axis)
        return u, v

    @property
    def display_shape(self) -> tuple[int, int]:
        """Rows and columns of a slice as displayed."""
        return (self.shape_vu[1], self.shape_vu[0]) if self.transpose else self.shape_vu

    @property
    def display_spacing_mm(self) -> tuple[float, float]:
        """Millimetres between displayed rows and between displayed columns."""
        v, u = self.spacing_mm_vu
        return (u, v) if self.transpose else (v, u)

    @property
    def display_letters(self) -> tuple[str, str, str, str]:
        """Patient directions at the left, right, top and bottom of the display."""
        col, row = _DISPLAY[self.plane]
        return (
            _LETTERS[col[0], -col[1]],
            _LETTERS[col[0], col[1]],
            _LETTERS[row[0], -row[1]],
            _LETTERS[row[0], row[1]],
        )

    def take(self, array_kji: Shaped[np.ndarray, "k j i"], index: int) -> Shaped[np.ndarray, "v u"]:
        """Return slice `index` as a view, indexed [v, u]."""
        return array_kji[self._at(index)]

    def put(self, array_kji: Shaped[np.ndarray, "k j i"], index: int, slice_vu: Shaped[np.ndarray, "v u"]) -> None:
        """Write slice `index` in place."""
        array_kji[self._at(index)] = slice_vu

    def _at(self, index: int) -> tuple[int | slice, ...]:
        if not 0 <= index < self.count:
            raise PromptError(
                f"There is no {self.plane} slice {index}: this volume has {self.count}, numbered 0 to {self.count - 1}."
            )
        kji: list[int | slice] = [slice(None)] * 3
        kji[2 - self.axis] = index
        return tuple(kji)

    def split(self, index_ijk: tuple[int, int, int]) -> tuple[int, int, int]:
        """Turn a voxel (i, j, k) into (slice index, u, v)."""
        u, v = self.uv_axes
        return index_ijk[self.axis], index_ijk[u], index_ijk[v]

    def join(self, index: int, u: int, v: int) -> tuple[int, int, int]:
        """Turn (slice index, u, v) into the voxel (i, j, k); the inverse of `split`."""
        ijk = [index] * 3
        ijk[self.uv_axes[0]], ijk[self.uv_axes[1]] = u, v
        return ijk[0], ijk[1], ijk[2]

    def to_display(self, slice_vu: Shaped[np.ndarray, "v u"]) -> Shaped[np.ndarray, "rows cols"]:
        """Turn a stored slice to the radiological display; a view."""
        out = slice_vu.T if self.transpose else slice_vu
        return out[:: -1 if self.flip_rows else 1, :: -1 if self.flip_cols else 1]

    def from_display(self, display: Shaped[np.ndarray, "rows cols"]) -> Shaped[np.ndarray, "v u"]:
        """Turn a displayed slice back to storage order; the inverse of `to_display`, a view."""
        out = display[:: -1 if self.flip_rows else 1, :: -1 if self.flip_cols else 1]
        return out.T if self.transpose else out

    def uv_to_display_xy(self, u: float, v: float) -> tuple[float, float]:
        """Turn a stored pixel (u, v) into the displayed pixel (x = column, y = row)."""
        rows, cols = self.display_shape
        x, y = (v, u) if self.transpose else (u, v)
        return (cols - 1 - x if self.flip_cols else x), (rows - 1 - y if self.flip_rows else y)

    def display_xy_to_uv(self, x: float, y: float) -> tuple[float, float]:
        """Turn a displayed pixel into the stored one; the inverse of `uv_to_display_xy`."""
        rows, cols = self.display_shape
        x = cols - 1 - x if self.flip_cols else x
        y = rows - 1 - y if self.flip_rows else y
        return (y, x) if self.transpose else (x, y)
