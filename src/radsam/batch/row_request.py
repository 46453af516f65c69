"""From a row of the manifest and its volume to the request that segments it, in voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest_row import FROM_MASK, ManifestRow, Space
from radsam.batch.recist import diameter_ellipse
from radsam.errors import PromptError, VolumeError
from radsam.io.dicom.dicom_input import is_dicom
from radsam.io.label_grid import require_same_grid
from radsam.io.volume_read import read_labels
from radsam.session.edit_request import SegmentRequest
from radsam.volume import Bounds, Box, Geometry, LabelVolume, Mask, Prompt, SliceGrid, Volume
from radsam.volume.coordinates import Coordinates

_LPS_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


def typed_request(row: ManifestRow, geometry: Geometry, settings: BatchSettings) -> SegmentRequest:
    """Return the request of a row with a box, a point or a diameter; needs the volume's grid alone.

    Args:
        row: A row without a mask prompt.
        geometry: The volume's grid.
        settings: The settings of the run.

    Raises:
        PromptError: The prompt or the bounds do not lie in the volume, or contradict each other there.
    """
    typed = _coordinates(row, geometry)
    if row.box is not None and row.in_space:
        return _request(row, *_box_in_space(row.box, typed), geometry, settings)
    if row.box is not None:
        prompt: Prompt = typed.box(_slice(row), row.box)
        inside = (row.box[0] + row.box[2]) / 2, (row.box[1] + row.box[3]) / 2
    elif row.point is not None:
        prompt = typed.point(row.point, True) if row.in_space else typed.point_on_slice(_slice(row), row.point)
        inside = _inside(row.point, row)
    else:
        ends = row.recist or ()
        prompt = _diameter(row, typed)
        half = len(ends) // 2
        inside = _inside([(a + b) / 2 for a, b in zip(ends[:half], ends[half:], strict=True)], row)
    return _request(row, prompt, _typed_bounds(row, typed, inside), geometry, settings)


class LabelFiles:
    """The label files of one volume's rows; consecutive rows with the same file read it once.

    Args:
        volume: The volume.
        base: The folder that relative paths are relative to.
    """

    def __init__(self, volume: Volume, base: Path) -> None:
        self.volume = volume
        self.base = base
        self._last: tuple[Path, str | None, LabelVolume] | None = None

    def mask(self, name: str, roi: str | None, column: str) -> Bool[np.ndarray, "k j i"]:
        """Return one object of a label map, DICOM SEG or RTSTRUCT on the volume's grid.

        Args:
            name: The file, as in the manifest.
            roi: The object's name in DICOM, its value in a label map; None for a file with one object.
            column: The column of `roi`, for messages.

        Raises:
            VolumeError: It cannot be read, has no object `roi`, or has several and `roi` is None.
            GridMismatchError: It lies on another grid.
        """
        path = self.base / name
        dicom = is_dicom(path)
        labels = self._read(path, roi if dicom else None)
        present = labels.present_ids
        if not dicom and roi is not None:
            if not roi.isdecimal() or int(roi) not in present:
                raise VolumeError(
                    f"{path} has no label {roi!r}; it has {', '.join(map(str, present)) or 'none at all'}."
                )
            return np.asarray(labels.ids == int(roi))
        if len(present) > 1:
            names = ", ".join(labels.names.get(each, str(each)) for each in present)
            raise VolumeError(f"{path} holds several objects; choose one in the column {column}: {names}.")
        return np.asarray(labels.ids > 0)

    def _read(self, path: Path, name: str | None) -> LabelVolume:
        if self._last is None or self._last[:2] != (path, name):
            labels = read_labels(path, on=self.volume, names=None if name is None else [name])
            require_same_grid(labels, self.volume.geometry, f"The mask {path}")
            self._last = path, name, labels
        return self._last[2]


def row_request(row: ManifestRow, files: LabelFiles, settings: BatchSettings) -> SegmentRequest:
    """Return the request of any row.

    Args:
        row: The row.
        files: Label files of the row's volume.
        settings: The settings of the run.

    Raises:
        PromptError: The prompt or the bounds do not lie in the volume, or contradict each other there.
        VolumeError: The mask cannot be read.
        GridMismatchError: The mask lies on another grid.
    """
    geometry = files.volume.geometry
    if row.mask is None:
        return typed_request(row, geometry, settings)
    typed = _coordinates(row, geometry)
    grid = typed.grid
    mask = files.mask(row.mask, row.mask_roi, "mask_roi")
    areas = mask.sum(axis=tuple(2 - axis for axis in grid.uv_axes))
    occupied = np.flatnonzero(areas)
    if not occupied.size:
        raise PromptError(f"The mask {row.mask} has no voxel in this volume.")
    index = int(areas.argmax()) if row.slice is None else typed.index(row.slice)
    bounds = Bounds(int(occupied[0]), int(occupied[-1])) if row.bounds == FROM_MASK else _typed_bounds(row, typed, None)
    return _request(row, Mask.on(grid, index, grid.take(mask, index)), bounds, geometry, settings)


def _request(
    row: ManifestRow, prompt: Prompt, bounds: Bounds | None, geometry: Geometry, settings: BatchSettings
) -> SegmentRequest:
    request = SegmentRequest.model_validate(
        {
            "name": row.object,
            "prompt": prompt,
            "plane": row.plane,
            "bounds": bounds,
            "window": row.window or settings.window,
            "policy": settings.policy,
            "zoom": settings.zoom,
        }
    )
    request.check(geometry)
    return request


def _coordinates(row: ManifestRow, geometry: Geometry) -> Coordinates:
    return Coordinates(geometry, SliceGrid.of(geometry, row.plane), row.coordinates == Space.LPS)


def _typed_bounds(row: ManifestRow, typed: Coordinates, inside: tuple[float, float] | None) -> Bounds | None:
    return None if row.bounds is None or isinstance(row.bounds, str) else typed.bounds(row.bounds, inside)


def _box_in_space(box: tuple[float, ...], typed: Coordinates) -> tuple[Box, Bounds]:
    grid = typed.grid
    ends = np.array([grid.split(typed.point(box[at : at + 3], True).index_ijk) for at in (0, 3)])
    if typed.mm:  # a stored axis can run against the patient's, so either corner may come first
        ends.sort(axis=0)
    (low, u0, v0), (high, u1, v1) = ends.tolist()
    return Box.on(grid, (low + high) // 2, u0, v0, u1, v1), Bounds(low, high)


def _diameter(row: ManifestRow, typed: Coordinates) -> Mask:
    ends = row.recist or ()
    grid = typed.grid
    if row.in_space:
        voxels = [typed.point(ends[at : at + 3], True).index_ijk for at in (0, 3)]
    else:
        voxels = [typed.point_on_slice(_slice(row), ends[at : at + 2]).index_ijk for at in (0, 2)]
    (index, *first), (other, *second) = (grid.split(each) for each in voxels)
    if index != other:
        raise PromptError(
            f"The two ends of the diameter lie on the {grid.plane} slices {index} and {other}; a RECIST diameter is "
            "measured on one slice. Check the plane and the coordinates."
        )
    for voxel in voxels:
        if not typed.geometry.contains(voxel):
            raise PromptError(
                f"An end of the diameter lies outside the volume: voxel {voxel} of {typed.geometry.describe()}."
            )
    ellipse = diameter_ellipse(grid, (first[0], first[1]), (second[0], second[1]))
    return Mask.on(grid, index, ellipse)


def _inside(position: tuple[float, ...] | list[float], row: ManifestRow) -> tuple[float, float]:
    """Return the in-plane coordinates of a typed position: in an oblique volume the slice depends on them."""
    if len(position) == 2:
        return position[0], position[1]
    across = _LPS_AXIS[row.plane]
    first, second = (each for axis, each in enumerate(position) if axis != across)
    return first, second


def _slice(row: ManifestRow) -> float:
    if row.slice is None:
        raise PromptError("The row has no slice.")
    return row.slice
