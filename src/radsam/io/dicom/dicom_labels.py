"""Objects of a DICOM SEG or RTSTRUCT as a label map.

A file names its objects, and each makes its mask on a given grid. A label map holds
one object per voxel; both formats allow several.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from radsam.errors import GridMismatchError, VolumeError
from radsam.io.dicom.label_slices import LabelGrid
from radsam.io.label_grid import RESAMPLE_THEM, resample_onto
from radsam.volume import Geometry, LabelVolume, Volume


class LabelWarning(UserWarning):
    """A segmentation or structure set does not fit into a label map."""


class LabelOverlapWarning(LabelWarning):
    """Its objects overlap: the label map gives each voxel to one of them."""


@dataclass(frozen=True, eq=False)
class DicomObject:
    """One segment or ROI.

    Args:
        number: Its number in the file.
        name: SegmentLabel or ROIName.
        masks_on: Makes its masks on the images of a grid, by their index; warns of what these cannot hold.
        problem: Why it has no mask; empty if it has one.
    """

    number: int
    name: str
    masks_on: Callable[[LabelGrid], Mapping[int, Bool[np.ndarray, "rows cols"]]]
    problem: str = ""


@dataclass(frozen=True, eq=False)
class DicomLabels:
    """A SEG or RTSTRUCT file.

    Args:
        path: The file.
        kind: "SEG" or "RTSTRUCT".
        objects: Its objects in their order.
        series_uids: SeriesInstanceUIDs of the images that it refers to; may be empty.
        frame_of_reference: FrameOfReferenceUID of its positions; empty if absent.
        geometry: The grid of a SEG; None for contours.
        grid_problem: Why it has no grid of its own.
        grid_along: Makes a grid of contours, along the axes and with the pixels of a given one; None of a SEG.
    """

    path: Path
    kind: str
    objects: tuple[DicomObject, ...]
    series_uids: frozenset[str]
    frame_of_reference: str
    geometry: Geometry | None
    grid_problem: str
    grid_along: Callable[[Geometry], Geometry] | None = None

    def named(self, names: Sequence[str] | None) -> tuple[DicomObject, ...]:
        """Return the objects of these names in this order; all of them for None.

        Raises:
            VolumeError: No object or several objects have the name.
        """
        if names is None:
            return self.objects
        chosen = []
        for name in names:
            found = [each for each in self.objects if name in (each.name, str(each.number))]
            exact = [each for each in found if each.name == name]
            if len(exact or found) != 1:
                there = ", ".join(f"{each.number}: {each.name!r}" for each in self.objects)
                raise VolumeError(
                    f"{self.path} has {len(exact or found) or 'no'} objects named {name!r}. "
                    f"Choose by name or number: {there}."
                )
            chosen += exact or found
        return tuple(chosen)

    def check_place(self, volume: Volume) -> None:
        """Refuse labels whose positions mean another place than those of a volume.

        Raises:
            GridMismatchError: They lie in another frame of reference.
        """
        theirs = volume.series.frame_of_reference if volume.series else ""
        if theirs and self.frame_of_reference not in ("", theirs):
            raise GridMismatchError(
                f"{self.path} was made on another frame of reference: it refers to {self.frame_of_reference}, the "
                f"volume is {theirs}, so equal positions may be different places. Give the series that it was made "
                "on, or register it first."
            )

    def belongs(self, volume: Volume) -> bool | None:
        """Whether they were drawn on the series of a volume; None where one of them does not name it."""
        if volume.series is None or not volume.series.series_uid or not self.series_uids:
            return None  # as with a NIfTI file: the grid decides
        return volume.series.series_uid in self.series_uids

    def check_belongs(self, volume: Volume) -> None:
        """Refuse labels that were drawn on another series.

        Raises:
            GridMismatchError: It refers to another series, or to another frame of reference.
        """
        self.check_place(volume)
        if volume.series is not None and self.belongs(volume) is False:
            raise GridMismatchError(
                f"{self.path} was made on another series: it refers to {', '.join(sorted(self.series_uids))}, the "
                f"volume is {volume.series.series_uid}. Give the series that it was made on. {RESAMPLE_THEM} where "
                "both show the same place, or register it first."
            )


def compose_labels(
    labels: DicomLabels, on: Volume | None, names: Sequence[str] | None, *, resample: bool = False
) -> LabelVolume:
    """Make a label map of the objects of a file, on the grid of a volume or its own.

    Args:
        labels: The file.
        on: The volume; None keeps the grid of a SEG.
        names: The objects, in this order; None for all.
        resample: Take them from a grid of their own to that of the volume where they do not belong to its series, or
            do not lie on its images.

    Raises:
        VolumeError: It has no usable object, or no grid and no volume was given.
        GridMismatchError: It belongs to another series, or lies elsewhere.
    """
    if on is None or not resample:
        if on is not None:
            labels.check_belongs(on)
        return _compose(labels, on, names)
    labels.check_place(on)
    if labels.belongs(on):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = _compose(labels, on, names)
            for each in caught:
                warnings.warn(each.message, stacklevel=3)
            return found
        except GridMismatchError:
            pass  # drawn on its images, and brought to another grid since
    if labels.grid_along is not None:
        labels = replace(labels, geometry=labels.grid_along(on.geometry))
    return resample_onto(_compose(labels, None, names), on, labels.path)


def _compose(labels: DicomLabels, on: Volume | None, names: Sequence[str] | None) -> LabelVolume:
    grid = labels.geometry if on is None else on.geometry
    if grid is None:
        raise VolumeError(f"{labels.path} has no grid of its own: {labels.grid_problem} Give the CT it was made on.")
    chosen = labels.named(names)
    problems = [f"{each.name!r} {each.problem}" for each in chosen if each.problem]
    usable = [each for each in chosen if not each.problem]
    if not usable or (names is not None and problems):
        raise VolumeError(f"{labels.path} has no object that can be read: {'; '.join(problems) or 'it has no object'}.")
    if problems:
        warnings.warn(f"{labels.path}: left out {'; '.join(problems)}.", LabelWarning, stacklevel=4)
    ids = _numbers(labels, usable)
    target = LabelGrid(grid) if on is None else LabelGrid.of(on)
    packed = _pack(usable, target)
    painted, covered = _paint(packed, ids, grid, labels.path)
    names_by_id = {ids[each]: each.name for each in usable}
    return LabelVolume(painted, grid, names_by_id, covered, source="" if on is None else on.source)


def _pack(objects: Sequence[DicomObject], target: LabelGrid) -> dict[DicomObject, np.ndarray]:
    """Return the objects' masks on a grid, as bits; objects that share no pixel on the images share no voxel."""
    packed, on_images = {}, {}
    for each in objects:
        masks = each.masks_on(target)
        packed[each] = np.packbits(target.stack(masks))
        if target.image_k:  # each object gets a shape of its own between the images
            on_images[each] = {image: np.packbits(mask) for image, mask in masks.items()}
    # The smaller one keeps what would be in both.
    done: list[DicomObject] = []
    for each in sorted(on_images, key=lambda one: int(np.bitwise_count(packed[one]).sum(dtype=np.int64))):
        for other in done:
            shared = on_images[each].keys() & on_images[other].keys()
            if not any((on_images[each][image] & on_images[other][image]).any() for image in shared):
                packed[each] &= ~packed[other]
        done.append(each)
    return packed


