"""From the headers of a stack to its Hounsfield units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import SimpleITK as sitk
from jaxtyping import Float, Int16, Shaped
from pydicom.pixels.utils import iter_pixels

from radsam.errors import SeriesError
from radsam.io.dicom.slice_header import SliceHeader
from radsam.io.dicom.slice_resampling import resample
from radsam.io.dicom.slice_stack import Stack

Values = Shaped[np.ndarray, "j i"]


def decode(stacked: Stack) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Decode the slices and apply each one's own rescale; resample them if the stack requires it.

    Slice by slice, because SimpleITK's series reader uses the type of the first slice
    for all of them, which truncates a later slice with another slope, and to avoid a
    second copy of the volume.

    Returns:
        Array (k, j, i) of HU (CT) or of the values that are stored: int16 if every value
        is a whole number in its range (resampled CT is rounded to whole HU), else float32.

    Raises:
        SeriesError: A slice is cut short or cannot be decoded; the message names its file.
    """
    slices = _decoded_slices(stacked.slices)
    if stacked.corners_ijk is not None:
        slices = resample(slices, stacked.corners_ijk, stacked.geometry.shape_kji, stacked.slices[0].modality == "CT")
    values = np.empty(stacked.geometry.shape_kji, dtype=np.int16)
    for k, slice_ji in enumerate(slices):
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


def _decoded_slices(slices: Sequence[SliceHeader]) -> Iterator[Values]:
    """Yield the HU of each slice; consecutive frames of one file are decoded together."""
    start = 0
    while start < len(slices):
        stop = start + 1
        if slices[start].frame is None:
            yield _decoded_image(slices[start])
        else:
            while stop < len(slices) and slices[stop].path == slices[start].path:
                stop += 1
            yield from _decoded_frames(slices[start:stop])
        start = stop


def _decoded_image(header: SliceHeader) -> Values:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        image: sitk.Image = reader.Execute()
    except (RuntimeError, MemoryError) as error:
        raise _undecodable(header) from error
    if image.GetSize()[:2] != (header.cols, header.rows) or image.GetNumberOfComponentsPerPixel() != 1:
        raise SeriesError(f"{header.path.name} decodes to another size than its header states. Copy it again.")
    return sitk.GetArrayFromImage(image).reshape(header.rows, header.cols)


def _decoded_frames(frames: Sequence[SliceHeader]) -> Iterator[Values]:
    """Decode frames of one enhanced image with pydicom: GDCM applies one rescale to all of them."""
    wanted = [each.frame for each in frames if each.frame is not None]
    try:
        for header, stored in zip(frames, iter_pixels(frames[0].path, indices=wanted, raw=True), strict=True):
            slope, intercept = header.rescale if np.isfinite(header.rescale).all() else (1.0, 0.0)
            exact = float(slope).is_integer() and float(intercept).is_integer()
            yield stored.astype(np.int32 if exact else np.float32) * (int(slope) if exact else slope) + (
                int(intercept) if exact else intercept
            )
    except Exception as error:  # every decoder fails in its own way
        raise _undecodable(frames[0]) from error


def _undecodable(header: SliceHeader) -> SeriesError:
    return SeriesError(
        f"{header.path.name} cannot be decoded: it is damaged, or its compression is not supported "
        f"(transfer syntax {header.syntax}). "
        "Copy it again, or convert the series to an uncompressed or JPEG 2000 one."
    )
