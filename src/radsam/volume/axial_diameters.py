"""The longest axial diameter of an object and its longest perpendicular, as RECIST 1.1 measures a lesion.

Both are exact for the convex hull of the outline that the page and the previews draw: it connects the middles of the
pixels' sides, so a row of n pixels is n pixels long. An object that falls into parts on a slice is measured part by
part, as lesions are; pixels that touch at a corner are one part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float

from radsam.volume.geometry import Geometry
from radsam.volume.plane import Plane, SliceGrid
from radsam.volume.sparse_mask import SparseMask

_NEIGHBOURS = np.ones((3, 3), dtype=bool)
#: The middles of a pixel's sides, as (u, v) from its centre.
_SIDES = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])

Ends = Float[np.ndarray, "2 2"]


@dataclass(frozen=True)
class Diameter:
    """A straight line across an object on one slice.

    Args:
        mm: Its length.
        ends_ijk: Its ends, in voxels (i, j, k) with fractions inside the slice.
    """

    mm: float
    ends_ijk: tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class AxialDiameters:
    """The longest axial diameter of an object, and the longest line perpendicular to it on the same slice.

    Args:
        index: The axial slice.
        longest: The longest diameter of any axial slice.
        perpendicular: The longest perpendicular.
    """

    index: int
    longest: Diameter
    perpendicular: Diameter


def axial_diameters(mask: SparseMask, geometry: Geometry) -> AxialDiameters:
    """Measure an object of at least one voxel.

    Args:
        mask: Its voxels.
        geometry: The grid of the volume.
    """
    grid = SliceGrid.of(geometry, Plane.AXIAL)
    slices = mask.along(grid.axis).slices
    spacing_uv = np.array(grid.spacing_mm_vu[::-1])
    boxes = {index: np.array(each.enclosing_box) for index, each in slices.items()}
    # No diameter is longer than the diagonal of the box around the slice's voxels.
    diagonals = {index: float(np.hypot(*((box[2:] - box[:2] + 1) * spacing_uv))) for index, box in boxes.items()}
    best_mm, best_index = 0.0, -1
    best: tuple[Ends, Ends] | None = None
    for index in sorted(slices, key=lambda index: -diagonals[index]):
        if diagonals[index] <= best_mm:
            break
        u0, v0, u1, v1 = boxes[index].tolist()
        parts, count = scipy.ndimage.label(slices[index].decode()[v0 : v1 + 1, u0 : u1 + 1], _NEIGHBOURS)
        for number in range(1, count + 1):
            hull_mm = _hull_mm(parts == number, spacing_uv)
            longest = _farthest(hull_mm)
            mm = _length(longest)
            if mm > best_mm:
                offset = np.array([u0, v0]) * spacing_uv
                best_mm, best_index = mm, index
                best = longest + offset, _perpendicular(hull_mm, longest) + offset
    assert best is not None, "the mask has a voxel"

    def diameter(ends_mm: Ends) -> Diameter:
        first, second = (grid_point(grid, best_index, each) for each in (ends_mm / spacing_uv).tolist())
        return Diameter(_length(ends_mm), (first, second))

    return AxialDiameters(best_index, diameter(best[0]), diameter(best[1]))


def grid_point(grid: SliceGrid, index: int, uv: list[float]) -> tuple[float, float, float]:
    """Return a position on a slice as (i, j, k) with fractions."""
    ijk = [float(index)] * 3
    ijk[grid.uv_axes[0]], ijk[grid.uv_axes[1]] = uv
    return ijk[0], ijk[1], ijk[2]


def _hull_mm(part: Bool[np.ndarray, "v u"], spacing_uv: Float[np.ndarray, " 2"]) -> Float[np.ndarray, "n 2"]:
    """Return the corners of the convex hull of a part's outline as (u, v) in mm, in order around it."""
    rows = np.flatnonzero(part.any(axis=1))
    inside = part[rows]
    # Of each row, only its first and last pixel can be corners.
    firsts, lasts = inside.argmax(axis=1), part.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    pixels = np.concatenate([np.stack([firsts, rows], axis=1), np.stack([lasts, rows], axis=1)])
    points = ((pixels[:, None] + _SIDES) * spacing_uv).reshape(-1, 2)
    return np.asarray(points[scipy.spatial.ConvexHull(points).vertices])


def _farthest(points: Float[np.ndarray, "n 2"]) -> Ends:
    distances = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(points))
    return points[list(np.unravel_index(distances.argmax(), distances.shape))]


def _perpendicular(hull: Float[np.ndarray, "n 2"], longest: Ends) -> Ends:
    """Return the longest chord of a convex polygon across its diameter.

    Along the diameter, the length of the chord is concave and bends at corners only: it is longest at one of them.
    """
    along = (longest[1] - longest[0]) / _length(longest)
    across = np.array([-along[1], along[0]])
    at, height = (hull - longest[0]) @ along, (hull - longest[0]) @ across
    order = np.argsort(at)
    at, height = at[order], height[order]
    ends = (at == at[0]) | (at == at[-1])  # the diameter's own, which both sides share
    upper, lower = (np.interp(at, at[side], height[side]) for side in (ends | (height > 0), ends | (height < 0)))
    widest = int(np.argmax(upper - lower))
    foot = longest[0] + at[widest] * along
    return np.stack([foot + upper[widest] * across, foot + lower[widest] * across])


def _length(ends: Ends) -> float:
    return float(np.hypot(*(ends[1] - ends[0])))
