"""Checks that a file holds as many bytes as its header states: readers fill what is missing with memory."""

from __future__ import annotations

import io
from pathlib import Path

from radsam.errors import VolumeError

CHUNK_BYTES = 1 << 20
#: zlib and gzip make no byte of more than 1032.
_MOST_PACKED = 1040


def read_to_the_end(stream: io.BufferedIOBase) -> int:
    """Read the rest and return its length in bytes; gzip compares its checksum at the end."""
    return sum(len(chunk) for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""))


def require_length(path: Path, given: int, needed: int) -> None:
    """Refuse a file with fewer bytes than needed.

    Raises:
        VolumeError: It has fewer.
    """
    if given < needed:
        raise VolumeError(
            damaged(path, f"its header states {needed / 1e6:.1f} MB of data and {given / 1e6:.1f} MB are present")
        )


def require_packed_length(path: Path, given: int, needed: int) -> None:
    """Refuse compressed bytes that cannot unpack to as many as needed, before room is made for them.

    Raises:
        VolumeError: They cannot.
    """
    if given * _MOST_PACKED < needed:
        raise VolumeError(
            damaged(path, f"its header states {needed / 1e6:.1f} MB of data, and {given / 1e6:.1f} MB hold less")
        )


def damaged(path: Path, why: str) -> str:
    """Say that a file is damaged.

    Args:
        path: The file.
        why: What is wrong with it, as a clause.
    """
    return f"{path} is damaged, or not of the format of its suffix: {why}. Copy, download or export it again."
