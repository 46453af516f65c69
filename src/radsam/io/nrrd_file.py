"""The header of a NRRD file, checked before SimpleITK reads it: https://teem.sourceforge.net/nrrd/format.html.

SimpleITK ends the process on an overlong field, makes room for all voxels that a header
states before it looks whether the file holds them, and does not check the sum of gzip.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
from pathlib import Path

from radsam.errors import VolumeError
from radsam.io.file_length import read_to_the_end, require_length, require_packed_length
from radsam.io.voxel_file import beside

#: SimpleITK's reader has no room for much longer ones in its messages.
_LONGEST_FIELD = 1024
_BYTES = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: (
        *("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
        *("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    ),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"),
    8: (
        *("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
        *("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"),
    ),
}
_TYPE_BYTES = {name: size for size, names in _BYTES.items() for name in names}


def read_nrrd_fields(path: Path, *, whole: bool) -> dict[str, str]:
    """Read the header, keys in lower case without spaces, and refuse a file that holds less than it states.

    Args:
        path: The file.
        whole: Decompress and check the voxels, too.

    Raises:
        VolumeError: The file of its voxels is missing or short, or compressed with bzip2.
        ValueError, KeyError, EOFError, OSError, zlib.error: It is damaged.
    """
    with path.open("rb") as stream:
        fields = nrrd_fields(stream)
        start = stream.tell()
    needed = math.prod(_sizes(fields)) * _TYPE_BYTES.get(fields["type"].lower(), 1)
    name = fields.get("datafile")
    voxel_path = path if name is None else beside(path, name)
    # Of skipped lines and bytes SimpleITK takes care.
    if {fields.get("lineskip", "0"), fields.get("byteskip", "0")} != {"0"}:
        return fields
    rest = voxel_path.stat().st_size - (start if name is None else 0)
    encoding = fields["encoding"].lower()
    if encoding == "raw":
        require_length(voxel_path, rest, needed)
    elif encoding in ("gzip", "gz"):
        require_packed_length(voxel_path, rest, needed)
        if whole:
            with voxel_path.open("rb") as stream:
                stream.seek(start if name is None else 0)
                require_length(voxel_path, read_to_the_end(gzip.GzipFile(fileobj=stream)), needed)
    elif encoding in ("bzip2", "bz2"):
        raise VolumeError(f"{path} keeps its voxels in bzip2, which cannot be read. Save it again, with gzip.")
    elif encoding in ("ascii", "text", "txt", "hex"):
        require_length(voxel_path, rest, math.prod(_sizes(fields)))  # a digit each, at least
    return fields


def nrrd_fields(stream: io.BufferedIOBase) -> dict[str, str]:
    """Read "key: value" lines up to the empty line before the voxels, or to the end.

    Raises:
        ValueError: It is not such a header, or a field is too long.
    """
    if not stream.readline(64).startswith(b"NRRD"):
        raise ValueError("not a NRRD header")
    fields: dict[str, str] = {}
    while line := os.fsdecode(stream.readline(1 << 16)).strip():
        key, _, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue  # a comment, or a key of the user's own
        if len(line) > _LONGEST_FIELD:
            raise ValueError("a field is too long")
        fields[key.lower().replace(" ", "")] = value.strip()
    return fields


def read_nrrd_key_values(path: Path) -> dict[str, str]:
    """Return the "key:=value" lines of a header that `read_nrrd_fields` accepts."""
    found = {}
    with path.open("rb") as stream:
        while line := stream.readline(1 << 16).decode("utf-8", "replace").strip():
            key, equals, value = line.partition(":=")
            if equals and not line.startswith("#"):
                # A backslash and a line break are written as two characters.
                found[key] = re.sub(r"\\([\\n])", lambda each: "\n" if each[1] == "n" else each[1], value)
    return found


def _sizes(fields: dict[str, str]) -> list[int]:
    sizes = [int(each) for each in fields["sizes"].split()]
    if min(sizes, default=0) < 1:
        raise ValueError("sizes are damaged")
    return sizes
