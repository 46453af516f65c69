"""The voxels of a NIfTI-1 file, as they are stored.

SimpleITK's reader is not used for NIfTI: it adds the intercept where the slope is 0, turns
NaN into 0, chooses another grid than the standard, and fills what is missing with memory.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from radsam.errors import VolumeError
from radsam.io.file_length import CHUNK_BYTES, read_to_the_end, require_length, require_packed_length
from radsam.io.nifti_header import NIFTI_HEADER_BYTES, NiftiHeader, parse_nifti_header


def check_index(path: Path, volumes: int, index: int | None) -> None:
    """Refuse an index that is not of one of the volumes of a file, and several volumes without one.

    Raises:
        VolumeError: No volume is chosen.
    """
    last = volumes - 1
    if index is None and volumes > 1:
        raise VolumeError(
            f"{path} holds {volumes} volumes, as of a time series or of several echoes or b-values. Choose one by its "
            f"number, 0 to {last}: --index 0 (index=0 in Python)."
        )
    if index is not None and not 0 <= index <= last:
        there = f"{volumes} volumes: give 0 to {last}" if last else "one volume: give no index"
        raise VolumeError(f"{path} has no volume {index}; it holds {there}.")


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI-1 file.

    Raises:
        VolumeError: It is another kind of file, is cut short, or is not one three-dimensional scalar image.
    """
    with _open(path) as stream:
        return _header(path, stream)


def read_nifti(path: Path, index: int | None = None) -> tuple[NiftiHeader, Shaped[np.ndarray, "k j i"]]:
    """Read a volume of a NIfTI-1 file.

    Args:
        path: The file.
        index: Which of its volumes; None for a file of one.

    Returns:
        The header, and the stored values in native byte order.

    Raises:
        VolumeError: As `read_nifti_header`, the voxels are cut short, or the file holds several volumes and `index` is
            none of them.
        OSError: Compressed data are damaged; EOFError and zlib.error say the same.
    """
    with _open(path) as stream:
        header = _header(path, stream)
        before = _bytes_before(header, path, index)
        require_packed_length(path, path.stat().st_size, header.data_bytes * header.volumes)
        stream.seek(before)
        values = np.empty(header.shape_kji, header.dtype)
        into = values.data.cast("B")
        length = 0
        while count := stream.readinto(into[length : length + CHUNK_BYTES]):
            length += count
        require_length(path, before + length, before + header.data_bytes)
        read_to_the_end(stream)  # of a compressed file its checksum
    return header, values.astype(values.dtype.newbyteorder("="), copy=False)


def read_nifti_middle(path: Path, index: int | None = None) -> tuple[NiftiHeader, int, Shaped[np.ndarray, "1 j i"]]:
    """Read the middle slice of a volume of a NIfTI-1 file, and nothing behind it.

    Args:
        path: The file.
        index: As for `read_nifti`.

    Returns:
        The header, the slice's index along k, and its stored values in native byte order.

    Raises:
        VolumeError, OSError, EOFError, zlib.error: As `read_nifti`.
    """
    with _open(path) as stream:
        header = _header(path, stream)
        count, rows, cols = header.shape_kji
        values = np.empty((1, rows, cols), header.dtype)
        middle = count // 2
        stream.seek(_bytes_before(header, path, index) + middle * values.nbytes)
        data = stream.read(values.nbytes)
        require_length(path, len(data), values.nbytes)
    values.data.cast("B")[:] = data
    return header, middle, values.astype(values.dtype.newbyteorder("="), copy=False)


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _header(path: Path, stream: io.BufferedIOBase) -> NiftiHeader:
    try:
        header = parse_nifti_header(stream.read(NIFTI_HEADER_BYTES))
    except VolumeError as error:
        raise VolumeError(f"{path} {error}") from None
    if not isinstance(stream, gzip.GzipFile):
        require_length(path, path.stat().st_size, header.offset_bytes + header.data_bytes * header.volumes)
    return header


def _bytes_before(header: NiftiHeader, path: Path, index: int | None) -> int:
    """Return the bytes before a volume."""
    check_index(path, header.volumes, index)
    return header.offset_bytes + (index or 0) * header.data_bytes
