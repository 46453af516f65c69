"""Voxels of a volume as run-length masks of some of its slices: painted voxels, and masks of whole objects.

Memory and time follow the voxels, not the volume: a stroke on three of 400 slices costs three slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.volume.plane import AXIS_NAMES
from radsam.volume.run_mask import RunMask

#: A box of a volume: where it starts and stops along k, j and i.
Box3 = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class SparseMask:
    """Voxels of a volume, as masks of its slices along one stored axis.

    Args:
        axis: The stored axis that counts the slices: 0 is i, 1 is j, 2 is k.
        shape_kji: Number of voxels of the volume along k, j and i.
        slices: Slice index to the mask of that slice, indexed [v, u] as `radsam.volume.plane` describes. Empty ones
            are left out; the order is ascending.

    Raises:
        PromptError: A slice lies outside the volume, or its mask has another size than the slice.
    """

    axis: int
    shape_kji: tuple[int, int, int]
    slices: Mapping[int, RunMask]

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise PromptError(f"Slices are counted along axis 0, 1 or 2 (i, j or k), not {self.axis}.")
        name, count, shape_vu = AXIS_NAMES[self.axis], self.shape_kji[2 - self.axis], self.shape_vu
        for index, mask in self.slices.items():
            if not isinstance(index, int | np.integer):
                raise PromptError(f"The number of a slice is a whole number, not {index!r}.")
            if not 0 <= index < count:
                raise PromptError(
                    f"The mask lies outside the volume: {name}={index}, but {name} goes from 0 to {count - 1}."
                )
            if mask.shape != shape_vu:
                raise PromptError(
                    f"The mask of slice {name}={index} is {mask.shape}, the slice is {shape_vu} (rows, columns)."
                )
        object.__setattr__(
            self,
            "slices",
            {int(index): self.slices[index] for index in sorted(self.slices) if self.slices[index].area},
        )

    @classmethod
    def of(cls, array_kji: Bool[np.ndarray, "k j i"], axis: int) -> SparseMask:
        """Take the voxels of a whole array, as slices along a stored axis."""
        across = 2 - axis
        touched = np.flatnonzero(array_kji.any(axis=tuple(each for each in range(3) if each != across)))
        slices = {int(index): RunMask.encode(array_kji.take(index, across)) for index in touched}
        k, j, i = array_kji.shape
        return cls(axis, (k, j, i), slices)

    @classmethod
    def of_part(
        cls, part_kji: Bool[np.ndarray, "k j i"], box_kji: Box3, shape_kji: tuple[int, int, int], axis: int
    ) -> SparseMask:
        """Take the voxels of an array that holds a part of the volume, as slices along a stored axis.

        Args:
            part_kji: The voxels of the part.
            box_kji: Where along k, j and i the part lies; each slice has a start and a stop.
            shape_kji: Number of voxels of the volume along k, j and i.
            axis: The stored axis that counts the slices: 0 is i, 1 is j, 2 is k.
        """
        across = 2 - axis
        rows, cols = (np.arange(each.start, each.stop) for n, each in enumerate(box_kji) if n != across)
        shape_vu = cls(axis, shape_kji, {}).shape_vu
        masks = RunMask.encode_parts(np.moveaxis(part_kji, across, 0), rows, cols, shape_vu)
        return cls(axis, shape_kji, dict(enumerate(masks, start=box_kji[across].start)))

    def part(self) -> tuple[Bool[np.ndarray, "k j i"], Box3]:
        """Return the voxels as an array of the box around them, and where along k, j and i that lies.

        The inverse of `of_part`; the box of an empty mask is empty.
        """
        if not self.slices:
            return np.zeros((0, 0, 0), dtype=bool), (slice(0, 0), slice(0, 0), slice(0, 0))
        boxes = np.array([mask.enclosing_box for mask in self.slices.values()])
        (u0, v0), (u1, v1) = boxes[:, :2].min(axis=0).tolist(), (boxes[:, 2:].max(axis=0) + 1).tolist()
        first, last = min(self.slices), max(self.slices)
        box = [slice(v0, v1), slice(u0, u1)]
        box.insert(2 - self.axis, slice(first, last + 1))
        array = np.zeros([each.stop - each.start for each in box], dtype=bool)
        across = np.moveaxis(array, 2 - self.axis, 0)
        for index, mask in self.slices.items():
            across[index - first] = mask.decode()[v0:v1, u0:u1]
        return array, (box[0], box[1], box[2])

    @property
    def shape_vu(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        v, u = (size for across, size in enumerate(self.shape_kji) if across != 2 - self.axis)
        return v, u

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return sum(mask.area for mask in self.slices.values())

    def __bool__(self) -> bool:
        """Whether there is a voxel."""
        return bool(self.slices)

    def decode(self) -> Bool[np.ndarray, "k j i"]:
        """Return the voxels as an array of the whole volume; the inverse of `of`."""
        array = np.zeros(self.shape_kji, dtype=bool)
        across = np.moveaxis(array, 2 - self.axis, 0)
        for index, mask in self.slices.items():
            across[index] = mask.decode()
        return array

    def along(self, axis: int) -> SparseMask:
        """Return the same voxels as slices along another stored axis.

        Only the box around the voxels is decoded, and of the present slices only those with voxels.
        """
        if axis == self.axis:
            return self
        if not self.slices:
            return SparseMask(axis, self.shape_kji, self.slices)
        boxes = np.array([mask.enclosing_box for mask in self.slices.values()])
        (u0, v0), (u1, v1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        # An empty slice after each row of neighbours, so that no run goes on over a gap between slices.
        numbers = sorted({each for index in self.slices for each in (index, index + 1)})
        part = np.zeros((len(numbers), v1 - v0 + 1, u1 - u0 + 1), dtype=bool)
        for at, mask in zip(np.searchsorted(numbers, list(self.slices)), self.slices.values(), strict=True):
            part[at] = mask.decode()[v0 : v1 + 1, u0 : u1 + 1]
        # The stored axes of `part`, with where its voxels lie along each; the later axis of a slice counts its rows.
        u, v = (each for each in range(3) if each != self.axis)
        places = {self.axis: np.array(numbers), u: np.arange(u0, u1 + 1), v: np.arange(v0, v1 + 1)}
        part_axes = [self.axis, v, u]
        cols, rows = (each for each in range(3) if each != axis)
        part = part.transpose([part_axes.index(each) for each in (axis, rows, cols)])
        shape_vu = self.shape_kji[2 - rows], self.shape_kji[2 - cols]
        masks = RunMask.encode_parts(part, places[rows], places[cols], shape_vu)
        return SparseMask(axis, self.shape_kji, dict(zip(places[axis].tolist(), masks, strict=True)))

    def union(self, other: SparseMask) -> SparseMask:
        """Return the voxels of either mask, as slices along this one's axis."""
        slices = dict(self.slices)
        for index, mask in other.along(self.axis).slices.items():
            present = slices.get(index)
            slices[index] = mask if present is None else RunMask.encode(present.decode() | mask.decode())
        return SparseMask(self.axis, self.shape_kji, slices)

    def without(self, other: SparseMask) -> SparseMask:
        """Return the voxels that are not in another mask, as slices along this one's axis."""
        taken = other.along(self.axis).slices
        slices = {
            index: RunMask.encode(mask.decode() & ~taken[index].decode()) if index in taken else mask
            for index, mask in self.slices.items()
        }
        return SparseMask(self.axis, self.shape_kji, slices)

    def check(self, shape_kji: tuple[int, int, int]) -> None:
        """Refuse a mask of another volume.

        Raises:
            PromptError: The mask is of a volume of another size.
        """
        if self.shape_kji != shape_kji:
            given, needed = ("×".join(map(str, reversed(each))) for each in (self.shape_kji, shape_kji))
            raise PromptError(
                f"The mask is of a volume of {given} voxels (i, j, k), this one has {needed}. "
                "Give a mask on this volume's grid."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseMask):
            return NotImplemented
        return self is other or (self.axis, self.shape_kji, self.slices) == (other.axis, other.shape_kji, other.slices)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Of a few numbers, and once: edits are keys of caches, hashed again and again in a long history.
        return hash((self.axis, self.shape_kji, tuple(self.slices)))
