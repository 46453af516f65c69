"""Bringing labels to another grid in the same space: each voxel takes the label that lies nearest to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from radsam.errors import GridMismatchError
from radsam.volume.geometry import Geometry, nearest_index
from radsam.volume.volume import LabelVolume

#: Halfway between two voxels the upper one is nearest, as for `nearest_index`.
_UPWARDS = 1e-6


@dataclass(frozen=True)
class ResampledObject:
    """What became of one object.

    Args:
        voxels_before: How many voxels it had, whole, on its own grid.
        voxels_after: How many it has on the new one.
        voxels_outside: How many of its own voxels lie outside the new grid, where they are lost.
    """

    voxels_before: int
    voxels_after: int
    voxels_outside: int


@dataclass(frozen=True)
class Resampled:
    """Labels on another grid.

    Args:
        labels: The labels there; objects that overlap are whole, as before.
        source: The grid that they come from.
        objects: What became of each object that had a voxel, by its id.
    """

    labels: LabelVolume
    source: Geometry
    objects: Mapping[int, ResampledObject]

    def describe(self, what: str) -> str:
        """Return some sentences for people.

        Args:
            what: A name for the labels, as the subject of a sentence ("organs.nii.gz").
        """
        changes, beyond = [], []
        for number, each in self.objects.items():
            name = self.labels.names.get(number, f"label {number}")
            changes.append(f"{name} {each.voxels_before} voxels before, {each.voxels_after} after")
            if each.voxels_outside:
                beyond.append(f"{name} ({each.voxels_outside} of its {each.voxels_before} voxels are lost)")
        gone = [
            self.labels.names.get(number, f"label {number}")
            for number, each in self.objects.items()
            if each.voxels_before and not each.voxels_after
        ]
        return (
            f"{what} was resampled from {self.source.describe()} to the grid of the volume, by position in space: "
            f"{'; '.join(changes)}."
            + (f" Partly outside the volume: {', '.join(beyond)}." if beyond else "")
            + (f" Without a voxel left: {', '.join(gone)}." if gone else "")
        )


def resample_labels(labels: LabelVolume, target: Geometry) -> Resampled:
    """Give each voxel of a grid the label that lies nearest to its centre; none where that lies outside the labels.

    Args:
        labels: The labels.
        target: The new grid, in the same space: of any spacing, extent and direction.

    Raises:
        GridMismatchError: The objects have voxels, and none of them lies in `target`.
    """
    source = labels.geometry
    ids = _nearest(labels.ids, source, target)
    covered = {}
    for number in labels.covered:
        lost = np.flatnonzero(_nearest(labels.mask(number), source, target) & (ids != number))
        if lost.size:
            covered[number] = lost.astype(np.int64)
    moved = replace(labels, ids=ids, geometry=target, covered=covered)
    before, outside = _count(labels, target)
    after, _ = _count(moved, target)
    objects = {
        int(number): ResampledObject(int(before[number]), int(after[number]), int(outside[number]))
        for number in np.flatnonzero(before)
    }
    if objects and all(each.voxels_outside == each.voxels_before for each in objects.values()):
        raise GridMismatchError(
            f"No voxel of the labels lies in the volume: they have {source.describe()}, the volume has "
            f"{target.describe()}. Give labels of the same place, or register them with the volume first."
        )
    return Resampled(moved, source, objects)


def _nearest(values: Shaped[np.ndarray, "k j i"], source: Geometry, target: Geometry) -> Shaped[np.ndarray, "n m l"]:
    """Return the nearest of `values` for each voxel of `target`; 0 outside of them."""
    from scipy.ndimage import affine_transform

    steps = np.linalg.inv(source.affine_lps[:3, :3]) @ target.affine_lps[:3, :3]
    start = source.mm_to_index(np.array(target.origin_lps)) + _UPWARDS
    # Arrays are indexed (k, j, i), grids (i, j, k).
    moved = affine_transform(
        values.view(np.uint8) if values.dtype == np.bool_ else values,
        steps[::-1, ::-1],
        start[::-1],
        output_shape=target.shape_kji,
        order=0,
        mode="grid-constant",
    )
    return np.asarray(moved.astype(values.dtype, copy=False))


def _count(labels: LabelVolume, target: Geometry) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Count the voxels of each object, whole: all of them, and those with their centre outside `target`."""
    most = np.iinfo(labels.ids.dtype).max + 1
    every, outside = np.zeros(most, np.int64), np.zeros(most, np.int64)
    for voxels, numbers in _voxels(labels):
        every += np.bincount(numbers, minlength=most)
        outside += np.bincount(numbers[_lies_outside(voxels, labels.geometry, target)], minlength=most)
    return every, outside


def _voxels(labels: LabelVolume) -> Iterator[tuple[Int64[np.ndarray, " n"], Shaped[np.ndarray, " n"]]]:
    """Yield the objects' voxels, as indices into the flattened ids, and whose they are; slice by slice."""
    size = labels.ids[0].size
    for k, slice_ji in enumerate(labels.ids):
        inside = np.flatnonzero(slice_ji)
        if inside.size:
            yield inside + k * size, slice_ji.reshape(-1)[inside]
    for number, voxels in labels.covered.items():
        yield voxels, np.full(voxels.size, number)


def _lies_outside(voxels: Int64[np.ndarray, " n"], source: Geometry, target: Geometry) -> Bool[np.ndarray, " n"]:
    kji = np.unravel_index(voxels, source.shape_kji)
    there = nearest_index(target.mm_to_index(source.index_to_mm(np.stack(kji[::-1], axis=1).astype(np.float64))))
    return np.asarray(((there < 0) | (there >= np.array(target.shape_ijk))).any(axis=1))
