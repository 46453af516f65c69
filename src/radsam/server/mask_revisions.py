"""Mask revisions: the slices of the label map, each with the revision in which it last changed.

A page fetches only what changed since its revision. On the wire, little-endian::

    "RSM1", uint32 revision, uint32 count, then per slice
    uint16 object, uint8 plane, uint8 0, uint32 index, uint32 rows, uint32 cols, uint32 n, n × uint32 runs
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from radsam.session import SegmentedObject
from radsam.volume import Plane, RunMask

_MAGIC = b"RSM1"
_PLANES = {Plane.AXIAL: 0, Plane.CORONAL: 1, Plane.SAGITTAL: 2}


@dataclass(frozen=True)
class SliceKey:
    """A slice of an object.

    Args:
        object_id: The object's id in the label map.
        plane: The plane of the object.
        index: The slice number.
    """

    object_id: int
    plane: Plane
    index: int


Ids = UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]


class MaskRevisions:
    """The slices of all objects in the label map.

    Args:
        revision: The first revision.
    """

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self._slices: dict[SliceKey, tuple[RunMask, int]] = {}
        self._ids: Ids | None = None

    def update(self, ids: Ids, objects: Mapping[str, SegmentedObject]) -> bool:
        """Compare a new label map slice by slice; if any slice changed, start a new revision and return True."""
        changed_slices = _changed_slices(self._ids, ids)
        present, encoded = set(), {}
        for each in objects.values():
            for index in each.slices:
                key = SliceKey(each.id, each.grid.plane, index)
                present.add(key)
                if key not in self._slices or changed_slices[each.grid.axis][index]:
                    encoded[key] = RunMask.encode(each.grid.take(ids, index) == each.id)
        for key, (mask, _) in self._slices.items():
            if key not in present and mask.area:
                encoded[key] = RunMask.encode(np.zeros(mask.shape, bool))
        revision = self.revision + 1
        changed = {
            key: (mask, revision)
            for key, mask in encoded.items()
            if (mask.area if key not in self._slices else self._slices[key][0] != mask)
        }
        self._ids = ids
        if not changed:
            return False
        # A new dict: a concurrent reader of the old one sees a whole revision.
        self._slices = self._slices | changed
        self.revision = revision
        return True

    def voxels(self) -> dict[int, int]:
        """Count the voxels of each object."""
        counts: dict[int, int] = {}
        for key, (mask, _) in self._slices.items():
            counts[key.object_id] = counts.get(key.object_id, 0) + mask.area
        return counts

    def since(self, revision: int) -> bytes:
        """Pack the slices that changed after a revision; all slices if the revision is 0 or unknown."""
        now, slices = self.revision, self._slices
        first = revision if 0 < revision <= now else 0
        return pack(now, ((key, mask) for key, (mask, changed) in slices.items() if changed > first))


def pack(revision: int, slices: Iterable[tuple[SliceKey, RunMask]]) -> bytes:
    """Pack slices for the wire."""
    parts = []
    for key, mask in slices:
        rows, cols = mask.shape
        head = struct.pack("<HBBIIII", key.object_id, _PLANES[key.plane], 0, key.index, rows, cols, mask.runs.size)
        parts.append(head + mask.runs.astype("<u4").tobytes())
    return _MAGIC + struct.pack("<II", revision, len(parts)) + b"".join(parts)


def _changed_slices(
    before: Ids | None, now: Ids
) -> tuple[Bool[np.ndarray, " i"], Bool[np.ndarray, " j"], Bool[np.ndarray, " k"]]:
    """Return which slices along i, j and k differ; comparing every slice of every object would take seconds."""
    k, j, i = (np.zeros(n, bool) for n in now.shape)
    for index, after in enumerate(now):
        if before is None or not np.array_equal(before[index], after):
            differs = after != (0 if before is None else before[index])
            k[index] = True
            j |= differs.any(axis=1)
            i |= differs.any(axis=0)
    return i, j, k
