"""Voxel blocks: parts of a volume, and a coarse copy of it, as small as they get without loss in a few milliseconds.

A page asks for the slices near the one in view first. On the wire, little-endian::

    "RSB1", uint32 type (0: int16, 1: float32), 3 × uint32 shape (i, j, k), 3 × uint32 step (i, j, k), values

Values are in storage order (i fastest). Neighbours in a CT are alike, so each value is sent as its difference from
the one before it, modulo the word: as a sign in the lowest bit and a small number, first the low bytes of all values,
then the next ones. What remains is noise in the low bytes and runs of zeros in the others, which gzip's run-length
strategy packs as well as its search for repetitions, three times faster.
"""

from __future__ import annotations

import struct
import threading
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int16

from radsam.errors import RequestError
from radsam.volume import Volume
from radsam.volume.plane import AXIS_NAMES

_MAGIC = b"RSB1"
_TYPES = {"int16": 0, "float32": 1}
_LOWEST = -(1 << 15)

Values = Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]


def slice_block(volume: Volume, axis: str, first: int, count: int) -> bytes:
    """Pack slices across an axis.

    Args:
        volume: The volume.
        axis: "i", "j" or "k".
        first: The first slice.
        count: How many; fewer come where the volume ends.

    Raises:
        RequestError: The volume has no slice `first`.
    """
    number = AXIS_NAMES.index(axis)
    slices = volume.geometry.shape_ijk[number]
    if first >= slices:
        raise RequestError(
            f"There is no slice {first} along {axis}: the volume has the slices 0 to {slices - 1}. Give one of them."
        )
    part = [slice(None)] * 3
    part[2 - number] = slice(first, first + count)
    return _pack(volume.values[tuple(part)], (1, 1, 1))


class CoarseCopies:
    """Coarse copies of volumes, kept as long as the volume is in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: WeakKeyDictionary[Volume, dict[int, bytes]] = WeakKeyDictionary()

    def block(self, volume: Volume, cells: int) -> bytes:
        """Pack the means of a volume in cells of about equal sides, at most `cells` along its longest side in mm."""
        with self._lock:
            known = self._blocks.setdefault(volume, {})
            if cells not in known:
                known[cells] = _pack(*coarse_copy(volume, cells))
            return known[cells]


def coarse_copy(volume: Volume, cells: int) -> tuple[Values, tuple[int, int, int]]:
    """Return the means in cells of about equal sides, and the voxels along (i, j, k) of a cell.

    The last cell of an axis may hold fewer voxels.
    """
    spacing = volume.geometry.spacing_mm_ijk
    sides_mm = np.multiply(volume.geometry.shape_ijk, spacing)
    i, j, k = (max(1, round(float(sides_mm.max()) / cells / mm)) for mm in spacing)
    whole = np.int32 if i * j * k * -_LOWEST < 1 << 31 else np.int64  # the sum of a large cell needs 64 bits
    sums = np.float64 if volume.values.dtype == np.float32 else whole
    slices = []
    for first in range(0, len(volume.values), k):  # by slices of cells: the sums of the whole volume would be large
        slab = volume.values[first : first + k]
        rows = np.add.reduceat(slab.sum(axis=0, dtype=sums), np.arange(0, slab.shape[1], j), axis=0)
        cells_ji = np.add.reduceat(rows, np.arange(0, slab.shape[2], i), axis=1)
        counts = np.outer(_lengths(slab.shape[1], j), _lengths(slab.shape[2], i)) * len(slab)
        mean = cells_ji / counts
        slices.append((np.rint(mean) if sums is whole else mean).astype(volume.values.dtype))
    return np.stack(slices), (i, j, k)


def _lengths(size: int, step: int) -> np.ndarray:
    """Voxels along one axis of each cell."""
    return np.diff(np.append(np.arange(0, size, step), size))


def _pack(values: Values, step_ijk: tuple[int, int, int]) -> bytes:
    header = _MAGIC + struct.pack("<7I", _TYPES[values.dtype.name], *values.shape[::-1], *step_ijk)
    size = values.dtype.itemsize
    words = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view(f"<u{size}")
    change = np.diff(words, prepend=words.dtype.type(0)).view(f"<i{size}")
    folded = (change << 1) ^ (change >> (8 * size - 1))  # 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …
    return header + np.ascontiguousarray(folded.view(np.uint8).reshape(-1, size).T).tobytes()
