"""One DICOM series as a volume: refuse what cannot be stacked, decode the rest.

Everything is decided from the headers before the first pixel is decoded. Slices are
ordered by their position along the normal (row direction × column direction), as
SimpleITK orders them, so the grid is right-handed and starts at the first position.
File names, InstanceNumber and SliceThickness decide nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from jaxtyping import Float, Int16, Shaped

from radsam.errors import SeriesError
from radsam.io.dicom_header import SliceHeader
from radsam.io.dicom_series import Series
from radsam.volume import Geometry

#: Positions closer than this are the same place; scanners write them to 1e-3 mm or finer.
SAME_POSITION_MM = 1e-3
#: A step between slices may differ from the usual one by this fraction: positions
#: rounded to 0.1 mm move a step of 1 mm by at most a tenth. A missing slice doubles it.
STEP_TOLERANCE = 0.11
#: Slices may lie this far, in pixels, beside the line through the first one, and this
#: far, in slices, from an even grid: less moves no voxel to its neighbour.
OFF_GRID_LIMIT = 0.5
#: Direction cosines that differ less are the same: some writers keep four digits.
SAME_DIRECTION = 1e-3


@dataclass(frozen=True)
class Stack:
    """A series that was found regular.

    Args:
        slices: Headers in the order of the slices.
        geometry: The grid they fill.
    """

    slices: tuple[SliceHeader, ...]
    geometry: Geometry


def stack(series: Series) -> Stack:
    """Order the slices of a series and find their grid.

    Raises:
        SeriesError: The images do not make one regular volume; the message names what
            is wrong and where.
    """
    _check_images(series)
    _check_uniform(series)
    normal, distances_mm = _distances_mm(series.slices)
    order = np.argsort(distances_mm, kind="stable")
    slices = tuple(series.slices[n] for n in order)
    distances_mm = distances_mm[order]
    _check_overlap(series, normal)
    _check_duplicates(slices, distances_mm)
    _check_tilt(slices, normal)
    _check_steps(slices, distances_mm)
    return Stack(slices, _geometry(slices, normal, distances_mm))


def decode(stacked: Stack) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Decode the slices and apply each one's own rescale.

    Slice by slice, because SimpleITK's series reader takes the type of the first slice
    for all of them, which cuts the fractions off a later slice with another slope, and
    because this way no second copy of the volume exists.

    Returns:
        Array (k, j, i) of HU (CT) or of the values that SimpleITK gives: int16 if every
        value is a whole number in its range, else float32.

    Raises:
        SeriesError: A slice is cut short or cannot be decoded; the message names its file.
    """
    values = np.empty(stacked.geometry.shape_kji, dtype=np.int16)
    for k, header in enumerate(stacked.slices):
        image = _decoded(header)
        # A view of the image's memory: `image` must outlive it.
        slice_ji = sitk.GetArrayViewFromImage(image).reshape(values.shape[1:])
        if values.dtype == np.int16 and not fits_int16(slice_ji):
            values = values.astype(np.float32)
        values[k] = slice_ji
    return values


def fits_int16(values: Shaped[np.ndarray, "*n"]) -> bool:
    """Whether every value is a whole number that int16 can hold."""
    if np.can_cast(values.dtype, np.int16):
        return True
    low, high = values.min(), values.max()
    if not (low >= -32768 and high <= 32767):  # also false for NaN
        return False
    return bool(np.issubdtype(values.dtype, np.integer) or (values == np.rint(values)).all())


def _decoded(header: SliceHeader) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        image: sitk.Image = reader.Execute()
    except (RuntimeError, MemoryError) as error:
        raise SeriesError(
            f"{header.path.name} cannot be decoded: it is damaged or compressed in a way that is not supported. "
            "Copy it again, or convert the series to an uncompressed or JPEG 2000 one."
        ) from error
    if image.GetSize()[:2] != (header.cols, header.rows) or image.GetNumberOfComponentsPerPixel() != 1:
        raise SeriesError(f"{header.path.name} decodes to another size than its header says. Copy it again.")
    return image