def _numbers(labels: DicomLabels, usable: Sequence[DicomObject]) -> dict[DicomObject, int]:
    """Number the objects: segments keep theirs, ROIs are counted."""
    if labels.kind == "SEG" and all(0 < each.number <= 65535 for each in usable):
        return {each: each.number for each in usable}
    return {each: number for number, each in enumerate(usable, start=1)}


def _paint(
    packed: dict[DicomObject, np.ndarray], ids: dict[DicomObject, int], grid: Geometry, path: Path
) -> tuple[np.ndarray, dict[int, Int64[np.ndarray, " n"]]]:
    """Paint the largest object first, so that a small one within it can be seen; return what was painted over, too."""
    count = int(np.prod(grid.shape_kji))
    sizes = {each: int(np.bitwise_count(bits).sum(dtype=np.int64)) for each, bits in packed.items()}
    painted = np.zeros(count, dtype=np.uint8 if max(ids.values()) <= 255 else np.uint16)
    order = sorted(packed, key=lambda one: -sizes[one])
    overlap = False
    for each in order:
        inside = np.flatnonzero(np.unpackbits(packed[each], count=count))
        overlap = overlap or bool(painted[inside].any())
        painted[inside] = ids[each]
    covered = {}
    reported = []
    for each in reversed(order if overlap else []):
        inside = np.flatnonzero(np.unpackbits(packed[each], count=count))
        lost = inside[painted[inside] != ids[each]]
        if lost.size:
            covered[ids[each]] = lost
            owners = np.bincount(painted[lost])
            reported += [
                f"{owners[ids[other]]} of the {sizes[each]} voxels of {each.name!r} are in {other.name!r}"
                for other in order
                if ids[other] < owners.size and owners[ids[other]]
            ]
    if reported:
        warnings.warn(
            f"{path}: objects overlap in {sum(each.size for each in covered.values())} voxels; a label map holds one "
            f"of them, so the smaller one is on top: {'; '.join(reported)}. DICOM SEG and RTSTRUCT, and one file per "
            "object, hold each whole.",
            LabelOverlapWarning,
            stacklevel=5,
        )
    empty = [each.name for each, size in sizes.items() if not size]
    if empty:
        warnings.warn(f"{path}: no voxel of this grid lies in {', '.join(empty)}.", LabelWarning, stacklevel=5)
    return painted.reshape(grid.shape_kji), covered
