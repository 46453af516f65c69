"""The grid of one DICOM series: slices in order, or the reason why they do not make one volume.

Everything is decided from the headers before the first pixel is decoded. Slices are
ordered by their position along the normal (row direction × column direction), as
SimpleITK orders them, so the grid is right-handed and starts at the first position.
File names, InstanceNumber, PatientPosition and SliceThickness decide nothing: the
positions and directions of the images are those of the patient in any patient position.

A tilted gantry and uneven distances are refused, unless resampling is on: then
the stack has the place of each slice on a rectangular grid.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from radsam.errors import SeriesError, VolumeError
from radsam.io.dicom.dicom_series import Series, damage
from radsam.io.dicom.series_parts import MEANINGS, SAME_DIRECTION, SAME_POSITION_MM, STEP_TOLERANCE, names_in, range_mm
from radsam.io.dicom.slice_header import SliceHeader
from radsam.io.stated_grid import rectangular
from radsam.volume import Geometry

#: Slices may lie this far, in pixels, beside the line through the first one, and this
#: far, in slices, from an even grid: less moves no voxel to its neighbour.
OFF_GRID_LIMIT = 0.5
#: A gap of more than this many usual steps is not bridged, even on request: the scanner did
#: not image it. Protocols that change their slice distance do so by a factor of two.
WIDEST_GAP_STEPS = 3.0
#: Rounding to three digits changes the length of a direction, or its angle to another one, by less than this.
_FEW_DIGITS = 2e-3
#: What Siemens writes of functional and diffusion MR, and what to do about it.
MOSAIC = "Siemens mosaics, which hold all slices side by side in one image"
MOSAIC_REMEDY = "Convert the series with dcm2niix, and give its NIfTI file."
#: More parts of a series than a message has room for.
_MOST_PARTS = 24
#: Slices this far, in pixels, beside their normal lie where the grid needs them; writers round positions.
_STRAIGHT = 0.1


@dataclass(frozen=True)
class Stack:
    """A series whose slices lie on one grid.

    Args:
        slices: Headers in the order of the slices.
        geometry: The grid they fill, or on which they are resampled.
        corners_ijk: Only if they must be resampled: where on the grid, in voxels, the
            first pixel of each slice lies.
        problem: Why they must be resampled; empty otherwise.
    """

    slices: tuple[SliceHeader, ...]
    geometry: Geometry
    corners_ijk: Float[np.ndarray, "n 3"] | None = None
    problem: str = ""


def stack(series: Series, *, resample: bool = False) -> Stack:
    """Order the slices of a series and find their grid.

    Args:
        series: The images.
        resample: Accept a tilted gantry and uneven distances between slices; the stack
            then has their places on the resampled grid.

    Raises:
        SeriesError: The images do not make one regular volume; the message names the
            problem and the files, and what was left out.
    """
    try:
        return _stack(series, resample)
    except SeriesError as error:
        raise SeriesError(" ".join(filter(None, (str(error), series.note)))) from None


def _stack(series: Series, resample: bool) -> Stack:
    if series.damaged:
        raise SeriesError(damage(series.damaged))
    _check_images(series)
    _check_uniform(series)
    normal, distances_mm = _distances_mm(series.slices)
    order = np.argsort(distances_mm, kind="stable")
    slices = tuple(series.slices[n] for n in order)
    distances_mm = distances_mm[order]
    _check_overlap(series)
    _check_duplicates(slices, distances_mm)
    axis = _stacking_axis(slices, normal)
    tilt, steps = _tilt_problem(slices, axis), _steps_problem(slices, distances_mm)
    problem = " ".join(each for each in (tilt, steps) if each)
    if problem and not resample:
        raise SeriesError(f"{problem} Resample the series to a rectangular grid (--resample), or export it again.")
    if problem:
        _check_gaps(slices, distances_mm)
        return _resampled(slices, normal, distances_mm, problem, tilted=bool(tilt))
    return Stack(slices, _geometry(slices, axis))


def _check_images(series: Series) -> None:
    """Refuse images that are not single-frame, grey, placed and complete."""
    # Each: the test of an image, the problem, the remedy.
    rules: tuple[tuple[Callable[[SliceHeader], bool], str, str], ...] = (
        (lambda each: each.traits.mosaic, MOSAIC, MOSAIC_REMEDY),
        (
            lambda each: each.frames > 1,
            "multi-frame images without a position for each frame",
            "Export them as enhanced CT, or as one file per slice.",
        ),
        (
            lambda each: each.samples != 1 or "PALETTE" in each.photometric,
            "colour images",
            "Give a series of grey images.",
        ),
        (lambda each: not each.complete, "cut short or without pixels", "Copy the files again."),
        (
            lambda each: not np.isfinite(each.position_lps + each.cosines + each.spacing_mm).all(),
            "without a position, orientation or pixel spacing that can be read",
            "Export the series again.",
        ),
        (
            lambda each: each.modality == "CT" and not (np.isfinite(each.rescale).all() and each.rescale[0]),
            "CT without RescaleSlope and RescaleIntercept that can be read, so their Hounsfield units are unknown",
            "Export the series again from the scanner or PACS.",
        ),
    )
    for refused, what, remedy in rules:
        names = [each.path.name for each in series.slices if refused(each)]
        if names:
            raise SeriesError(f"{len(names)} of {len(series.slices)} images are {what}: {_few(names)}. {remedy}")
    if len(series.slices) < 2:
        raise SeriesError(f"Series {series.number} has one image; a volume needs at least two slices.")


def _check_uniform(series: Series) -> None:
    """Refuse a series whose images differ in size, orientation, pixel spacing or modality."""
    first = series.slices[0]
    row, col = np.array(first.cosines).reshape(2, 3)
    lengths_and_dot = np.array([row @ row, col @ col, row @ col])
    if not np.allclose(lengths_and_dot, [1, 1, 0], atol=_FEW_DIGITS):
        raise SeriesError(f"{first.path.name}: its row and column directions are not perpendicular. Export it again.")
    digits = round(-math.log10(SAME_DIRECTION))
    keys: tuple[tuple[str, Callable[[SliceHeader], Hashable]], ...] = (
        ("sizes (columns×rows)", lambda each: f"{each.cols}×{each.rows}"),
        (
            "orientations",
            lambda each: (
                "the first image's"
                if np.allclose(each.cosines, first.cosines, atol=SAME_DIRECTION)
                else str([round(cosine, digits) for cosine in each.cosines])
            ),
        ),
        (
            "pixel spacings (mm)",
            lambda each: (
                "the first image's"
                if np.allclose(each.spacing_mm, first.spacing_mm, rtol=1e-3)
                else str(each.spacing_mm)
            ),
        ),
        ("modalities", lambda each: each.modality),
        ("frames of reference", lambda each: each.frame_of_reference or "none"),
    )
    for what, key in keys:
        groups = Counter(key(each) for each in series.slices)
        if len(groups) > 1:
            counts = ", ".join(f"{count} with {value}" for value, count in groups.most_common(6))
            raise SeriesError(
                f"The images of series {series.number} have different {what}: {counts}. "
                f"Keep one kind in the folder{_part_hint(series)}."
            )


def _check_overlap(series: Series) -> None:
    """Refuse several images of the same place, as acquisitions or echoes: the user must choose one of each."""
    if len(series.parts) == 1:
        return
    lines = []
    for each in series.parts[:_MOST_PARTS]:
        low_mm, high_mm = range_mm(each.slices)
        about = f" ({each.about})" if each.about else ""
        lines.append(
            f"  {series.number}#{each.chosen}: {len(each.slices)} slices from {low_mm:.2f} to {high_mm:.2f} mm{about}"
        )
    if len(series.parts) > _MOST_PARTS:
        lines.append(f"  and {len(series.parts) - _MOST_PARTS} more; `radsam info` lists all")
    names = list(
        dict.fromkeys(name for each in series.parts for name in names_in(each.chosen.removeprefix(series.chosen)))
    )
    differing = " and ".join(MEANINGS.get(each, each) for each in names)
    what = (
        f"{len(series.parts)} acquisitions of the same place, which"
        if names == [""]
        else f"several images of each place: they differ in {differing}, and"
    )
    raise SeriesError(
        f"Series {series.number} holds {what} must not be stacked. Choose one (--series {series.number}#…):\n"
        + "\n".join(lines)
    )


def _check_duplicates(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"]) -> None:
    same = [n for n, step in enumerate(np.diff(distances_mm)) if step < SAME_POSITION_MM]
    if same:
        pairs = [f"{slices[n].path.name} and {slices[n + 1].path.name} at {distances_mm[n]:.2f} mm" for n in same]
        raise SeriesError(
            f"{len(same)} slices lie at the position of another one: {_few(pairs)}. Keep one file for each position."
        )


def _sideways_mm(slices: Sequence[SliceHeader], normal: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n 3"]:
    """Return how far each slice lies beside the normal through the first one, as LPS vectors."""
    offsets_mm = np.array([each.position_lps for each in slices]) - np.array(slices[0].position_lps)
    return np.asarray(offsets_mm - np.outer(offsets_mm @ normal, normal))


def _stacking_axis(slices: Sequence[SliceHeader], normal: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Return the direction from slice to slice: the normal, unless the positions show that its digits are too few.

    Of cosines with three digits, the normal of a long series misses its last slice by a pixel. A gantry is tilted by
    more.
    """
    along = np.array(slices[-1].position_lps) - np.array(slices[0].position_lps)
    axis = along / np.linalg.norm(along)
    beside_mm = float(np.linalg.norm(along - (along @ normal) * normal))
    straight = beside_mm <= _STRAIGHT * min(slices[0].spacing_mm)
    return normal if straight or np.linalg.norm(axis - normal) > _FEW_DIGITS else axis


