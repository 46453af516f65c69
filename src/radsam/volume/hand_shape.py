"""Shapes of hand edits: brush strokes, lassos, boxes and masks, as voxels; and their restriction to a range of values.

A shape lies on one slice of any plane, but for a 3D brush and given voxels. A voxel belongs to a shape if its centre
does. Distances are in millimetres, so a brush is round whatever the spacing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float, Int16

from radsam.errors import PromptError
from radsam.volume.geometry import Geometry
from radsam.volume.plane import Plane, SliceGrid
from radsam.volume.polygon_fill import fill_closed
from radsam.volume.prompt import Box, Lasso, Mask, check_inside, check_voxels
from radsam.volume.run_mask import RunMask
from radsam.volume.sparse_mask import SparseMask
from radsam.volume.stroke_pixels import stroke_pixels
from radsam.volume.voxel_line import voxel_line

#: A brush of 40 cm is as wide as a patient.
WIDEST_BRUSH_MM = 200.0
#: Radius of the disk whose mean is what a stroke begins on.
SAMPLE_RADIUS_MM = 1.5

Values = Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]


@dataclass(frozen=True, kw_only=True)
class Brush:
    """A stroke with a round brush: the voxels within a radius of the lines between consecutive points.

    Where the brush is thinner than a voxel, the voxels on the lines belong to it, so that a stroke has no gaps.

    Args:
        path_ijk: The points as (i, j, k), all on one slice of the plane.
        radius_mm: Radius of the brush.
        ball: Whether the brush is a ball that reaches over the neighbouring slices, and not a disk on its slice.
        plane: The plane that it is drawn in.

    Raises:
        PromptError: There is no point, one is not three whole numbers, or the radius is not between 0 and 200 mm.
    """

    path_ijk: tuple[tuple[int, int, int], ...]
    radius_mm: float
    ball: bool = False
    plane: Plane = Plane.AXIAL

    def __post_init__(self) -> None:
        if not len(self.path_ijk):
            raise PromptError("The brush stroke is empty: give at least one voxel.")
        check_voxels(self.path_ijk, "brush stroke")
        if not 0 < self.radius_mm <= WIDEST_BRUSH_MM:
            raise PromptError(
                f"The radius of a brush lies between 0 and {WIDEST_BRUSH_MM:g} mm, not at {self.radius_mm:g}."
            )


#: What a hand edit sets: given voxels, or a shape. Its voxels are set or erased, whether the shape is a positive
#: prompt or not.
HandShape = Brush | Lasso | Box | Mask | SparseMask


def shape_voxels(shape: HandShape, geometry: Geometry) -> SparseMask:
    """Return the voxels of a shape, as slices of the plane that it was drawn in.

    Brushes and lassos are cut off at the border of the volume.

    Raises:
        PromptError: The shape has no voxel in the volume, a brush's point lies outside or on another slice than the
            first, or a box or given voxels do not fit the volume.
    """
    match shape:
        case SparseMask():
            shape.check(geometry.shape_kji)
            if not shape:
                raise PromptError("There is no voxel to set: the mask is empty.")
            return shape
        case Brush():
            return _brush_voxels(shape, geometry)
    grid = SliceGrid.across(geometry, shape.axis)
    shape.check(grid)
    match shape:
        case Mask():
            pixels = RunMask.encode(shape.pixels)
        case Lasso():
            pixels = RunMask.encode_part(*fill_closed(np.array(shape.polygon), grid.shape_vu), grid.shape_vu)
        case Box(uvuv=(u0, v0, u1, v1)):
            rows, cols = np.arange(v0, v1 + 1), np.arange(u0, u1 + 1)
            pixels = RunMask.encode_part(np.ones((rows.size, cols.size), dtype=bool), rows, cols, grid.shape_vu)
    return SparseMask(grid.axis, geometry.shape_kji, {shape.index: pixels})


def sampled_voxel(shape: HandShape, voxels: SparseMask) -> tuple[int, int, int]:
    """Return the voxel (i, j, k) whose surroundings a stroke is compared with; see `alike`.

    Args:
        shape: A brush: the first point of its stroke. Any other: the voxel nearest the middle of it.
        voxels: Its voxels.
    """
    if isinstance(shape, Brush):
        return shape.path_ijk[0]
    part, box = voxels.part()
    found = np.argwhere(part)
    nearest = found[((found - found.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    k, j, i = (int(each) + along.start for each, along in zip(nearest, box, strict=True))
    return i, j, k


def within_range(voxels: SparseMask, values: Values, limits: tuple[float, float]) -> SparseMask:
    """Return the voxels whose value lies in a range, both ends included."""
    low, high = limits
    part, box = voxels.part()
    return SparseMask.of_part(part & (values[box] >= low) & (values[box] <= high), box, voxels.shape_kji, voxels.axis)


def alike(
    voxels: SparseMask,
    values: Values,
    at_ijk: tuple[int, int, int],
    tolerance: float,
    spacing_mm_ijk: tuple[float, float, float],
) -> SparseMask:
    """Return the voxels alike to those around one of them, and connected to those.

    Args:
        voxels: The voxels of a shape.
        values: The values of the volume.
        at_ijk: The voxel to compare with: the mean of a disk of 1.5 mm around it, on the slice of the shape.
        tolerance: How far values may lie from that mean.
        spacing_mm_ijk: Distance between voxels along i, j and k.

    Returns:
        The voxels within the tolerance that are connected, inside the shape, to some of the disk; they may touch at a
        corner. None if no voxel of the disk is within the tolerance.
    """
    across = 2 - voxels.axis
    u, v = (axis for axis in range(3) if axis != voxels.axis)
    disk, rows, cols = stroke_pixels(
        np.array([[at_ijk[u], at_ijk[v]]]), SAMPLE_RADIUS_MM, (spacing_mm_ijk[v], spacing_mm_ijk[u]), voxels.shape_vu
    )
    slice_values = np.moveaxis(values, across, 0)[at_ijk[voxels.axis]]
    mean = float(slice_values[np.ix_(rows, cols)][disk].mean(dtype=np.float64))
    part, box = voxels.part()
    step = at_ijk[voxels.axis] - box[across].start
    if not 0 <= step < part.shape[across]:
        return SparseMask(voxels.axis, voxels.shape_kji, {})
    pieces, _ = scipy.ndimage.label(part & (np.abs(values[box] - mean) <= tolerance), np.ones((3, 3, 3), dtype=bool))
    begun = np.zeros(voxels.shape_vu, dtype=bool)
    begun[np.ix_(rows, cols)] = disk
    begun = begun[tuple(each for n, each in enumerate(box) if n != across)]
    some = np.unique(np.moveaxis(pieces, across, 0)[step][begun])
    return SparseMask.of_part(np.isin(pieces, some[some > 0]), box, voxels.shape_kji, voxels.axis)


def _brush_voxels(brush: Brush, geometry: Geometry) -> SparseMask:
    grid = SliceGrid.of(geometry, brush.plane)
    path = np.array(brush.path_ijk, dtype=np.int64)
    for corner in (path.min(axis=0), path.max(axis=0)):
        i, j, k = corner.tolist()
        index, u, v = grid.split((i, j, k))
        check_inside(grid, index, (u, u), (v, v), "A part of the brush stroke")
    first, last = path[:, grid.axis].min(), path[:, grid.axis].max()
    if first < last:
        raise PromptError(
            f"The brush stroke goes over the {grid.plane} slices {first} to {last}: all of its points have to lie on "
            f"one. Name the plane that it is drawn in, or paint each slice by itself."
        )
    path_uv = path[:, grid.uv_axes]
    spacing_mm = geometry.spacing_mm_ijk[grid.axis]
    reach = int(brush.radius_mm / spacing_mm + 1e-6) if brush.ball else 0
    slices: dict[int, RunMask] = {}
    for step in range(min(reach, grid.count - 1) + 1):
        radius_mm = float(np.sqrt(max(brush.radius_mm**2 - (step * spacing_mm) ** 2, 0.0)))
        part, rows, cols = stroke_pixels(path_uv, radius_mm, grid.spacing_mm_vu, grid.shape_vu)
        if step == 0:  # a brush thinner than a voxel would leave gaps
            u, v = voxel_line(path_uv).T
            part[v - rows[0], u - cols[0]] = True
        pixels = RunMask.encode_part(part, rows, cols, grid.shape_vu)
        slices |= {index: pixels for index in {int(first) - step, int(first) + step} if 0 <= index < grid.count}
    return SparseMask(grid.axis, geometry.shape_kji, slices)
