"""DICOM structure sets (RTSTRUCT) as masks.

Contours are closed polygons in LPS millimetres, each in the plane of one image. Those of
one plane are combined by the even-odd rule, which is right for separate parts, holes drawn
as rings of their own, keyholes and CLOSEDPLANAR_XOR. pydicomrt is not used: its masks of real
ROIs are 7 to 19 % too large (``benchmarks/dicom_writers.py``).
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset

from radsam.errors import GridMismatchError, VolumeError
from radsam.io.dicom.dicom_labels import DicomLabels, DicomObject, LabelWarning
from radsam.io.dicom.element_values import integer, text
from radsam.io.dicom.label_slices import LabelGrid
from radsam.io.dicom.polygons import without_same
from radsam.volume import Geometry
from radsam.volume.polygon_fill import fill

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
#: A contour may leave its plane, and its plane the nearest slice, by this part of a slice.
_OFF_PLANE = 0.5
#: Contours closer than this, in slices, lie in one plane.
_SAME_PLANE = 0.05
#: No scanner has images or stacks of more.
_MOST_VOXELS = 8192


@dataclass(frozen=True, eq=False)
class _Roi:
    """The closed contours of one ROI.

    Args:
        path: The file.
        name: ROIName.
        contours: Points in LPS mm, at least three of each.
        too_short: Number of contours of one or two points, which enclose nothing.
    """

    path: Path
    name: str
    contours: tuple[Float[np.ndarray, "_ 3"], ...]
    too_short: int = 0

    def masks(self, target: LabelGrid) -> dict[int, Bool[np.ndarray, "rows cols"]]:
        """Fill the contours on the images of a grid; an image without contours has no mask.

        Warns of contours that have no part in any.
        """
        grid = target.geometry
        planes: dict[int, list[tuple[float, Float[np.ndarray, "_ 2"]]]] = {}
        outside: list[float] = []
        places = np.array(target.image_k or range(grid.shape_kji[0]))
        cut = 0
        for contour in self.contours:
            index = grid.mm_to_index(contour)
            k = float(index[:, 2].mean())
            if np.abs(index[:, 2] - k).max() > _OFF_PLANE:
                raise GridMismatchError(
                    f"The contours of {self.name!r} in {self.path} do not lie in the planes of the images. "
                    "Give the series that they were drawn on."
                )
            image = int(target.nearest_image(np.array([k]))[0])
            if 0 <= image < len(places):
                planes.setdefault(image, []).append((k, index[:, :2]))
                cut += bool((index[:, :2] < -1).any() or (index[:, :2] > np.array(grid.shape_ijk[:2])).any())
            else:
                outside.append(k)
        masks = {}
        twice = between = 0
        for image, found in planes.items():
            # Planes may be closer than images: then the one nearest to the image is used.
            nearest = min((at for at, _ in found), key=lambda at: abs(at - places[image]))
            rings = [ring for at, ring in found if abs(at - nearest) < _SAME_PLANE]
            between += len(found) - len(rings)
            different = without_same(list({_edges(ring): ring for ring in rings}.values()))
            twice += len(rings) - len(different)
            masks[image] = fill(different, grid.shape_kji[1:])
        self._warn(outside, grid, cut, between, twice)
        return masks

    def _warn(self, outside: Sequence[float], grid: Geometry, cut: int, between: int, twice: int) -> None:
        facts = []
        if outside:
            mm = grid.spacing_mm_ijk[2]
            before, after = [-k for k in outside if k < 0], [k - grid.shape_kji[0] + 1 for k in outside if k > 0]
            where = [
                f"{len(beyond)} {side}, by up to {max(beyond) * mm:.1f} mm"
                for beyond, side in ((before, "before its first slice"), (after, "after its last slice"))
                if beyond
            ]
            facts.append(f"lie beyond the volume and are left out ({'; '.join(where)})")
        if cut:
            facts.append(f"reach beyond the sides of the images and are cut there ({cut})")
        if between:
            facts.append(f"lie between the images, next to others that are nearer to one, and are left out ({between})")
        if twice:
            facts.append(f"are stored more than once and count once ({twice})")
        if self.too_short:
            facts.append(f"have less than three points, enclose nothing and are left out ({self.too_short})")
        if facts:
            total = len(self.contours) + self.too_short
            warnings.warn(
                f"{self.path}: of the {total} contours of {self.name!r} some {'; some '.join(facts)}.",
                LabelWarning,
                stacklevel=2,
            )


def _edges(ring: Float[np.ndarray, "_ 2"]) -> bytes:
    """Return what a ring shares with the same ring drawn from another point or the other way: its edges."""
    points = np.round(ring, 3) + 0.0
    ends = np.stack([points, np.roll(points, -1, axis=0)], axis=1)
    swap = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends[swap] = ends[swap][:, ::-1]
    edges = ends.reshape(-1, 4)
    return edges[np.lexsort(edges.T)].tobytes()


def open_rtstruct(path: Path, dataset: FileDataset) -> DicomLabels:
    """Read the contours of a structure set.

    Raises:
        VolumeError: It has no ROIs, or a contour is damaged.
    """
    frames = dataset.get("ReferencedFrameOfReferenceSequence") or []
    series_uids = {
        text(series, "SeriesInstanceUID", "")
        for frame in frames
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    } - {""}
    rois = dataset.get("StructureSetROISequence") or []
    if not rois:
        raise VolumeError(f"{path} is a structure set without ROIs: it is empty.")
    drawn = {
        integer(each, "ReferencedROINumber", 0): each.get("ContourSequence") or []
        for each in dataset.get("ROIContourSequence") or []
    }
    frame_uids = {text(each, "ReferencedFrameOfReferenceUID", "") for each in rois} - {""}
    if len(frame_uids) > 1:
        raise VolumeError(f"The ROIs of {path} lie in {len(frame_uids)} frames of reference; only one can be read.")
    numbered = [(integer(each, "ROINumber", 0), text(each, "ROIName", "")) for each in rois]
    read = [_object(path, number, name or f"ROI {number}", drawn.get(number, [])) for number, name in numbered]
    contours = tuple(contour for _, roi in read for contour in roi.contours)
    return DicomLabels(
        path=path,
        kind="RTSTRUCT",
        objects=tuple(each for each, _ in read),
        series_uids=frozenset(series_uids),
        frame_of_reference=next(iter(frame_uids), text(frames[0], "FrameOfReferenceUID", "") if frames else ""),
        geometry=None,
        grid_problem="contours are lines in space.",
        grid_along=partial(_grid_along, path, contours),
    )


def _grid_along(path: Path, contours: Sequence[Float[np.ndarray, "_ 3"]], axes: Geometry) -> Geometry:
    """Return a grid whose slices are the planes of contours, with the axes and the pixels of another grid.

    Raises:
        GridMismatchError: The planes are not slices of those axes, not evenly spaced, or far away.
    """
    place = [axes.mm_to_index(each) for each in contours]
    if not place:
        raise VolumeError(f"{path} has no closed contours.")
    k = np.array([each[:, 2].mean() for each in place])
    if max(np.abs(each[:, 2] - mean).max() for each, mean in zip(place, k, strict=True)) > _OFF_PLANE:
        raise GridMismatchError(
            f"The contours of {path} are not drawn in planes along the slices of the volume. "
            "Give the series that they were drawn on."
        )
    k = np.sort(k)
    steps = np.diff(k)[np.diff(k) > _SAME_PLANE]
    step = float(steps.min()) if steps.size else 1.0
    slices = np.rint((k - k[0]) / step)
    if np.abs((k - k[0]) - slices * step).max() > _OFF_PLANE * step / 2:
        raise GridMismatchError(
            f"The contours of {path} lie in planes at uneven distances, so they cannot be resampled. "
            "Give the series that they were drawn on."
        )
    if steps.size and slices[-1]:
        step = float(k[-1] - k[0]) / float(slices[-1])  # over the whole stack: positions are rounded
    low = np.floor(np.min([each.min(axis=0) for each in place], axis=0)[:2]) - 1
    high = np.ceil(np.max([each.max(axis=0) for each in place], axis=0)[:2]) + 1
    shape = (int(slices[-1]) + 1, int(high[1] - low[1]) + 1, int(high[0] - low[0]) + 1)
    if max(shape) > _MOST_VOXELS:
        raise GridMismatchError(f"The contours of {path} reach over metres: it is damaged, or not of this volume.")
    own = np.eye(4)
    own[:3, 3] = *low, k[0]
    own[2, 2] = step
    return Geometry(shape, axes.affine_lps @ own)


def _object(path: Path, number: int, name: str, contours: Sequence[Dataset]) -> tuple[DicomObject, _Roi]:
    """Read one ROI; open contours and points enclose nothing, so it then has a problem instead of a mask."""
    kinds = Counter(text(each, "ContourGeometricType", "none") for each in contours)
    closed = [_points(path, name, each) for each in contours if text(each, "ContourGeometricType", "") in _CLOSED]
    other = {kind: count for kind, count in kinds.items() if kind not in _CLOSED}
    # Some programs leave contours of one or two points, which enclose nothing.
    rings = tuple(each for each in closed if len(each) >= 3)
    problem = ""
    if not contours:
        problem = "has no contours"
    elif other:
        problem = f"has contours that are not closed ({', '.join(f'{n} {kind}' for kind, n in other.items())})"
    elif not rings:
        problem = "has contours of less than three points only"
    roi = _Roi(path, name, rings, len(closed) - len(rings))
    return DicomObject(number, name, roi.masks, problem), roi


def _points(path: Path, name: str, contour: Dataset) -> Float[np.ndarray, "n 3"]:
    raw: object = contour.get_item("ContourData")
    try:
        if isinstance(raw, RawDataElement):
            # Straight from the bytes: a decimal string object per number takes twenty times as long.
            values = np.array((raw.value or b"").rstrip(b" \0").split(b"\\"), dtype=np.float64)
        else:
            values = np.array([float(each) for each in contour.get("ContourData") or []], dtype=np.float64)
        points = values.reshape(-1, 3)
    except ValueError as error:
        raise VolumeError(f"A contour of {name!r} in {path} is damaged: {error}.") from error
    if not np.isfinite(points).all():
        raise VolumeError(f"A contour of {name!r} in {path} is damaged: its coordinates are not finite.")
    # Some programs repeat the first point at the end; closing is implied.
    return points[:-1] if len(points) > 1 and np.allclose(points[0], points[-1], atol=1e-6) else points