def _tilt_problem(slices: Sequence[SliceHeader], normal: Float[np.ndarray, "3"]) -> str:
    """Describe slices that are not stacked straight: a tilted gantry, or images that moved."""
    beside_mm = np.linalg.norm(_sideways_mm(slices, normal), axis=1)
    worst = int(beside_mm.argmax())
    if beside_mm[worst] <= OFF_GRID_LIMIT * min(slices[0].spacing_mm):
        return ""
    along_mm = float(np.dot(np.array(slices[worst].position_lps) - np.array(slices[0].position_lps), normal))
    degrees = math.degrees(math.atan2(beside_mm[worst], along_mm))
    return (
        f"The slices are stacked {degrees:.1f}° away from their normal ({beside_mm[worst]:.1f} mm sideways at "
        f"{slices[worst].path.name}): a tilted gantry."
    )


def _steps_problem(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"]) -> str:
    """Describe distances between slices that differ."""
    steps_mm = np.diff(distances_mm)
    usual_mm = float(np.median(steps_mm))
    wrong = np.flatnonzero(np.abs(steps_mm - usual_mm) > STEP_TOLERANCE * usual_mm)
    if wrong.size:
        return (
            f"Slices are missing or unevenly spaced; they should be {usual_mm:.2f} mm apart, but there are "
            f"{_few([_gap(slices, distances_mm, int(n)) for n in wrong])}."
        )
    even_mm = np.linspace(distances_mm[0], distances_mm[-1], len(slices))
    if np.abs(distances_mm - even_mm).max() > OFF_GRID_LIMIT * usual_mm:
        return f"The distance between slices drifts from {steps_mm.min():.3f} to {steps_mm.max():.3f} mm."
    return ""


def _check_gaps(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"]) -> None:
    steps_mm = np.diff(distances_mm)
    usual_mm = float(np.median(steps_mm))
    wide = np.flatnonzero(steps_mm > WIDEST_GAP_STEPS * usual_mm)
    if wide.size:
        raise SeriesError(
            f"Slices are missing: there are {_few([_gap(slices, distances_mm, int(n)) for n in wide])}, where "
            f"{usual_mm:.2f} mm is usual. Resampling does not fill such a gap. Fetch the missing slices."
        )


def _gap(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"], n: int) -> str:
    below, above = slices[n], slices[n + 1]
    return (
        f"{distances_mm[n + 1] - distances_mm[n]:.2f} mm between {distances_mm[n]:.2f} (image {below.instance}, "
        f"{below.path.name}) and {distances_mm[n + 1]:.2f} (image {above.instance}, {above.path.name})"
    )


def _resampled(
    slices: tuple[SliceHeader, ...],
    normal: Float[np.ndarray, "3"],
    distances_mm: Float[np.ndarray, " n"],
    problem: str,
    *,
    tilted: bool,
) -> Stack:
    """Find the rectangular grid that holds every slice whole.

    Rows, columns and the normal keep their directions. Evenly spaced slices of a tilted
    gantry only move within their planes, by fractions of a pixel; uneven distances are
    replaced by the finest one that is usual (the tenth percentile: one slice too close
    to its neighbour must not multiply the volume).
    """
    first = slices[0]
    row, col = (axis / np.linalg.norm(axis) for axis in np.array(first.cosines).reshape(2, 3))
    row_mm, col_mm = first.spacing_mm
    steps_mm = np.diff(distances_mm)
    even = not _steps_problem(slices, distances_mm)
    step_mm = float(steps_mm.mean() if even else np.percentile(steps_mm, 10, method="lower"))
    beside_mm = _sideways_mm(slices, normal) if tilted else np.zeros((len(slices), 3))
    corners = np.stack([beside_mm @ row / col_mm, beside_mm @ col / row_mm, (distances_mm - distances_mm[0]) / step_mm])
    if even:
        corners[2] = np.arange(len(slices))
    # A whole number of pixels, so that the first slice is not blurred.
    low = np.floor(corners.min(axis=1) + SAME_POSITION_MM)
    high = np.ceil(corners.max(axis=1) - SAME_POSITION_MM)
    # Not beyond the last slice: there are no data.
    high[2] = np.floor(corners[2].max() + SAME_POSITION_MM)
    cols, rows, count = (int(n) for n in high - low + (first.cols, first.rows, 1))
    origin = np.array(first.position_lps) + low[0] * col_mm * row + low[1] * row_mm * col
    geometry = _rectangular(
        first, (count, rows, cols), origin, (col_mm, row_mm, step_mm), np.stack([row, col, normal], axis=1)
    )
    return Stack(slices, geometry, (corners - low[:, None]).T, problem)


def _geometry(slices: Sequence[SliceHeader], axis: Float[np.ndarray, "3"]) -> Geometry:
    first, last = (np.array(each.position_lps) for each in (slices[0], slices[-1]))
    row_mm, col_mm = slices[0].spacing_mm
    # The mean step: of positions rounded to 0.1 mm, the median would drift over the stack.
    step_mm = float((last - first) @ axis) / (len(slices) - 1)
    i, j = np.array(slices[0].cosines).reshape(2, 3)
    directions = np.stack([i / np.linalg.norm(i), j / np.linalg.norm(j), axis], axis=1)
    shape = (len(slices), slices[0].rows, slices[0].cols)
    return _rectangular(slices[0], shape, first, (col_mm, row_mm, step_mm), directions)


def _rectangular(
    header: SliceHeader,
    shape_kji: tuple[int, int, int],
    origin_lps: Float[np.ndarray, "3"],
    spacing_mm_ijk: tuple[float, float, float],
    direction: Float[np.ndarray, "3 3"],
) -> Geometry:
    x, y, z = origin_lps.tolist()
    try:
        return rectangular(Geometry.from_parts(shape_kji, (x, y, z), spacing_mm_ijk, direction), header.path)
    except VolumeError as error:
        raise SeriesError(str(error)) from error


def _distances_mm(slices: Sequence[SliceHeader]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, " n"]]:
    """Return the normal of the slices and the position of each along it."""
    row, col = np.array(slices[0].cosines).reshape(2, 3)
    normal = np.cross(row, col)
    normal /= np.linalg.norm(normal)
    return normal, np.array([np.dot(each.position_lps, normal) for each in slices])


def _part_hint(series: Series) -> str:
    if len(series.parts) > 1:
        return f", or choose one part (--series {series.number}#{series.parts[0].chosen})"
    names = list(series.acquisitions)
    return f", or choose one acquisition (--series {series.number}#{names[0]})" if len(names) > 1 else ""


def _few(items: Sequence[str]) -> str:
    shown = "; ".join(items[:4])
    return f"{shown}; and {len(items) - 4} more" if len(items) > 4 else shown
