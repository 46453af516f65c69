"""NIfTI, NRRD and MetaImage files through SimpleITK, with additional checks.

SimpleITK fills the missing part of a truncated NIfTI file with whatever was in memory
and reports no error, so the length of the data is checked here before it reads. Its C++
messages are replaced by short ones.
"""

# Calls of SimpleITK readers are untyped, even with its exclusion in pyproject.toml.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import gzip
import io
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radsam.disk.utf8_path import utf8_path
from radsam.errors import VolumeError
from radsam.io.nifti_grid import choose_grid
from radsam.volume import Geometry

# Its C++ warnings (a sform that differs from the qform, an uneven series) go to stderr; this package
# checks and raises the relevant ones itself.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True)
class FileFormat:
    """A file format of one volume in one file.

    Args:
        name: Its usual name.
        suffixes: Lower-case suffixes with their dot.
        reader: SimpleITK's name of the reader, so that it does not guess from the content.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str


NIFTI = FileFormat("NIfTI", (".nii", ".nii.gz"), "NiftiImageIO")
NRRD = FileFormat("NRRD", (".nrrd", ".nhdr"), "NrrdImageIO")
META = FileFormat("MetaImage", (".mha", ".mhd"), "MetaImageIO")
FORMATS = (NIFTI, NRRD, META)
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)

_CHUNK_BYTES = 1 << 20
_NIFTI_HEAD_BYTES = 348
#: Direction cosines may be this far from orthonormal: NIfTI keeps them in float32, and
#: some writers keep four digits.
_ORTHONORMAL_TOLERANCE = 1e-3
_SCALARS = {
    getattr(sitk, f"sitk{name}"): name.lower()
    for name in ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float32", "Float64")
}
_META_INTEGERS = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8}
_META_BYTES = {f"MET_{sign}{name}": size for name, size in _META_INTEGERS.items() for sign in ("", "U")} | {
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Args:
        format: The file format.
        geometry: The grid.
        dtype: Type of the values, after the file's own scaling.
    """

    format: FileFormat
    geometry: Geometry
    dtype: str


def format_of(path: Path) -> FileFormat | None:
    """Return the format with the suffix of `path`; None if unknown."""
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffixes)), None)


def read_header(path: Path) -> Header:
    """Read grid and type of a NIfTI, NRRD or MetaImage file, not its voxels.

    Raises:
        VolumeError: The file is not one three-dimensional scalar image, or its header
            states more data than the file holds.
    """
    return _checked_header(path, whole=False)


def read_image(path: Path) -> tuple[Header, sitk.Image]:
    """Read a NIfTI, NRRD or MetaImage file whose header was accepted.

    Returns:
        The header, and the image: float64 becomes float32, other types stay.

    Raises:
        VolumeError: As `read_header`, or the voxels are cut short or damaged.
    """
    # Before its header: SimpleITK reports damage behind the header as a wrong header.
    header = _checked_header(path, whole=True)
    with _opened(path, header.format) as reader:
        if header.dtype == "float64":
            reader.SetOutputPixelType(sitk.sitkFloat32)
        try:
            return header, reader.Execute()
        except (RuntimeError, MemoryError) as error:
            raise VolumeError(_damaged(path, "its voxels cannot be read")) from error


def voxel_file(path: Path) -> Path | None:
    """Return the file beside a MetaImage or NRRD header that holds its voxels; None where one file holds both.

    Raises:
        VolumeError: The file lies outside the header's folder, or is missing.
        OSError, ValueError: The header cannot be read.
    """
    file_format = format_of(path)
    if file_format not in (NRRD, META):
        return None
    with path.open("rb") as stream:
        if file_format is NRRD:
            name = _nrrd_fields(stream).get("datafile", "LOCAL")
        else:
            name = _meta_fields(stream)["ElementDataFile"]
    return None if name == "LOCAL" else _beside(path, name)


def geometry_of(image: sitk.Image | sitk.ImageFileReader, source: Path) -> Geometry:
    """Return the grid of a three-dimensional SimpleITK image or opened file.

    Raises:
        VolumeError: The voxel axes are not perpendicular.
    """
    i, j, k = image.GetSize()
    direction = np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    if not np.allclose(direction.T @ direction, np.eye(3), atol=_ORTHONORMAL_TOLERANCE):
        raise VolumeError(_sheared(source))
    return Geometry.from_parts((k, j, i), image.GetOrigin(), image.GetSpacing(), direction)


def _checked_header(path: Path, *, whole: bool) -> Header:
    file_format = format_of(path)
    if file_format is None:
        raise VolumeError(f"{path} has no known suffix; known are {', '.join(SUFFIXES)}.")
    _check_not_empty(path)
    _check_length(path, file_format, whole=whole)
    with _opened(path, file_format) as reader:
        return _header(path, file_format, reader)


