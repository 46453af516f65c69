"""Coordinates as users write them, on the command line or in a manifest: voxels as stored, or LPS millimetres.

In voxels, ``--slice K --box I0 J0 I1 J1`` are indices of the file. In a plane other than
the axial one the slice is counted along that plane's own axis, and a box has the two
other axes in stored order. With ``--mm`` the same places take LPS millimetres: for an
axial slice, its z and the x and y of the box; each lands on the nearest voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radsam.errors import PromptError
from radsam.volume.bounds import Bounds
from radsam.volume.geometry import Geometry, nearest_index
from radsam.volume.plane import Plane, SliceGrid
from radsam.volume.prompt import Box, Lasso, Point, Prompt, Scribble, slice_index

#: LPS axes across and inside a plane.
_LPS = {Plane.AXIAL: (2, (0, 1)), Plane.CORONAL: (1, (0, 2)), Plane.SAGITTAL: (0, (1, 2))}


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Turns typed coordinates into prompts.

    Args:
        geometry: The volume's grid.
        grid: The slices of the chosen plane.
        mm: Whether millimetres were typed.
    """

    geometry: Geometry
    grid: SliceGrid
    mm: bool

    def index(self, across: float, inside: tuple[float, float] | None = None) -> int:
        """Return the slice index for a typed slice position.

        In an oblique volume the slice at a millimetre position depends on where in the
        slice the position lies: `inside`, by default the middle of the volume.
        """
        if not self.mm:
            return _whole(across, "The slice")
        middle = self.geometry.index_to_mm((np.array(self.geometry.shape_ijk, np.float64) - 1) / 2)
        axis, (first, second) = _LPS[self.grid.plane]
        if inside is not None:
            middle[first], middle[second] = inside
        middle[axis] = across
        return self.grid.split(self._nearest(middle))[0]

    def box(self, across: float, box: Sequence[float]) -> Box:
        """Return the box for a typed slice and box."""
        a0, b0, a1, b1 = box
        if not self.mm:
            u0, v0, u1, v1 = (_whole(each, "A corner of the box") for each in box)
            return Box.on(self.grid, _whole(across, "The slice"), u0, v0, u1, v1)
        index = self.index(across, ((a0 + a1) / 2, (b0 + b1) / 2))
        corners = [self.grid.split(self._voxel_mm(across, corner)) for corner in ((a0, b0), (a1, b1))]
        (_, u0, v0), (_, u1, v1) = corners
        return Box.on(self.grid, index, min(u0, u1), min(v0, v1), max(u0, u1), max(v0, v1))

    def point_on_slice(self, across: float, point: Sequence[float]) -> Point:
        """Return the positive point for a typed slice and in-slice position."""
        if self.mm:
            i, j, k = self._voxel_mm(across, point)
        else:
            u, v = (_whole(each, "The point") for each in point)
            i, j, k = self.grid.join(_whole(across, "The slice"), u, v)
        return Point(i=i, j=j, k=k)

    def point(self, position: Sequence[float], positive: bool) -> Point:
        """Return the point for three typed coordinates."""
        i, j, k = (
            self._nearest(np.array(position)) if self.mm else tuple(_whole(each, "The point") for each in position)
        )
        return Point(i=i, j=j, k=k, positive=positive)

    def voxels(self, positions: Sequence[Sequence[float]]) -> tuple[tuple[int, int, int], ...]:
        """Return the voxels (i, j, k) for typed positions of a stroke."""
        return tuple(self.point(each, positive=True).index_ijk for each in positions)

    def lasso(self, across: float, corners: Sequence[tuple[float, float]], positive: bool) -> Lasso:
        """Return the lasso for a typed slice and corners, which may lie between voxels."""
        if not self.mm:
            return Lasso.on(self.grid, _whole(across, "The slice"), corners, positive)
        first, last = (np.mean(along) for along in zip(*corners, strict=True))
        u, v = self.grid.uv_axes
        found = [self.geometry.mm_to_index(self._position_mm(across, corner)) for corner in corners]
        polygon = [(float(each[u]), float(each[v])) for each in found]
        return Lasso.on(self.grid, self.index(across, (float(first), float(last))), polygon, positive)

    def ends(self, low: float | None, high: float | None) -> tuple[int | None, int | None]:
        """Return the first and last slice for two typed positions; None leaves an end."""
        first, last = (None if each is None else self.index(each) for each in (low, high))
        # A stored axis may run against the patient's.
        return (last, first) if self.mm and self.index(0.0) > self.index(1000.0) else (first, last)

    def bounds(self, bounds: Sequence[float], inside: tuple[float, float] | None) -> Bounds:
        """Return the bounds for two typed slice positions."""
        ends = [self.index(each, inside) for each in bounds]
        # A stored axis may run against the patient's, so bounds in millimetres come in either order.
        return Bounds(*sorted(ends)) if self.mm else Bounds(*ends)

    def _voxel_mm(self, across: float, inside: Sequence[float]) -> tuple[int, int, int]:
        return self._nearest(self._position_mm(across, inside))

    def _position_mm(self, across: float, inside: Sequence[float]) -> np.ndarray:
        axis, (first, second) = _LPS[self.grid.plane]
        position = np.zeros(3)
        position[axis], position[first], position[second] = across, *inside
        return position

    def _nearest(self, position_lps: np.ndarray) -> tuple[int, int, int]:
        if not np.isfinite(position_lps).all():
            raise PromptError(f"A position in millimetres must be finite numbers, not {position_lps.tolist()}.")
        i, j, k = (int(each) for each in nearest_index(self.geometry.mm_to_index(position_lps)))
        return i, j, k


def _whole(value: float, what: str) -> int:
    if not float(value).is_integer():  # inf and nan are not either
        raise PromptError(
            f"{what} is given in voxels, which are whole numbers, not {value:g}. "
            "For millimetres add --mm, or write lps in a manifest."
        )
    return int(value)


def group_by_slice(prompts: Sequence[Prompt], grid: SliceGrid) -> list[tuple[Prompt, ...]]:
    """Group prompts that lie on one slice, in the order of their first one: one correction each.

    A scribble that was drawn in another plane, over several slices, is one by itself.
    """
    groups: dict[tuple[int, ...], list[Prompt]] = {}
    for number, prompt in enumerate(prompts):
        alone = isinstance(prompt, Scribble) and len({each[grid.axis] for each in prompt.voxels_ijk}) > 1
        key = (number, number) if alone else (slice_index(prompt, grid),)
        groups.setdefault(key, []).append(prompt)
    return [tuple(group) for group in groups.values()]
