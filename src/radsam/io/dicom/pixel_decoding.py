"""From the headers of a stack to its values."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Float, Int16, Shaped
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radsam.errors import SeriesError
from radsam.io.dicom.slice_header import SliceHeader
from radsam.io.dicom.slice_resampling import resample
from radsam.io.dicom.slice_stack import Stack

Values = Shaped[np.ndarray, "j i"]


def decode(stacked: Stack) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Decode the slices and apply each one's own rescale; resample them if the stack requires it.

    Slice by slice, because each may have another rescale, and to avoid a second copy of the volume.

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
    """Yield the values of each slice; consecutive frames of one file are decoded together."""
    for _, frames in groupby(slices, lambda each: each.path):
        yield from _decoded_frames(list(frames))


def _decoded_frames(frames: Sequence[SliceHeader]) -> Iterator[Values]:
    """Decode frames of one file, and apply the rescale of each.

    With pydicom, whose decoders leave the stored values alone: GDCM and SimpleITK invert MONOCHROME1, and apply
    one rescale to all frames.
    """
    first = frames[0]
    stored_bits, below = first.bits
    try:
        pixels = iter_pixels(
            _source(first),
            indices=[each.frame or 0 for each in frames],
            raw=True,
            bits_stored=stored_bits + below,
            photometric_interpretation="MONOCHROME2",  # how to show them, which does not matter here, may be absent
        )
        for header, stored in zip(frames, _quietly(pixels), strict=True):
            if stored.shape != (header.rows, header.cols):
                raise ValueError(f"decoded to {stored.shape}")
            yield _rescaled(stored >> below if below else stored, header.rescale)
    except Exception as error:  # every decoder fails in its own way
        raise _undecodable(first) from error


def _quietly(pixels: Iterator[Values]) -> Iterator[Values]:
    """Yield decoded frames without pydicom's warnings, which name elements to a user who cannot change them."""
    while True:
        with warnings.catch_warnings(action="ignore"):
            stored = next(pixels, None)
        if stored is None:
            return
        yield stored


def _source(header: SliceHeader) -> Path | pydicom.FileDataset:
    """Return what pydicom decodes: the path of a file of many frames, which it reads frame by frame."""
    if header.frame is not None and header.syntax != DeflatedExplicitVRLittleEndian:
        return header.path
    with warnings.catch_warnings(action="ignore"):  # pydicom warns of every value that breaks a rule
        dataset = pydicom.dcmread(header.path, force=True)
    if header.frame is None:  # one image, whatever an unreadable number says
        dataset.pop("NumberOfFrames", None)
    if "TransferSyntaxUID" not in dataset.file_meta:  # a file without its file header
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _rescaled(stored: Values, rescale: tuple[float, ...]) -> Values:
    """Return stored value × slope + intercept; a slope that is missing or 0 is 1, a missing intercept 0."""
    slope, intercept = (
        given if np.isfinite(given) and given else missing for given, missing in zip(rescale, (1.0, 0.0), strict=True)
    )
    whole = float(slope).is_integer() and float(intercept).is_integer()
    if whole and stored.dtype.itemsize <= 2 and max(abs(slope), abs(intercept)) < 1 << 14:
        return stored.astype(np.int32) * np.int32(slope) + np.int32(intercept)
    return stored.astype(np.float64) * slope + intercept


def _undecodable(header: SliceHeader) -> SeriesError:
    return SeriesError(
        f"{header.path.name} cannot be decoded: it is damaged, or its compression is not supported "
        f"(transfer syntax {header.syntax}). "
        "Copy it again, or convert the series to an uncompressed or JPEG 2000 one."
    )