@contextmanager
def _opened(path: Path, file_format: FileFormat) -> Iterator[sitk.ImageFileReader]:
    voxels = voxel_file(path)
    with utf8_path(path, [] if voxels is None else [str(voxels.relative_to(path.parent))]) as name:
        reader = sitk.ImageFileReader()
        reader.SetImageIO(file_format.reader)
        reader.SetFileName(name)
        yield reader


def _header(path: Path, file_format: FileFormat, reader: sitk.ImageFileReader) -> Header:
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise VolumeError(_sheared(path)) from error
        raise VolumeError(_damaged(path, f"its header is not one of a {file_format.name} file")) from error
    size = "×".join(str(n) for n in reader.GetSize())
    if reader.GetDimension() != 3:
        raise VolumeError(
            f"{path} has {reader.GetDimension()} dimensions ({size}); a volume has three. "
            "Of a time series, save one time point; of single slices, save the whole stack."
        )
    dtype = _SCALARS.get(reader.GetPixelID())
    if dtype is None or reader.GetNumberOfComponents() != 1:
        kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        raise VolumeError(f"Each voxel of {path} is a {kind}; a volume holds one number per voxel.")
    geometry = geometry_of(reader, path)
    if file_format is NIFTI:
        geometry = choose_grid(_nifti_head(path), geometry, path)
    return Header(file_format, geometry, dtype)


