"""The interactions of nnInteractive's protocol with one object, as a prompt, bounds and corrections.

- A box one voxel thick is a box prompt; the axis along which it is thin chooses the plane. A further box in that plane
  on another slice sets one of the bounds; on the prompt's slice it replaces the prompt. The stop rule finds a bound
  that was not drawn.
- A thicker box is a box prompt on its middle axial slice, with its first and last slice as bounds.
- A point, a scribble or a lasso starts an object as point or mask prompt; later ones are corrections.
- A negative interaction is a correction.

Coordinates are voxels of the array, (k, j, i); boxes are half-open, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from radsam.errors import PromptError
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.volume import Bounds, Box, Geometry, Mask, Plane, Point, Prompt, SliceGrid, slice_index

Ranges = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Voxels = Bool[np.ndarray, "k j i"]

#: Points that represent a correction drawn as a region: further points change the prediction little.
_MAX_POINTS = 3
_STARTS_POSITIVE = "An object starts with a positive interaction; negative ones correct it afterwards."


@dataclass(frozen=True)
class Interactions:
    """The interactions with one object.

    Args:
        prompt: The prompt that starts the object; None before it.
        plane: The plane of the propagation.
        bound_slices: Slices drawn as bounds, the latest last.
        corrections: Groups of points, each group on one slice.
    """

    prompt: Prompt | None = None
    plane: Plane = Plane.AXIAL
    bound_slices: tuple[int, ...] = ()
    corrections: tuple[tuple[Point, ...], ...] = ()

    def bounds(self, grid: SliceGrid, found: tuple[int, int] | None) -> Bounds | None:
        """Return first and last slice, or None if the stop rule has to find them.

        Args:
            grid: The slices.
            found: First and last slice of the current mask, for a bound that was not drawn.
        """
        if not self.bound_slices or self.prompt is None:
            return None
        at = slice_index(self.prompt, grid)
        low = next((each for each in reversed(self.bound_slices) if each < at), found[0] if found else None)
        high = next((each for each in reversed(self.bound_slices) if each > at), found[1] if found else None)
        return None if low is None or high is None else Bounds(min(low, at), max(high, at))

    def starts_like(self, other: Interactions) -> bool:
        """Whether prompt, plane and bounds are the same, so that only corrections may differ."""
        return self.prompt is other.prompt and (self.plane, self.bound_slices) == (other.plane, other.bound_slices)


@dataclass(frozen=True, eq=False)
class Region:
    """A mask of a part of the volume.

    Args:
        voxels: The mask.
        ranges: The half-open ranges of the part along k, j and i.
    """

    voxels: Voxels
    ranges: Ranges

    def on(self, grid: SliceGrid, index: int) -> Bool[np.ndarray, "v u"]:
        """Return the mask of the whole slice `index`."""
        pixels = np.zeros(grid.shape_vu, bool)
        axis = 2 - grid.axis
        first, last = self.ranges[axis]
        if first <= index < last:
            rows, cols = (slice(*self.ranges[each]) for each in range(3) if each != axis)
            pixels[rows, cols] = np.take(self.voxels, index - first, axis=axis)
        return pixels

    def slices(self, grid: SliceGrid) -> range:
        """The slices of the part."""
        return range(*self.ranges[2 - grid.axis])

    def extent(self, axis_kji: int) -> int:
        """Return its thickness along an axis in voxels, 0 for an empty mask."""
        used = np.flatnonzero(self.voxels.any(axis=tuple(each for each in range(3) if each != axis_kji)))
        return int(used[-1] - used[0] + 1) if used.size else 0


def clipped(ranges: Ranges, geometry: Geometry) -> Ranges:
    """Clip a box to the volume: viewers allow boxes that reach beyond.

    Raises:
        PromptError: No voxel of the box lies inside the volume.
    """
    clip = tuple((max(0, low), min(size, high)) for (low, high), size in zip(ranges, geometry.shape_kji, strict=True))
    if any(high <= low for low, high in clip):
        raise PromptError(
            f"The box {[list(each) for each in ranges]} (z, y, x; upper ends excluded) has no voxel inside the volume "
            f"of {geometry.shape_kji}."
        )
    return clip[0], clip[1], clip[2]


def with_point(interactions: Interactions, point: Point, geometry: Geometry) -> Interactions:
    """Add a point.

    Raises:
        PromptError: The point lies outside the volume, or is negative and there is no object to correct.
    """
    if interactions.prompt is not None:
        CorrectionRequest(points=(point,)).check(geometry)
        return replace(interactions, corrections=(*interactions.corrections, (point,)))
    SegmentRequest(prompt=point, plane=interactions.plane).check(geometry)
    return replace(interactions, prompt=point)


def with_box(
    interactions: Interactions, ranges: Ranges, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add a box.

    Raises:
        PromptError: The box lies outside the volume, is too small, or is negative and there is no object to correct.
    """
    ranges = clipped(ranges, geometry)
    if not positive:
        region = Region(np.ones([high - low for low, high in ranges], bool), ranges)
        return with_correction(interactions, region, False, geometry, mask)
    thin = next((axis for axis in range(3) if ranges[axis][1] - ranges[axis][0] == 1), None)
    grid = SliceGrid.across(geometry, 2 - (thin or 0))
    first, last = ranges[2 - grid.axis]
    index = first if thin is not None else (first + last - 1) // 2
    (v0, v1), (u0, u1) = (ranges[each] for each in range(3) if each != 2 - grid.axis)
    box = Box.on(grid, index, u0, v0, u1 - 1, v1 - 1)
    if thin is None:
        return Interactions(box, grid.plane, tuple(each for each in (first, last - 1) if each != index))
    if interactions.prompt is None or grid.plane is not interactions.plane:
        return Interactions(box, grid.plane)
    if index == slice_index(interactions.prompt, grid):
        return replace(interactions, prompt=box)
    return replace(interactions, bound_slices=(*interactions.bound_slices, index))


