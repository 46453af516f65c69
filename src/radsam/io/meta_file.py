"""The header and the voxels of a MetaImage file: https://itk.org/Wiki/ITK/MetaIO/Documentation.

SimpleITK ends the process on some damaged headers, and gives memory for compressed voxels
whose CompressedDataSize is missing. So headers are checked first, and binary voxels read here.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from radsam.errors import VolumeError
from radsam.io.file_length import CHUNK_BYTES, require_length, require_packed_length
from radsam.io.voxel_file import beside

_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
#: How many numbers these fields have.
_NUMBERS = {
    **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), 9),
    **dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation", "ElementSpacing", "ElementSize"), 3),
}


def read_meta_fields(path: Path) -> dict[str, str]:
    """Read the header, and check what SimpleITK does not.

    Raises:
        VolumeError: It has another number of dimensions than three, or the file of its voxels is missing or short.
        ValueError, KeyError, EOFError: It is damaged.
    """
    with path.open("rb") as stream:
        fields = meta_fields(stream)
    dimensions = int(fields["NDims"])
    if dimensions in (1, 2, 4, 5):
        raise VolumeError(
            f"{path} has {dimensions} dimensions ({'×'.join(fields.get('DimSize', '').split())}); a volume has three. "
            "Of a time series, save one time point; of single slices, save the whole stack."
        )
    for name, count in _NUMBERS.items():
        numbers = [float(each) for each in fields.get(name, "").split()]
        if name in fields and (len(numbers) != count or not np.isfinite(numbers).all()):
            raise ValueError(f"{name} is damaged")
    if dimensions != 3 or len(_size(fields)) != 3 or min(_size(fields)) < 1 or _channels(fields) < 1:
        raise ValueError("not three dimensions")
    with _voxels(path, fields) as (voxel_path, stream, needed):
        rest = voxel_path.stat().st_size - stream.tell()
        if _true(fields, "CompressedData"):
            if not 0 <= int(fields.get("CompressedDataSize", rest)) <= rest:
                raise EOFError
            require_packed_length(voxel_path, rest, needed)
        elif _binary(fields):  # of text, SimpleITK counts the numbers
            require_length(voxel_path, rest, needed)
    return fields


def read_meta_voxels(path: Path, fields: Mapping[str, str]) -> Shaped[np.ndarray, "k j i"] | None:
    """Read the voxels; None where they are written as text, which SimpleITK reads, or have several numbers each.

    Raises:
        VolumeError: The voxels are cut short.
        EOFError, zlib.error: Compressed voxels are damaged.
    """
    if not _binary(fields) or _channels(fields) > 1:
        return None
    with _voxels(path, fields) as (voxel_path, stream, needed):
        values = np.empty(_size(fields)[::-1], _dtype(fields))
        into, length = values.data.cast("B"), 0
        if _true(fields, "CompressedData"):
            unpack = zlib.decompressobj(wbits=47)  # zlib or gzip, detected from the first bytes
            left = int(fields.get("CompressedDataSize", voxel_path.stat().st_size))
            while chunk := stream.read(min(left, CHUNK_BYTES)):
                left -= len(chunk)
                piece = unpack.decompress(chunk)[: needed - length]
                into[length : length + len(piece)] = piece
                length += len(piece)
            if not unpack.eof:
                raise EOFError
        else:
            while count := stream.readinto(into[length : length + CHUNK_BYTES]):
                length += count
        require_length(voxel_path, length, needed)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def meta_fields(stream: io.BufferedIOBase) -> dict[str, str]:
    """Read "key = value" lines up to the one that names the data file.

    Raises:
        ValueError: It is not such a header, or states a field twice.
    """
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields:
        line = stream.readline(4096)
        key, equals, value = os.fsdecode(line).partition("=")
        if not equals or key.strip() in fields:
            raise ValueError("not a MetaImage header")
        fields[key.strip()] = value.strip()
    return fields


@contextmanager
def _voxels(path: Path, fields: Mapping[str, str]) -> Iterator[tuple[Path, io.BufferedIOBase, int]]:
    """Open the file of the voxels where they begin; also yields its path and how many bytes they need."""
    name, skipped = fields["ElementDataFile"], int(fields.get("HeaderSize", "0"))
    local = name.upper() == "LOCAL"
    voxel_path = path if local else beside(path, name)
    needed = math.prod(_size(fields)) * _channels(fields) * _dtype(fields).itemsize
    with voxel_path.open("rb") as stream:
        if local:
            meta_fields(stream)
        if skipped > 0:
            stream.seek(skipped)
        elif skipped == -1 and not _true(fields, "CompressedData"):
            stream.seek(max(stream.tell(), voxel_path.stat().st_size - needed))
        elif skipped < 0:
            raise ValueError("HeaderSize is damaged")
        yield voxel_path, stream, needed


def _size(fields: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(int(each) for each in fields["DimSize"].split())


def _channels(fields: Mapping[str, str]) -> int:
    return int(fields.get("ElementNumberOfChannels", "1"))


def _dtype(fields: Mapping[str, str]) -> np.dtype[Any]:
    big = _true(fields, "ElementByteOrderMSB", default=fields.get("BinaryDataByteOrderMSB", "False"))
    kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")
    return np.dtype(_TYPES[kind]).newbyteorder(">" if big else "<")


def _binary(fields: Mapping[str, str]) -> bool:
    return _true(fields, "BinaryData", default="True")


def _true(fields: Mapping[str, str], name: str, default: str = "False") -> bool:
    """Whether a field is true: like SimpleITK, by its first character."""
    return fields.get(name, default)[:1] in ("T", "t", "1")
