"""The interactions of nnInteractive's protocol with one object, as its start and the requests that change it.

A positive interaction says "this belongs to the object", a negative one "this does not", wherever it is drawn:

- A box one voxel thick starts the object; the axis along which it is thin chooses the plane. A thicker one starts it
  on its middle axial slice, with its first and last slice as bounds.
- A further positive box, on any slice, holds the object there: nnInteractive's own model takes every box as evidence
  about its slice and none as an end. So it is a second anchor: that slice is predicted from it, and propagates as far
  as it is nearer than other prompts. (Earlier releases moved an end of the object to it, which nothing in the protocol
  says, and lost what was beyond.) Of a thick one it is the middle slice. In another plane than the object's, the model
  predicts the box's slice in the box's plane, and what it finds is painted.
- A point, a scribble (its line) or a lasso (its outline) starts an object, or corrects it. A scribble may be drawn in
  any plane; a lasso in another plane, or over several slices, is painted or erased.
- A negative box or lasso is the same as a negative area: it takes away what is in it.
- An initial segmentation starts the object as it is.

Coordinates are voxels of the array, (k, j, i); boxes are half-open, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.server.nninteractive.drawn_prompts import lassos_of, scribbles_of
from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import PaintRequest
from radsam.volume import Bounds, Box, Geometry, Mask, Plane, Point, Prompt, SliceGrid, SparseMask

Ranges = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Voxels = Bool[np.ndarray, "k j i"]

#: What changes an object: a correction, paint, or a box in another plane, whose slice the model predicts there.
Change = CorrectionRequest | PaintRequest | SegmentRequest
_STARTS_POSITIVE = "An object starts with a positive interaction; negative ones correct it afterwards."


@dataclass(frozen=True)
class Interactions:
    """The interactions with one object.

    Args:
        start: The request that starts the object; None before it.
        changes: The requests that change it, in order. Their object is named when they are applied.
    """

    start: SegmentRequest | StartFromMaskRequest | None = None
    changes: tuple[Change, ...] = ()

    def then(self, *changes: Change) -> Interactions:
        """Return the interactions with further ones."""
        return replace(self, changes=(*self.changes, *changes))

    @property
    def plane(self) -> Plane:
        """The plane of the object's propagation."""
        return Plane.AXIAL if self.start is None else self.start.plane


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

    def place(self, geometry: Geometry, plane: Plane = Plane.AXIAL) -> tuple[SliceGrid, int]:
        """Return the plane along whose axis it is thinnest, `plane` if equal, and the slice with most of it.

        Raises:
            PromptError: It is empty.
        """
        if not self.voxels.any():
            raise PromptError("The interaction is empty: set at least one voxel of its mask.")
        preferred = SliceGrid.of(geometry, plane).axis
        axis = min(range(3), key=lambda each: (self.extent(2 - each), each != preferred, -each))
        areas = self.voxels.sum(axis=tuple(each for each in range(3) if each != 2 - axis))
        return SliceGrid.across(geometry, axis), self.ranges[2 - axis][0] + int(areas.argmax())

    def sparse(self, geometry: Geometry) -> SparseMask:
        """Return it as voxels of the volume."""
        k, j, i = (slice(*each) for each in self.ranges)
        return SparseMask.of_part(self.voxels, (k, j, i), geometry.shape_kji, 2)

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
    if interactions.start is not None:
        correction = CorrectionRequest(points=(point,))
        correction.check(geometry)
        return interactions.then(correction)
    return _started(point, Plane.AXIAL, geometry)


def with_box(interactions: Interactions, ranges: Ranges, positive: bool, geometry: Geometry) -> Interactions:
    """Add a box.

    Raises:
        PromptError: The box lies outside the volume, is too small, or is negative and there is no object to correct.
    """
    ranges = clipped(ranges, geometry)
    if not positive:
        region = Region(np.ones([high - low for low, high in ranges], bool), ranges)
        return _with_area(interactions, region, False, geometry)
    thin = next((axis for axis in range(3) if ranges[axis][1] - ranges[axis][0] == 1), None)
    started = interactions.start is not None
    grid = SliceGrid.of(geometry, interactions.plane) if started else SliceGrid.across(geometry, 2)
    if thin is not None and (not started or ranges[2 - grid.axis][1] - ranges[2 - grid.axis][0] > 1):
        grid = SliceGrid.across(geometry, 2 - thin)
    first, last = ranges[2 - grid.axis]
    index = (first + last - 1) // 2
    (v0, v1), (u0, u1) = (ranges[each] for each in range(3) if each != 2 - grid.axis)
    box = Box.on(grid, index, u0, v0, u1 - 1, v1 - 1)
    if not started:
        return _started(box, grid.plane, geometry, Bounds(first, last - 1) if last - first > 1 else None)
    if grid.plane is not interactions.plane:
        return interactions.then(SegmentRequest(prompt=box, plane=grid.plane))
    return interactions.then(CorrectionRequest(points=(box,)))


def with_scribble(interactions: Interactions, region: Region, positive: bool, geometry: Geometry) -> Interactions:
    """Add a scribble, drawn in any plane.

    Raises:
        PromptError: The scribble is empty, or is negative and there is no object to correct.
    """
    grid, index = region.place(geometry)
    scribbles = scribbles_of(region.on(grid, index), grid, index, positive)
    if interactions.start is None:
        interactions = _started(scribbles.pop(0), grid.plane, geometry)
    if grid.plane is interactions.plane and scribbles:
        return interactions.then(CorrectionRequest(points=tuple(scribbles)))
    # Each lies on several slices of the object's plane.
    return interactions.then(*(CorrectionRequest(points=(each,)) for each in scribbles))


def with_lasso(interactions: Interactions, region: Region, positive: bool, geometry: Geometry) -> Interactions:
    """Add a lasso, drawn in any plane.

    Raises:
        PromptError: The lasso is empty, or is negative and there is no object to correct.
    """
    grid, index = region.place(geometry)
    if interactions.start is None and positive:
        return _started(Mask.on(grid, index, region.on(grid, index)), grid.plane, geometry)
    return _with_area(interactions, region, positive, geometry)


def from_segmentation(voxels: Voxels, geometry: Geometry) -> Interactions:
    """Start an object from a 3D mask as it is.

    Raises:
        PromptError: The mask is empty.
    """
    if not voxels.any():
        raise PromptError("The initial segmentation is empty: set at least one voxel.")
    plane = SliceGrid.across(geometry, 2).plane
    return Interactions(StartFromMaskRequest(mask=SparseMask.of(voxels, 2), plane=plane))


def _started(prompt: Prompt, plane: Plane, geometry: Geometry, bounds: Bounds | None = None) -> Interactions:
    if not prompt.positive:
        raise PromptError(_STARTS_POSITIVE)
    request = SegmentRequest(prompt=prompt, plane=plane, bounds=bounds)
    request.check(geometry)
    return Interactions(request)


def _with_area(interactions: Interactions, region: Region, positive: bool, geometry: Geometry) -> Interactions:
    """Add or take away an area: with the model on a slice of the object's plane, else by hand."""
    if interactions.start is None:
        raise PromptError(_STARTS_POSITIVE)
    grid, index = region.place(geometry, interactions.plane)
    if grid.plane is not interactions.plane or region.extent(2 - grid.axis) > 1:
        return interactions.then(PaintRequest(shape=region.sparse(geometry), positive=positive))
    pixels = region.on(grid, index)
    prompts = lassos_of(pixels, grid, index, True) if positive else [Mask.on(grid, index, pixels, positive=False)]
    return interactions.then(CorrectionRequest(points=tuple(prompts)))
