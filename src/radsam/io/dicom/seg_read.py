"""Reading DICOM segmentations (SEG): binary, fractional and label map.

Every frame states its segment and its position; order and number of the frames are
irrelevant, and slices without an object usually have no frame.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.utils import iter_pixels

from radsam.errors import GridMismatchError, VolumeError
from radsam.io.dicom.dicom_labels import DicomLabels, DicomObject, LabelWarning
from radsam.io.dicom.element_values import integer, numbers, text
from radsam.io.dicom.label_slices import LabelGrid
from radsam.io.label_grid import RESAMPLE_THEM
from radsam.io.stated_grid import rectangular
from radsam.volume import Geometry
from radsam.volume.geometry import FARTHEST_MM, nearest_index
from radsam.volume.regrid import move_mask

#: Positions of the frames of one slice differ by less; they are written to 1e-3 mm or finer.
_SAME_SLICE_MM = 1e-2
#: A frame may lie this part of a voxel beside the lattice: less moves no voxel to its neighbour.
_OFF_LATTICE = 0.25


@dataclass(frozen=True, eq=False)
class _Frames:
    """The frames of a SEG.

    Args:
        path: The file.
        dataset: Its data set.
        segment: Segment number of each frame; 0 in a label map, whose pixels are segment numbers.
        slice: Index along k of each frame, if they have a grid.
        corners_lps: Position of the first pixel of each frame.
        pixel_to_mm: The first two columns are the steps from pixel to pixel along i and j.
        geometry: Their grid; None if they are unevenly spaced or of a tilted gantry.
    """

    path: Path
    dataset: FileDataset
    segment: np.ndarray
    slice: np.ndarray
    corners_lps: Float[np.ndarray, "n 3"]
    pixel_to_mm: Float[np.ndarray, "3 2"]
    geometry: Geometry | None

    def masks(self, number: int, name: str, target: LabelGrid) -> dict[int, Bool[np.ndarray, "rows cols"]]:
        """Make the masks of a segment on the images of a grid; warns of frames between them.

        Raises:
            GridMismatchError: The grid does not share the pixels of the frames.
        """
        grid = target.geometry
        if self.geometry is None or target.image_k:
            return self._nearest(number, name, target)
        mask = np.zeros(self.geometry.shape_kji, dtype=bool)
        for frame, inside in self._segment(number):
            mask[self.slice[frame]] |= inside
        if self.geometry.same_grid(grid):
            return dict(enumerate(mask))
        moved = move_mask(mask, self.geometry, grid)
        return self._nearest(number, name, target, _OFF_LATTICE) if moved is None else dict(enumerate(moved))

    def _nearest(
        self, number: int, name: str, target: LabelGrid, off_voxels: float = math.inf
    ) -> dict[int, Bool[np.ndarray, "rows cols"]]:
        """Put each frame on the nearest image, moved by whole pixels, unless it lies further off than this."""
        grid = target.geometry
        if not np.allclose(grid.affine_lps[:3, :2], self.pixel_to_mm, atol=1e-3):
            raise self._elsewhere(grid)
        corners = grid.mm_to_index(self.corners_lps)
        images = target.nearest_image(corners[:, 2])
        places = np.array(target.image_k or range(grid.shape_kji[0]))
        moved = nearest_index(corners[:, :2])
        masks: dict[int, np.ndarray] = {}
        between = 0
        for frame, inside in self._segment(number):
            if not inside.any():
                continue
            row, col = np.nonzero(inside)
            row, col = row + moved[frame, 1], col + moved[frame, 0]
            image = int(images[frame])
            sides = ((at < 0) | (at >= size) for at, size in zip((row, col), grid.shape_kji[1:], strict=True))
            if not 0 <= image < len(places) or any(side.any() for side in sides):
                raise self._elsewhere(grid)
            off = np.abs(corners[frame] - [*moved[frame], places[image]])
            if off.max() > off_voxels:
                raise self._elsewhere(grid)
            between += bool(off[2] > _OFF_LATTICE)
            masks.setdefault(image, np.zeros(grid.shape_kji[1:], dtype=bool))[row, col] = True
        if between:
            warnings.warn(
                f"{self.path}: {between} frames of {name!r} lie between the images of the volume; each is put on the "
                "nearest one.",
                LabelWarning,
                stacklevel=2,
            )
        return masks

    def _elsewhere(self, grid: Geometry) -> GridMismatchError:
        own = "slices at uneven places" if self.geometry is None else self.geometry.describe()
        return GridMismatchError(
            f"{self.path} lies on another grid than the volume: {own}, but the volume has {grid.describe()}. "
            f"Give the series that it was made on. {RESAMPLE_THEM} where both show the same place."
        )

    def _segment(self, number: int) -> Iterator[tuple[int, Bool[np.ndarray, "rows cols"]]]:
        """Yield the frames that may show a segment, each with its mask."""
        label_map = not self.segment.all()
        frames = (np.arange(self.segment.size) if label_map else np.flatnonzero(self.segment == number)).tolist()
        for frame, pixels in zip(frames, self._pixels(frames), strict=True):
            yield frame, np.asarray(pixels == number if label_map else pixels > 0)

    def _pixels(self, frames: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the pixels of frames: above 0 inside, or segment numbers."""
        rows, cols = integer(self.dataset, "Rows", 0), integer(self.dataset, "Columns", 0)
        if (
            integer(self.dataset, "BitsAllocated", 0) == 1
            and not self.dataset.file_meta.TransferSyntaxUID.is_encapsulated
        ):
            # Bits of all frames follow each other without padding (PS3.5 8.1.1).
            packed = np.frombuffer(self.dataset.PixelData, dtype=np.uint8)
            for frame in frames:
                start, stop = frame * rows * cols, (frame + 1) * rows * cols
                bits = np.unpackbits(packed[start // 8 : -(-stop // 8)], bitorder="little")
                yield bits[start % 8 :][: rows * cols].reshape(rows, cols)
            return
        half = integer(self.dataset, "MaximumFractionalValue", 255) / 2
        fractional = text(self.dataset, "SegmentationType", "") == "FRACTIONAL"
        try:
            for pixels in iter_pixels(self.dataset, indices=list(frames), raw=True):
                yield pixels >= half if fractional else pixels
        except Exception as error:  # every decoder fails in its own way
            raise VolumeError(f"{self.path} cannot be decoded ({error}). Copy it again.") from error


def open_seg(path: Path, dataset: FileDataset) -> DicomLabels:
    """Read where the frames of a SEG lie; their pixels are unpacked when a mask is made.

    Raises:
        VolumeError: It is cut short, has no segments, or its frames do not lie side by side.
    """
    segments = dataset.get("SegmentSequence") or []
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if not segments or not groups:
        raise VolumeError(f"{path} is a SEG without {'frames' if segments else 'segments'}: it is empty.")
    _check_length(path, dataset, len(groups))
    frames = _read_frames(path, dataset, groups)

    def object_of(segment: Dataset) -> DicomObject:
        number = integer(segment, "SegmentNumber", 0)
        label = text(segment, "SegmentLabel", f"segment {number}")
        return DicomObject(number, label, partial(frames.masks, number, label))

    return DicomLabels(
        path=path,
        kind="SEG",
        objects=tuple(object_of(each) for each in segments if integer(each, "SegmentNumber", 0) > 0),
        series_uids=frozenset(
            text(each, "SeriesInstanceUID", "") for each in dataset.get("ReferencedSeriesSequence") or []
        )
        - {""},
        frame_of_reference=text(dataset, "FrameOfReferenceUID", ""),
        geometry=frames.geometry,
        grid_problem="" if frames.geometry else "its frames are unevenly spaced, or of a tilted gantry.",
    )


def _check_length(path: Path, dataset: FileDataset, frames: int) -> None:
    pixels = frames * integer(dataset, "Rows", 0) * integer(dataset, "Columns", 0)
    needed = math.ceil(pixels * integer(dataset, "BitsAllocated", 1) / 8)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or (not syntax.is_encapsulated and len(dataset.PixelData) < needed):
        raise VolumeError(f"{path} is cut short: its header states {frames} frames. Copy it again.")


def _read_frames(path: Path, dataset: FileDataset, groups: Sequence[Dataset]) -> _Frames:
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or []), Dataset())

    def macro(group: Dataset, name: str) -> Dataset:
        return next(iter(group.get(name) or shared.get(name) or []), Dataset())

    positions = np.array(
        [numbers(macro(group, "PlanePositionSequence"), "ImagePositionPatient", 3) for group in groups]
    )
    cosines = np.array(
        [numbers(macro(group, "PlaneOrientationSequence"), "ImageOrientationPatient", 6) for group in groups]
    )
    measures = macro(groups[0], "PixelMeasuresSequence")
    spacing_mm = numbers(measures, "PixelSpacing", 2)
    if not (np.isfinite(positions).all() and np.isfinite(cosines).all() and np.isfinite(spacing_mm).all()):
        raise VolumeError(f"{path} does not state the positions of its frames in the patient.")
    if np.abs(cosines - cosines[0]).max() > 1e-3:
        raise VolumeError(f"The frames of {path} point different ways: they are not slices of one volume.")
    if np.abs(positions).max() > FARTHEST_MM:
        raise VolumeError(f"{path} states positions of its frames that are kilometres away: it is damaged.")
    row, col = cosines[0].reshape(2, 3)
    normal = np.cross(row, col)
    along_mm = (positions - positions[0]) @ normal
    beside_mm = np.linalg.norm(positions - positions[0] - np.outer(along_mm, normal), axis=1)
    step_mm = _step_mm(measures, along_mm)
    index = np.rint((along_mm - along_mm.min()) / step_mm).astype(np.int64)
    off = np.abs(along_mm - along_mm.min() - index * step_mm)
    regular = off.max() <= _OFF_LATTICE * step_mm and beside_mm.max() <= _OFF_LATTICE * min(spacing_mm)
    origin = positions[int(along_mm.argmin())]
    stated = Geometry.from_parts(
        (int(index.max()) + 1, integer(dataset, "Rows", 0), integer(dataset, "Columns", 0)),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        (spacing_mm[1], spacing_mm[0], step_mm),
        np.stack([row / np.linalg.norm(row), col / np.linalg.norm(col), normal / np.linalg.norm(normal)], axis=1),
    )
    geometry = rectangular(stated, path)
    label_map = text(dataset, "SegmentationType", "BINARY") == "LABELMAP"
    segment = [integer(macro(each, "SegmentIdentificationSequence"), "ReferencedSegmentNumber", 0) for each in groups]
    if not label_map and min(segment) < 1:
        raise VolumeError(f"{path} has frames without a segment number.")
    return _Frames(
        path,
        dataset,
        np.array([0] * len(groups) if label_map else segment),
        index,
        positions,
        geometry.affine_lps[:3, :2],
        geometry if regular else None,
    )


def _step_mm(measures: Dataset, along_mm: Float[np.ndarray, " n"]) -> float:
    """Return the distance between slices: from the positions of the frames, else as stated in the file."""
    steps = np.diff(np.sort(along_mm))
    steps = steps[steps > _SAME_SLICE_MM]
    (stated,) = numbers(measures, "SpacingBetweenSlices", 1)
    (thickness,) = numbers(measures, "SliceThickness", 1)
    if not steps.size:
        return next((float(each) for each in (stated, thickness) if np.isfinite(each) and each > 0), 1.0)
    smallest = float(steps.min())
    # Where every second slice is empty, the frames alone would show twice the distance.
    if np.isfinite(stated) and stated > 0 and abs(smallest / stated - round(smallest / stated)) < _OFF_LATTICE / 10:
        return smallest / max(1, round(smallest / stated))
    # Averaged over the whole stack: positions are rounded.
    return float(steps.sum() / np.rint(steps / smallest).sum())