def _check_images(series: Series) -> None:
    """Refuse images that are not single-frame, grey, placed and complete."""
    # Each: which images are refused, what they are, what to do.
    rules: tuple[tuple[Callable[[SliceHeader], bool], str, str], ...] = (
        (
            lambda each: each.frames > 1,
            "multi-frame images, which are not supported yet",
            "Convert the series to one file per slice, or to NIfTI.",
        ),
        (lambda each: each.samples != 1, "colour images", "Give a series of grey images."),
        (lambda each: not each.complete, "cut short or without pixels", "Copy the files again."),
        (
            lambda each: each.localizer and not all(other.localizer for other in series.slices),
            "localizers (scout images) among the slices",
            "Take them out of the folder.",
        ),
        (
            lambda each: not np.isfinite(each.position_lps + each.cosines + each.spacing_mm).all(),
            "without position, orientation or pixel spacing",
            "Export the series again.",
        ),
        (
            lambda each: each.modality == "CT" and not (np.isfinite(each.rescale).all() and each.rescale[0]),
            "CT without RescaleSlope and RescaleIntercept, so their Hounsfield units are unknown",
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
    if not np.allclose(lengths_and_dot, [1, 1, 0], atol=SAME_DIRECTION):
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
    )
    for what, key in keys:
        groups = Counter(key(each) for each in series.slices)
        if len(groups) > 1:
            counts = ", ".join(f"{count} with {value}" for value, count in groups.most_common(6))
            raise SeriesError(
                f"The images of series {series.number} have different {what}: {counts}. "
                f"Keep one kind in the folder{_acquisition_hint(series)}."
            )


def _check_overlap(series: Series, normal: Float[np.ndarray, "3"]) -> None:
    """Refuse several acquisitions of the same place: which one is meant is unknown."""
    ranges = {}
    for name, slices in series.acquisitions.items():
        distances_mm = [float(np.dot(each.position_lps, normal)) for each in slices]
        ranges[name] = (min(distances_mm), max(distances_mm))
    overlap = any(
        low_a <= high_b + SAME_POSITION_MM and low_b <= high_a + SAME_POSITION_MM
        for (low_a, high_a), (low_b, high_b) in combinations(ranges.values(), 2)
    )
    if overlap:
        lines = "\n".join(
            f"  {series.number}#{name}: {len(slices)} slices from {ranges[name][0]:.2f} to {ranges[name][1]:.2f} mm"
            for name, slices in series.acquisitions.items()
        )
        raise SeriesError(
            f"Series {series.number} holds {len(ranges)} acquisitions of the same place, which must not be "
            f"stacked. Choose one (--series {series.number}#…):\n{lines}"
        )


def _check_duplicates(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"]) -> None:
    same = [n for n, step in enumerate(np.diff(distances_mm)) if step < SAME_POSITION_MM]
    if same:
        pairs = [f"{slices[n].path.name} and {slices[n + 1].path.name} at {distances_mm[n]:.2f} mm" for n in same]
        raise SeriesError(
            f"{len(same)} slices lie at the position of another one: {_few(pairs)}. Keep one file for each position."
        )


def _check_tilt(slices: Sequence[SliceHeader], normal: Float[np.ndarray, "3"]) -> None:
    """Refuse slices that are not stacked straight: a tilted gantry, or images that moved."""
    offsets_mm = np.array([each.position_lps for each in slices]) - np.array(slices[0].position_lps)
    along_mm = offsets_mm @ normal
    beside_mm = np.linalg.norm(offsets_mm - np.outer(along_mm, normal), axis=1)
    worst = int(beside_mm.argmax())
    if beside_mm[worst] > OFF_GRID_LIMIT * min(slices[0].spacing_mm):
        degrees = math.degrees(math.atan2(beside_mm[worst], along_mm[worst]))
        raise SeriesError(
            f"The slices are stacked {degrees:.1f}° away from their normal ({beside_mm[worst]:.1f} mm sideways at "
            f"{slices[worst].path.name}): a tilted gantry. Resample the series to a rectangular grid and try again."
        )


def _check_steps(slices: Sequence[SliceHeader], distances_mm: Float[np.ndarray, " n"]) -> None:
    steps_mm = np.diff(distances_mm)
    usual_mm = float(np.median(steps_mm))
    wrong = [n for n, step in enumerate(steps_mm) if abs(step - usual_mm) > STEP_TOLERANCE * usual_mm]
    if wrong:
        gaps = [
            f"{steps_mm[n]:.2f} mm between {distances_mm[n]:.2f} (image {slices[n].instance}, {slices[n].path.name}) "
            f"and {distances_mm[n + 1]:.2f} (image {slices[n + 1].instance}, {slices[n + 1].path.name})"
            for n in wrong
        ]
        raise SeriesError(
            f"Slices are missing or unevenly spaced; they should be {usual_mm:.2f} mm apart, but there are "
            f"{_few(gaps)}. Fetch the missing slices, or resample the series to an even spacing."
        )
    even_mm = np.linspace(distances_mm[0], distances_mm[-1], len(slices))
    if np.abs(distances_mm - even_mm).max() > OFF_GRID_LIMIT * usual_mm:
        raise SeriesError(
            f"The distance between slices drifts from {steps_mm.min():.3f} to {steps_mm.max():.3f} mm. "
            "Resample the series to an even spacing and try again."
        )


def _geometry(
    slices: Sequence[SliceHeader], normal: Float[np.ndarray, "3"], distances_mm: Float[np.ndarray, " n"]
) -> Geometry:
    first = slices[0]
    row_mm, col_mm = first.spacing_mm
    # The mean step: of positions rounded to 0.1 mm, the median would drift over the stack.
    step_mm = float(distances_mm[-1] - distances_mm[0]) / (len(slices) - 1)
    i, j = np.array(first.cosines).reshape(2, 3)
    x, y, z = first.position_lps
    return Geometry.from_parts(
        (len(slices), first.rows, first.cols),
        (x, y, z),
        (col_mm, row_mm, step_mm),
        np.stack([i / np.linalg.norm(i), j / np.linalg.norm(j), normal], axis=1),
    )


def _distances_mm(slices: Sequence[SliceHeader]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, " n"]]:
    """Return the normal of the slices and the position of each along it."""
    row, col = np.array(slices[0].cosines).reshape(2, 3)
    normal = np.cross(row, col)
    normal /= np.linalg.norm(normal)
    return normal, np.array([np.dot(each.position_lps, normal) for each in slices])


def _acquisition_hint(series: Series) -> str:
    names = list(series.acquisitions)
    return f", or choose one acquisition (--series {series.number}#{names[0]})" if len(names) > 1 else ""


def _few(items: Sequence[str]) -> str:
    shown = "; ".join(items[:4])
    return f"{shown}; and {len(items) - 4} more" if len(items) > 4 else shown