def _check_not_empty(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise VolumeError(f"{path} cannot be read: {error.strerror or error}.") from error
    if empty:
        raise VolumeError(f"{path} is an empty file.")


def _check_length(path: Path, file_format: FileFormat, *, whole: bool) -> None:
    """Refuse a file that holds less data than its header states.

    Args:
        path: The file.
        file_format: Its format.
        whole: Decompress and check the voxels, too.
    """
    check = {NIFTI.name: _check_nifti, NRRD.name: _check_nrrd, META.name: _check_meta}[file_format.name]
    try:
        check(path, whole)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VolumeError(_damaged(path, "its compressed data are cut short or altered")) from error
    except (struct.error, ValueError, KeyError) as error:
        raise VolumeError(_damaged(path, f"its header is not one of a {file_format.name} file")) from error
    except OSError as error:
        raise VolumeError(f"{path} cannot be read: {error.strerror or error}.") from error


def _open_nifti(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _nifti_head(path: Path) -> bytes:
    with _open_nifti(path) as stream:
        return stream.read(_NIFTI_HEAD_BYTES)


def _check_nifti(path: Path, whole: bool) -> None:
    with _open_nifti(path) as stream:
        head = stream.read(_NIFTI_HEAD_BYTES)
        if len(head) == _NIFTI_HEAD_BYTES and 540 in (*struct.unpack("<i", head[:4]), *struct.unpack(">i", head[:4])):
            raise VolumeError(f"{path} is a NIfTI-2 file, which is not supported. Save it as NIfTI-1 or NRRD.")
        offset_bytes, data_bytes, float_type = _nifti_layout(head)
        if not isinstance(stream, gzip.GzipFile):
            _compare(path, path.stat().st_size, offset_bytes + data_bytes)
        if whole:
            stream.read(offset_bytes - len(head))
            length = _check_finite(path, stream, float_type, data_bytes) if float_type else 0
            # Of a compressed file to the very end, where gzip keeps the checksum.
            _compare(path, offset_bytes + length + _read_to_the_end(stream), offset_bytes + data_bytes)


def _nifti_layout(head: bytes) -> tuple[int, int, str | None]:
    """Return the position of the voxels in a NIfTI-1 file.

    Returns:
        Bytes before the voxels, bytes of the voxels, and the numpy type of the voxels
        if they are floating-point numbers.
    """
    order = "<" if struct.unpack("<i", head[:4]) == (348,) else ">"
    if struct.unpack(f"{order}i", head[:4]) != (348,):
        raise ValueError("not a NIfTI header")
    dims = struct.unpack_from(f"{order}8h", head, 40)
    code, bits = struct.unpack_from(f"{order}2h", head, 70)
    (offset_bytes,) = struct.unpack_from(f"{order}f", head, 108)
    if offset_bytes < len(head) or dims[0] not in range(1, 8) or min(dims[1 : dims[0] + 1]) < 1:
        raise ValueError("not a NIfTI header")
    data_bytes = math.prod(dims[1 : dims[0] + 1]) * bits // 8
    return int(offset_bytes), data_bytes, {16: f"{order}f4", 64: f"{order}f8"}.get(code)


def _check_finite(path: Path, stream: io.BufferedIOBase, float_type: str, data_bytes: int) -> int:
    """Refuse NaN and infinity, which SimpleITK's NIfTI reader silently turns into 0.

    Returns:
        How many of the next `data_bytes` were there and read.
    """
    length = 0
    while chunk := stream.read(min(_CHUNK_BYTES, data_bytes - length)):
        length += len(chunk)
        whole_values = len(chunk) // np.dtype(float_type).itemsize
        if not np.isfinite(np.frombuffer(chunk, float_type, whole_values)).all():
            raise VolumeError(f"{path} holds NaN or infinite values. Replace them (air is -1024 HU) and try again.")
    return length


def _check_nrrd(path: Path, whole: bool) -> None:
    """Check the gzip checksum, which SimpleITK does not check; it does report data that are cut short."""
    with path.open("rb") as stream:
        fields = _nrrd_fields(stream)
        data_name = fields.get("datafile")
        if whole and data_name is None and fields["encoding"] in ("gzip", "gz"):
            _read_to_the_end(gzip.GzipFile(fileobj=stream))
    if data_name is not None:
        data_path = _beside(path, data_name)
        skipped = {fields.get("lineskip", "0"), fields.get("byteskip", "0")} != {"0"}
        if whole and fields["encoding"] in ("gzip", "gz") and not skipped:
            with gzip.open(data_path) as unpacked:
                _read_to_the_end(unpacked)


def _nrrd_fields(stream: io.BufferedIOBase) -> dict[str, str]:
    """Read "key: value" lines up to the empty line before the voxels, or to the end."""
    if not stream.readline(64).startswith(b"NRRD"):
        raise ValueError("not a NRRD header")
    fields: dict[str, str] = {}
    while line := os.fsdecode(stream.readline(1 << 16)).strip():
        key, _, value = line.partition(":")
        fields[key.lower().replace(" ", "")] = value.strip()
    return fields


def _check_meta(path: Path, whole: bool) -> None:
    with path.open("rb") as stream:
        fields = _meta_fields(stream)
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        voxels = math.prod(int(n) for n in fields["DimSize"].split()) * channels
        needed = voxels * _META_BYTES[fields["ElementType"].removesuffix("_ARRAY")]
        compressed = fields.get("CompressedData", "False").lower() == "true"
        if fields["ElementDataFile"] == "LOCAL":
            _check_meta_data(path, stream, needed, compressed=compressed, whole=whole)
            return
    data_path = _beside(path, fields["ElementDataFile"])
    with data_path.open("rb") as stream:
        _check_meta_data(data_path, stream, needed, compressed=compressed, whole=whole)


def _meta_fields(stream: io.BufferedIOBase) -> dict[str, str]:
    """Read "key = value" lines up to the one that names the data file."""
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields:
        line = stream.readline(4096)
        key, equals, value = os.fsdecode(line).partition("=")
        if not equals:
            raise ValueError("not a MetaImage header")
        fields[key.strip()] = value.strip()
    return fields


def _check_meta_data(path: Path, stream: io.BufferedIOBase, needed: int, *, compressed: bool, whole: bool) -> None:
    if not compressed:
        _compare(path, path.stat().st_size - stream.tell(), needed)
    elif whole:
        unpack = zlib.decompressobj(wbits=47)  # zlib or gzip, detected from the first bytes
        length = sum(len(unpack.decompress(chunk)) for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""))
        if not unpack.eof:
            raise EOFError
        _compare(path, length, needed)


def _read_to_the_end(stream: io.BufferedIOBase) -> int:
    """Read the rest and return its length in bytes; gzip compares its checksum at the end."""
    return sum(len(chunk) for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""))


def _beside(path: Path, name: str) -> Path:
    """Return the data file that a header names; it must lie beside or below the header.

    A malicious header could otherwise show any file of this computer as voxels.
    """
    if name.upper().startswith("LIST") or "%" in name:
        raise VolumeError(f"{path} keeps its voxels in several files. Save it as one .nii.gz or .nrrd file.")
    if ".." in re.split(r"[/\\]", name) or Path(name).is_absolute():
        raise VolumeError(f"{path} keeps its voxels in {name}, outside its folder. Put both files in one folder.")
    data_path = path.parent / name
    if not data_path.is_file():
        raise VolumeError(f"{path} keeps its voxels in {name}, which is missing beside it.")
    return data_path


def _compare(path: Path, given: int, needed: int) -> None:
    if given < needed:
        raise VolumeError(
            _damaged(path, f"its header states {needed / 1e6:.1f} MB of data and {given / 1e6:.1f} MB are present")
        )


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged, or not of the format of its suffix: {why}. Copy, download or export it again."


def _sheared(path: Path) -> str:
    return (
        f"The voxel axes of {path} are not perpendicular (a sheared or damaged affine). "
        "Resample it to a rectangular grid and try again."
    )
