"""Arrays in the packed form of nnInteractive's client, unpacked by that client's own code, and the volume of one.

The sizes in a header are compared with the limits and with the body before any memory is allocated::

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
from jaxtyping import Bool, Float, Int16, Shaped

from radsam.errors import InputError, MissingExtraError, VolumeError
from radsam.io.volume_read import taken_for
from radsam.server.server_errors import TooLargeError
from radsam.volume import Geometry, Volume

_DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16", "float32", "float64")
_FIXED = struct.Struct("<4sBBBB")
_COUNT = struct.Struct("<I")
_CHUNK = struct.Struct("<QQ")
#: The longest header.
_HEAD_BYTES = _FIXED.size + 16 + 4 * 8
#: blosc2 stores incompressible data with a header and offsets: at most 1/32 and 64 KiB more.
_OVERHEAD, _SLACK_BYTES = 32, 1 << 16
#: Header of a blosc2 frame.
_FRAME_BYTES = 32
_NOT_PACKED = "The body is not an array as nnInteractive's client packs it"


@dataclass(frozen=True)
class ArrayHeader:
    """The header of a packed array.

    Args:
        dtype: Its type.
        shape: Its shape.
        start: Offset of its chunks in the body.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    @property
    def nbytes(self) -> int:
        """Its unpacked size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def max_packed_bytes(self) -> int:
        """The largest possible size of its packed form in bytes."""
        return self.nbytes + self.nbytes // _OVERHEAD + _SLACK_BYTES


def require_client() -> ModuleType:
    """Return the serialisation module of the client.

    Raises:
        MissingExtraError: The client package is not installed.
    """
    try:
        from nnInteractive.inference.remote import serialization
    except ImportError as error:
        raise MissingExtraError("nnInteractive's protocol", "nninteractive") from error
    return serialization  # type: ignore[no-any-return]


async def receive(stream: AsyncIterator[bytes], max_bytes: int) -> tuple[ArrayHeader, bytes]:
    """Receive a packed array; stop as soon as the body is longer than its header allows.

    Args:
        stream: The body.
        max_bytes: Limit of its unpacked size.

    Raises:
        InputError: The body is not a packed array, or is longer than its header allows.
        TooLargeError: Its unpacked size exceeds the limit.
    """
    body = bytearray()
    header: ArrayHeader | None = None
    async for piece in stream:
        body += piece
        if header is None and len(body) >= _HEAD_BYTES:
            header = parse_header(bytes(body[:_HEAD_BYTES]), max_bytes)
        if header is not None and len(body) > header.max_packed_bytes:
            raise InputError(f"{_NOT_PACKED}: it is longer than its shape {header.shape} allows.")
    if header is None:
        header = parse_header(bytes(body[:_HEAD_BYTES]), max_bytes)
    return header, bytes(body)


def parse_header(head: bytes, max_bytes: int) -> ArrayHeader:
    """Parse the header of a packed array.

    Raises:
        InputError: The bytes are not the header of a packed array.
        TooLargeError: The unpacked array exceeds `max_bytes`.
    """
    try:
        magic, version, _, ndim, length = _FIXED.unpack_from(head)
        name = head[_FIXED.size : _FIXED.size + length].decode("ascii")
        start = _FIXED.size + length + 8 * ndim
        if magic != b"NNIA" or version != 1 or not 1 <= ndim <= 4 or name not in _DTYPES:
            raise InputError(f"{_NOT_PACKED}: up to four axes, of one of {', '.join(_DTYPES)}.")
        shape = struct.unpack_from(f"<{ndim}q", head, _FIXED.size + length)
    except (struct.error, UnicodeDecodeError):
        raise InputError(f"{_NOT_PACKED}: its header is incomplete.") from None
    if min(shape) < 1:
        raise InputError(f"{_NOT_PACKED}: its shape is {shape}.")
    header = ArrayHeader(np.dtype(name), shape, start)
    if header.nbytes > max_bytes:
        raise TooLargeError(
            f"An array of {'×'.join(map(str, shape))} {name} takes {header.nbytes / 1e9:.1f} GB; the limit here is "
            f"{max_bytes / 1e9:.1f} GB. Crop the image first."
        )
    return header


def unpack(header: ArrayHeader, body: bytes) -> Shaped[np.ndarray, "..."]:
    """Unpack a body whose header was parsed.

    Raises:
        InputError: The body does not match its header.
        MissingExtraError: The client package is not installed.
    """
    serialization = require_client()
    _check_chunks(header, body, serialization.blosc2)
    try:
        return np.asarray(serialization.unpack_array(body))
    except (ValueError, RuntimeError, TypeError, OverflowError, struct.error) as error:
        raise InputError(f"{_NOT_PACKED} ({error}).") from None


def _check_chunks(header: ArrayHeader, body: bytes, blosc2: ModuleType) -> None:
    """Compare the sizes of the chunks with body and shape: the unpacker trusts them."""
    try:
        (count,) = _COUNT.unpack_from(body, header.start)
        at, unpacked = header.start + _COUNT.size, 0
        for _ in range(count):
            size, packed = _CHUNK.unpack_from(body, at)
            at += _CHUNK.size
            if not size or packed < _FRAME_BYTES or at + packed > len(body):
                raise InputError(f"{_NOT_PACKED}: it is incomplete or altered.")
            raw_size, frame_size, _ = blosc2.get_cbuffer_sizes(body[at : at + _FRAME_BYTES])
            if (raw_size, frame_size) != (size, packed):
                raise InputError(f"{_NOT_PACKED}: the size of a chunk does not match its data.")
            at, unpacked = at + packed, unpacked + size
    except (struct.error, ValueError, RuntimeError):
        raise InputError(f"{_NOT_PACKED}: it is incomplete or altered.") from None
    if (at, unpacked) != (len(body), header.nbytes):
        raise InputError(f"{_NOT_PACKED}: its header declares {header.nbytes} bytes, its chunks unpack to {unpacked}.")


def pack(mask: Bool[np.ndarray, "k j i"]) -> bytes:
    """Pack a part of a mask, as 0 and 1."""
    serialization = require_client()
    # No filter: the client documents that masks compress best without one.
    return bytes(serialization.pack_array(mask.astype(np.uint8), filters=[serialization.blosc2.Filter.NOFILTER]))


def volume_from_array(image: Shaped[np.ndarray, "..."], properties: Any) -> Volume:
    """Build a volume.

    The protocol carries neither position, orientation nor modality of the image. It is taken to lie as its viewer shows
    it, as in a DICOM series: to the right is the patient's left, downwards the back, and slices go upwards. napari's
    reader of NIfTI files stores an axis the other way round and says so by a negative spacing. The modality follows
    from the values.

    Args:
        image: Array (1, z, y, x).
        properties: Its "spacing": millimetres along z, y and x, negative where the viewer shows the axis mirrored.

    Raises:
        VolumeError: The array is not one 3D image, or its values are not finite or all the same.
        InputError: The spacing is not three numbers other than 0.
    """
    if image.ndim != 4 or image.shape[0] != 1:
        raise VolumeError(f"The shape of the image is {image.shape}; give one channel of a 3D image, (1, z, y, x).")
    spacing = properties.get("spacing") if isinstance(properties, dict) else None
    try:
        z, y, x = (float(each) for each in ((1, 1, 1) if spacing is None else spacing))
    except (TypeError, ValueError):
        z = y = x = 0.0
    if not all(np.isfinite(each) and 1e-3 <= abs(each) <= 1e3 for each in (z, y, x)):
        raise InputError(
            f"The spacing is {spacing!r}: give three numbers from 0.001 to 1000 mm along z, y and x, "
            "negative where an axis is shown mirrored."
        )
    voxels = image[0]
    # Slices go upwards either way: napari's reader stores them so, and mirrors them to draw the head at the top.
    direction = np.diag([np.sign(x), np.sign(y), 1.0])
    shape = (voxels.shape[0], voxels.shape[1], voxels.shape[2])
    geometry = Geometry.from_parts(shape, (0.0, 0.0, 0.0), (abs(x), abs(y), abs(z)), direction)
    return taken_for(Volume(_scalars(voxels), geometry, source="an image of nnInteractive's protocol"), None)


def _scalars(voxels: Shaped[np.ndarray, "k j i"]) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Return whole numbers as int16, as CT files store them, so that the volume equals the file's bit for bit."""
    limits = np.iinfo(np.int16)
    if voxels.dtype == np.int16:
        return voxels
    low, high = voxels.min(), voxels.max()
    if np.isfinite(low) and np.isfinite(high) and low >= limits.min and high <= limits.max:
        whole = voxels.astype(np.int16)
        if all(np.array_equal(each, other) for each, other in zip(whole, voxels, strict=True)):
            return whole
    return voxels.astype(np.float32)
