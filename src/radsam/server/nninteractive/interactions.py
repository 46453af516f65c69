"""What a user has drawn about one object, and what it means to us.

- A box one voxel thick is a box prompt, in the plane that it is thin across. Each further one in that plane is an
  end of the object: it and the first one's slice lie between the bounds. On the prompt's own slice it replaces the
  prompt. An end that was not drawn is the one that the stop rule found.
- A box thicker than that is a box on its middle slice, with its first and last slice as bounds.
- A point, a scribble or a lasso starts an object as point or mask prompt; afterwards they are corrections.
- Whatever is negative is a correction.

Everything here is in voxels of the array, (k, j, i); boxes are half-open, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from radsam.errors import PromptError
from radsam.volume import Box, Geometry, Mask, Plane, Point, Prompt, SliceGrid, slice_index

Ranges = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Voxels = Bool[np.ndarray, "k j i"]

#: A correction drawn as an area is told to the model as so many clicks: more say little, and slow nothing down.
_CLICKS = 3
_STARTS_POSITIVE = "An object starts with a positive interaction; negative ones correct it afterwards."


@dataclass(frozen=True)
class Interactions:
    """One object.

    Args:
        prompt: What started it; None where nothing was drawn yet.
        plane: The plane that it is walked in.
        ends: Slices that were drawn as its ends, the latest last.
        corrections: Clicks, each group on one slice.
    """

    prompt: Prompt | None = None
    plane: Plane = Plane.AXIAL
    ends: tuple[int, ...] = ()
    corrections: tuple[tuple[Point, ...], ...] = ()

    def bounds(self, grid: SliceGrid, found: tuple[int, int] | None) -> tuple[int, int] | None:
        """Return first and last slice, or None where the stop rule shall find both.

        Args:
            grid: The slices.
            found: First and last slice of the object as it stands, for an end that was not drawn.
        """
        if not self.ends or self.prompt is None:
            return None
        at = slice_index(self.prompt, grid)
        low = next((each for each in reversed(self.ends) if each < at), found[0] if found else None)
        high = next((each for each in reversed(self.ends) if each > at), found[1] if found else None)
        return None if low is None or high is None else (min(low, at), max(high, at))

    def starts_like(self, other: Interactions) -> bool:
        """Whether another drawing starts the object in the same way, so that only corrections may differ."""
        return self.prompt is other.prompt and (self.plane, self.ends) == (other.plane, other.ends)


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels that were drawn over: a part of the volume.

    Args:
        voxels: The part.
        ranges: Where it lies.
    """

    voxels: Voxels
    ranges: Ranges

    def on(self, grid: SliceGrid, index: int) -> Bool[np.ndarray, "v u"]:
        """Return the whole slice `index`."""
        pixels = np.zeros(grid.shape_vu, bool)
        axis = 2 - grid.axis
        first, last = self.ranges[axis]
        if first <= index < last:
            rows, cols = (slice(*self.ranges[each]) for each in range(3) if each != axis)
            pixels[rows, cols] = np.take(self.voxels, index - first, axis=axis)
        return pixels

    def slices(self, grid: SliceGrid) -> range:
        """The slices that it may lie on."""
        return range(*self.ranges[2 - grid.axis])

    def extent(self, axis_kji: int) -> int:
        """How many slices it is thick."""
        used = np.flatnonzero(self.voxels.any(axis=tuple(each for each in range(3) if each != axis_kji)))
        return int(used[-1] - used[0] + 1) if used.size else 0


def clipped(ranges: Ranges, geometry: Geometry) -> Ranges:
    """Cut a box to the volume: viewers let it reach beyond.

    Raises:
        PromptError: Nothing is left.
    """
    cut = tuple((max(0, low), min(size, high)) for (low, high), size in zip(ranges, geometry.shape_kji, strict=True))
    if any(high <= low for low, high in cut):
        raise PromptError(
            f"The box {[list(each) for each in ranges]} (z, y, x; upper ends excluded) has no voxel inside the volume "
            f"of {geometry.shape_kji}."
        )
    return cut[0], cut[1], cut[2]