def with_region(
    interactions: Interactions, region: Region, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add a scribble or a lasso.

    Raises:
        PromptError: The region is empty, or is negative and there is no object to correct.
    """
    if not region.voxels.any():
        raise PromptError("The interaction is empty: set at least one voxel of its mask.")
    if interactions.prompt is not None:
        return with_correction(interactions, region, positive, geometry, mask)
    if not positive:
        raise PromptError(_STARTS_POSITIVE)
    thinnest = min(range(3), key=region.extent)  # axial if equal
    grid = SliceGrid.across(geometry, 2 - thinnest)
    index = max(region.slices(grid), key=lambda each: int(region.on(grid, each).sum()))
    return Interactions(Mask.on(grid, index, region.on(grid, index)), grid.plane)


def with_correction(
    interactions: Interactions, region: Region, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add points where the mask of the object differs from a region, on the slice with the largest difference.

    Raises:
        PromptError: There is no object to correct.
    """
    if interactions.prompt is None:
        raise PromptError(_STARTS_POSITIVE)
    grid = SliceGrid.of(geometry, interactions.plane)
    wrong = {each: region.on(grid, each) & (grid.take(mask, each) != positive) for each in region.slices(grid)}
    index = max(wrong, key=lambda each: int(wrong[each].sum()))
    if not wrong[index].any():
        return interactions
    points = (Point(i=i, j=j, k=k, positive=positive) for i, j, k in _choose_points(wrong[index], grid, index))
    return replace(interactions, corrections=(*interactions.corrections, tuple(points)))


def from_segmentation(voxels: Voxels, geometry: Geometry) -> Interactions:
    """Start an object from a 3D mask: its largest axial slice is the prompt, its first and last slice the bounds.

    Raises:
        PromptError: The mask is empty.
    """
    grid = SliceGrid.across(geometry, 2)
    areas = voxels.sum(axis=(1, 2))
    if not areas.any():
        raise PromptError("The initial segmentation is empty: set at least one voxel.")
    used, index = np.flatnonzero(areas), int(areas.argmax())
    ends = tuple(int(each) for each in (used[0], used[-1]) if each != index)
    return Interactions(Mask.on(grid, index, voxels[index].copy()), grid.plane, ends)


def _choose_points(wrong: Bool[np.ndarray, "v u"], grid: SliceGrid, index: int) -> list[tuple[int, int, int]]:
    """Choose points in a region: first the point farthest from its border, then those farthest from each other."""
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1), sampling=grid.spacing_mm_vu)[1:-1, 1:-1]
    v, u = np.nonzero(wrong)
    chosen = [int(depth[v, u].argmax())]
    away = np.hypot(v - v[chosen[0]], u - u[chosen[0]])
    while len(chosen) < min(_MAX_POINTS, v.size):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.hypot(v - v[chosen[-1]], u - u[chosen[-1]]))
    return [grid.join(index, int(u[each]), int(v[each])) for each in chosen]
