"""Arrays on the wire, in the packed form of nnInteractive's client, unpacked by that client's own code.

What a packed array says of its size is compared with the limits and with the body before anything is allocated::

    "NNIA", version, codec, ndim, n    each one byte
    n bytes of dtype, ndim × int64 of shape, uint32 chunks, then per chunk
    uint64 unpacked bytes, uint64 packed bytes, a blosc2 frame
"""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from radsam.errors import InputError, MissingExtraError
from radsam.server.server_errors import TooLargeError

_DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16", "float32", "float64")
_FIXED = struct.Struct("<4sBBBB")
_COUNT = struct.Struct("<I")
_CHUNK = struct.Struct("<QQ")
#: The longest header: what is read before anything is believed.
_HEAD_BYTES = _FIXED.size + 16 + 4 * 8
#: blosc2 may store what it cannot compress, with a header and offsets: a 32nd more, and 64 KiB.
_OVERHEAD, _SLACK_BYTES = 32, 1 << 16
#: Header of a blosc2 frame.
_FRAME_BYTES = 32
_NOT_PACKED = "The body is not an array as nnInteractive's client packs it"


@dataclass(frozen=True)
class ArrayHeader:
    """What a packed array says of itself.

    Args:
        dtype: Its type.
        shape: Its shape.
        start: Where its chunks are counted.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    @property
    def nbytes(self) -> int:
        """What it unpacks to."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def most_packed(self) -> int:
        """How long its packed form can be."""
        return self.nbytes + self.nbytes // _OVERHEAD + _SLACK_BYTES


def require_client() -> ModuleType:
    """Return the client's serialisation.

    Raises:
        MissingExtraError: The client package is not installed.
    """
    try:
        from nnInteractive.inference.remote import serialization
    except ImportError as error:
        raise MissingExtraError("nnInteractive's protocol", "nninteractive") from error
    return serialization  # type: ignore[no-any-return]


async def receive(stream: AsyncIterator[bytes], most_bytes: int) -> tuple[ArrayHeader, bytes]:
    """Receive a packed array; no more is read than its header can mean.

    Args:
        stream: The body.
        most_bytes: What the array may take unpacked.

    Raises:
        InputError: It is not a packed array, or its body is longer than it can be.
        TooLargeError: It says that it takes more.
    """
    body = bytearray()
    claim: ArrayHeader | None = None
    async for piece in stream:
        body += piece
        if claim is None and len(body) >= _HEAD_BYTES:
            claim = parse_header(bytes(body[:_HEAD_BYTES]), most_bytes)
        if claim is not None and len(body) > claim.most_packed:
            raise InputError(f"{_NOT_PACKED}: it is longer than its shape {claim.shape} can be.")
    if claim is None:
        claim = parse_header(bytes(body[:_HEAD_BYTES]), most_bytes)
    return claim, bytes(body)


def parse_header(head: bytes, most_bytes: int) -> ArrayHeader:
    """Read the header of a packed array.

    Raises:
        InputError: It is none.
        TooLargeError: The array would take more than `most_bytes`.
    """
    try:
        magic, version, _, ndim, length = _FIXED.unpack_from(head)
        name = head[_FIXED.size : _FIXED.size + length].decode("ascii")
        start = _FIXED.size + length + 8 * ndim
        if magic != b"NNIA" or version != 1 or not 1 <= ndim <= 4 or name not in _DTYPES:
            raise InputError(f"{_NOT_PACKED}: up to four axes, of one of {', '.join(_DTYPES)}.")
        shape = struct.unpack_from(f"<{ndim}q", head, _FIXED.size + length)
    except (struct.error, UnicodeDecodeError):
        raise InputError(f"{_NOT_PACKED}: its header is cut short.") from None
    if min(shape) < 1:
        raise InputError(f"{_NOT_PACKED}: its shape is {shape}.")
    claim = ArrayHeader(np.dtype(name), shape, start)
    if claim.nbytes > most_bytes:
        raise TooLargeError(
            f"An array of {'×'.join(map(str, shape))} {name} takes {claim.nbytes / 1e9:.1f} GB; the limit here is "
            f"{most_bytes / 1e9:.1f} GB. Crop the image first."
        )
    return claim


def unpack(claim: ArrayHeader, body: bytes) -> Shaped[np.ndarray, "..."]:
    """Unpack a body whose claim was read.

    Raises:
        InputError: The body does not keep what its header says.
        MissingExtraError: The client package is not installed.
    """
    serialization = require_client()
    _check_chunks(claim, body, serialization.blosc2)
    try:
        return np.asarray(serialization.unpack_array(body))
    except (ValueError, RuntimeError, TypeError, OverflowError, struct.error) as error:
        raise InputError(f"{_NOT_PACKED} ({error}).") from None


def _check_chunks(claim: ArrayHeader, body: bytes, blosc2: ModuleType) -> None:
    """Compare the chunks' sizes with the body and with the shape: the unpacker believes them."""
    try:
        (count,) = _COUNT.unpack_from(body, claim.start)
        at, unpacked = claim.start + _COUNT.size, 0
        for _ in range(count):
            size, packed = _CHUNK.unpack_from(body, at)
            at += _CHUNK.size
            if not size or packed < _FRAME_BYTES or at + packed > len(body):
                raise InputError(f"{_NOT_PACKED}: it is cut short, or altered.")
            told, stored, _ = blosc2.get_cbuffer_sizes(body[at : at + _FRAME_BYTES])
            if (told, stored) != (size, packed):
                raise InputError(f"{_NOT_PACKED}: a chunk is of another size than it says.")
            at, unpacked = at + packed, unpacked + size
    except (struct.error, ValueError, RuntimeError):
        raise InputError(f"{_NOT_PACKED}: it is cut short, or altered.") from None
    if (at, unpacked) != (len(body), claim.nbytes):
        raise InputError(f"{_NOT_PACKED}: its header says {claim.nbytes} bytes, its chunks unpack to {unpacked}.")


def pack(mask: Bool[np.ndarray, "k j i"]) -> bytes:
    """Pack a part of a mask, as 0 and 1."""
    serialization = require_client()
    # Without the trial of filters: masks compress best without one, as the client itself says.
    return bytes(serialization.pack_array(mask.astype(np.uint8), filters=[serialization.blosc2.Filter.NOFILTER]))