def with_point(interactions: Interactions, point: Point, geometry: Geometry) -> Interactions:
    """Add a point.

    Raises:
        PromptError: It lies outside the volume, or is negative and there is nothing to correct.
    """
    point.check(SliceGrid.of(geometry, interactions.plane))
    if interactions.prompt is not None:
        return replace(interactions, corrections=(*interactions.corrections, (point,)))
    if not point.positive:
        raise PromptError(_STARTS_POSITIVE)
    return replace(interactions, prompt=point)


def with_box(
    interactions: Interactions, ranges: Ranges, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add a box.

    Raises:
        PromptError: It lies outside the volume, is too small, or is negative and there is nothing to correct.
    """
    ranges = clipped(ranges, geometry)
    if not positive:
        area = Region(np.ones([high - low for low, high in ranges], bool), ranges)
        return with_correction(interactions, area, False, geometry, mask)
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
    return replace(interactions, ends=(*interactions.ends, index))


def with_area(
    interactions: Interactions, area: Region, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add a scribble or a lasso.

    Raises:
        PromptError: It is empty, or is negative and there is nothing to correct.
    """
    if not area.voxels.any():
        raise PromptError("The interaction is empty: no voxel of it is set.")
    if interactions.prompt is not None:
        return with_correction(interactions, area, positive, geometry, mask)
    if not positive:
        raise PromptError(_STARTS_POSITIVE)
    thinnest = min(range(3), key=area.extent)  # of equals the first: axial
    grid = SliceGrid.across(geometry, 2 - thinnest)
    index = max(area.slices(grid), key=lambda each: int(area.on(grid, each).sum()))
    return Interactions(Mask.on(grid, index, area.on(grid, index)), grid.plane)


def with_correction(
    interactions: Interactions, area: Region, positive: bool, geometry: Geometry, mask: Voxels
) -> Interactions:
    """Add clicks where the object differs from an area; where it does not, nothing.

    Raises:
        PromptError: There is nothing to correct.
    """
    if interactions.prompt is None:
        raise PromptError(_STARTS_POSITIVE)
    grid = SliceGrid.of(geometry, interactions.plane)
    wrong = {each: area.on(grid, each) & (grid.take(mask, each) != positive) for each in area.slices(grid)}
    index = max(wrong, key=lambda each: int(wrong[each].sum()))
    if not wrong[index].any():
        return interactions
    clicks = (Point(i=i, j=j, k=k, positive=positive) for i, j, k in _clicks(wrong[index], grid, index))
    return replace(interactions, corrections=(*interactions.corrections, tuple(clicks)))


def from_segmentation(voxels: Voxels, geometry: Geometry) -> Interactions:
    """Start an object from a mask in 3D: its largest slice is the prompt, its extent the bounds.

    Raises:
        PromptError: It is empty.
    """
    grid = SliceGrid.across(geometry, 2)
    areas = voxels.sum(axis=(1, 2))
    if not areas.any():
        raise PromptError("The initial segmentation is empty.")
    used, index = np.flatnonzero(areas), int(areas.argmax())
    ends = tuple(int(each) for each in (used[0], used[-1]) if each != index)
    return Interactions(Mask.on(grid, index, voxels[index].copy()), grid.plane, ends)


def _clicks(wrong: Bool[np.ndarray, "v u"], grid: SliceGrid, index: int) -> list[tuple[int, int, int]]:
    """Choose clicks in an area: the deepest first, then what is farthest from those chosen."""
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1), sampling=grid.spacing_mm_vu)[1:-1, 1:-1]
    v, u = np.nonzero(wrong)
    chosen = [int(depth[v, u].argmax())]
    away = np.hypot(v - v[chosen[0]], u - u[chosen[0]])
    while len(chosen) < min(_CLICKS, v.size):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.hypot(v - v[chosen[-1]], u - u[chosen[-1]]))
    return [grid.join(index, int(u[each]), int(v[each])) for each in chosen]
