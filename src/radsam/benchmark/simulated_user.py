"""The simulated user: the only part of the benchmark that has the truth.

It prompts as a careful user would: a prompt and bounds at first (paper 3.3, 4.1), then corrections in the
error (4.2). The same generator state gives the same prompts.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from radsam.benchmark.benchmark_config import ModeConfig
from radsam.benchmark.models import PaintedSlice
from radsam.metrics import dice
from radsam.session.edit_request import SegmentRequest
from radsam.simulate import (
    centre_click,
    centre_voxel,
    diameter_box,
    exact_box,
    longest_diameter,
    noisy_object,
    random_box,
    random_click,
    random_point,
    random_voxel,
    scribble_voxels,
)
from radsam.volume import Bounds, Box, Geometry, Mask, Plane, Point, Prompt, SliceGrid

Voxels = Bool[np.ndarray, "k j i"]

#: Noise of a mask of a whole object; its Dice is around .8 on `val`.
_NOISE = 0.6
#: A box is drawn on every such slice, and a slice is painted below this Dice.
_EVERY, _GOOD_DICE = 5, 0.9


class SimulatedUser:
    """A user who segments one object.

    Args:
        truth: The object.
        geometry: Its grid.
        mode: How the user behaves.
        rng: Source of randomness.
        min_pixels: Slices with fewer pixels of the object get no prompt.
    """

    def __init__(
        self, truth: Voxels, geometry: Geometry, mode: ModeConfig, rng: np.random.Generator, *, min_pixels: int = 1
    ) -> None:
        self.truth, self.mode = truth, mode
        self.grid = SliceGrid.of(geometry, Plane.AXIAL)
        self._rng = rng
        self._spacing_mm_ijk = geometry.spacing_mm_ijk
        self._boxed: set[int] = set()
        areas = np.array([np.count_nonzero(self.grid.take(truth, index)) for index in range(self.grid.count)])
        self._held = np.flatnonzero(areas)
        enough = np.flatnonzero(areas >= min_pixels)
        #: Slices that may be prompted: at least the largest one.
        self._promptable = enough if enough.size else np.array([int(areas.argmax())])
        self._largest = int(areas.argmax())

    def first(self) -> SegmentRequest:
        """Return the first request: one prompt on one slice and, if the mode has bounds, first and last slice."""
        index = self._largest
        if self.mode.prompt_slice == "random":
            index = int(self._promptable[self._rng.integers(self._promptable.size)])
        return SegmentRequest(prompt=self._prompt(index), bounds=self.bounds)

    @property
    def bounds(self) -> Bounds | None:
        """First and last slice of the object; None in a mode without bounds."""
        return Bounds(int(self._held[0]), int(self._held[-1])) if self.mode.bounds else None

    def noisy_object(self) -> Voxels:
        """Return the mask of the whole object that the user got from a model, to correct it."""
        i, j, k = self._spacing_mm_ijk
        return noisy_object(self.truth, (k, j, i), self._rng, amount=_NOISE)

    def slices(self) -> list[int]:
        """Return the slices that get a prompt at slice level."""
        count = self._promptable.size
        most = min(self.mode.most_slices or count, count)
        ranks = np.unique(np.linspace(0, count - 1, most).round().astype(int))
        return [int(index) for index in self._promptable[ranks]]

    def first_on(self, index: int) -> SegmentRequest:
        """Return the request that segments one slice alone."""
        return SegmentRequest(prompt=self._prompt(index), bounds=Bounds(index, index))

    def correction(self, predicted: Voxels) -> tuple[Prompt, ...] | PaintedSlice:
        """Return one correction of the volume; no prompt where the mask is right, or nothing is left to do.

        Returns:
            Prompts on one slice; or the slice as it should be, which the user paints.
        """
        if self.mode.edit == "box":
            return self._next_box(predicted)
        if self.mode.edit == "paint":
            return self._next_slice(predicted)
        if self.mode.edit == "scribble":
            return scribble_voxels(predicted, self.truth)
        centre = self.mode.edit == "centre"
        click = centre_voxel(predicted, self.truth) if centre else random_voxel(predicted, self.truth, self._rng)
        return (click,) if click else ()

    def _wrong(self, predicted: Voxels) -> dict[int, int]:
        """Return the number of wrong pixels of each slice that has any."""
        counts = {
            index: int(np.count_nonzero(self.grid.take(predicted, index) != self.grid.take(self.truth, index)))
            for index in range(self.grid.count)
        }
        return {index: count for index, count in counts.items() if count}

    def _next_box(self, predicted: Voxels) -> tuple[Prompt, ...]:
        """Return the box on the worst slice of every fifth one, counted from the largest, that has none yet."""
        held = {int(index) for index in self._held if (index - self._largest) % _EVERY == 0} - {self._largest}
        left = {index: count for index, count in self._wrong(predicted).items() if index in held - self._boxed}
        if not left:
            return ()
        index = max(left, key=lambda each: left[each])
        self._boxed.add(index)
        return (Box.on(self.grid, index, *exact_box(self.grid.take(self.truth, index))),)

    def _next_slice(self, predicted: Voxels) -> tuple[Prompt, ...] | PaintedSlice:
        """Return the worst slice of those that are not good yet."""
        left = {
            index: count
            for index, count in self._wrong(predicted).items()
            if dice(self.grid.take(predicted, index), self.grid.take(self.truth, index)) < _GOOD_DICE
        }
        if not left:
            return ()
        index = max(left, key=lambda each: left[each])
        return PaintedSlice(index, self.grid.take(self.truth, index).copy())

    def correction_on(self, index: int, predicted: Voxels) -> tuple[Point, ...]:
        """Return the points of one correction of a slice; none where the mask is right."""
        here, truth = self.grid.take(predicted, index), self.grid.take(self.truth, index)
        if self.mode.edit == "scribble":
            scribble = scribble_voxels(here[None], truth[None])
            clicks = [(each.i, each.j, each.positive) for each in scribble]
        else:
            click = centre_click(here, truth) if self.mode.edit == "centre" else random_click(here, truth, self._rng)
            clicks = [(click.x, click.y, click.positive)] if click else []
        points = ((self.grid.join(index, u, v), positive) for u, v, positive in clicks)
        return tuple(Point(i=i, j=j, k=k, positive=positive) for (i, j, k), positive in points)

    def best(self, index: int, masks: tuple[Voxels, ...]) -> Voxels:
        """Return the mask with the highest Dice on a slice (paper, Table 6)."""
        truth = self.grid.take(self.truth, index)
        overlaps = []
        for mask in masks:
            here = self.grid.take(mask, index)
            overlaps.append(2 * np.count_nonzero(here & truth) / max(1, np.count_nonzero(here) + truth.sum()))
        return masks[int(np.argmax(overlaps))]

    def _prompt(self, index: int) -> Prompt:
        here = self.grid.take(self.truth, index)
        match self.mode.start:
            case "point":
                i, j, k = self.grid.join(index, *random_point(here, self._rng))
                return Point(i=i, j=j, k=k)
            case "mask":
                return Mask.on(self.grid, index, here.copy())
            case "diameter":
                spacing = self.grid.spacing_mm_vu
                box = diameter_box(longest_diameter(here, spacing), spacing, self.grid.shape_vu)
            case _ if self.mode.box == "loose":
                # A pixel of a 1024 image, on this slice.
                box = random_box(here, self._rng, unit=max(self.grid.shape_vu) / 1024)
            case _:
                box = exact_box(here)
        return Box.on(self.grid, index, *box)
