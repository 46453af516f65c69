"""The label map slice by slice, each with the revision in which it last changed: what a page has to fetch.

On the wire, little-endian::

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
    """Which slice of which object.

    Args:
        object_id: The object's id in the label map.
        plane: The plane that it is walked in.
        index: The slice.
    """

    object_id: int
    plane: Plane
    index: int


Ids = UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]


class MaskRevisions:
    """The slices of all objects as they are in the label map.

    Args:
        revision: The revision to start from.
    """

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self._slices: dict[SliceKey, tuple[RunMask, int]] = {}
        self._ids: Ids | None = None

    def update(self, ids: Ids, objects: Mapping[str, SegmentedObject]) -> bool:
        """Take over a label map; return whether any slice changed, and then count a revision."""
        touched = _touched(self._ids, ids)
        there, looked_at = set(), {}
        for each in objects.values():
            for index in each.slices:
                place = SliceKey(each.id, each.grid.plane, index)
                there.add(place)
                if place not in self._slices or touched[each.grid.axis][index]:
                    looked_at[place] = RunMask.encode(each.grid.take(ids, index) == each.id)
        for place, (mask, _) in self._slices.items():
            if place not in there and mask.area:
                looked_at[place] = RunMask.encode(np.zeros(mask.shape, bool))
        revision = self.revision + 1
        changed = {
            place: (mask, revision)
            for place, mask in looked_at.items()
            if (mask.area if place not in self._slices else self._slices[place][0] != mask)
        }
        self._ids = ids
        if not changed:
            return False
        # A new dict: who reads the old one meanwhile sees a whole revision.
        self._slices = self._slices | changed
        self.revision = revision
        return True

    def voxels(self) -> dict[int, int]:
        """Count the voxels of each object."""
        counts: dict[int, int] = {}
        for place, (mask, _) in self._slices.items():
            counts[place.object_id] = counts.get(place.object_id, 0) + mask.area
        return counts

    def since(self, revision: int) -> bytes:
        """Pack what changed after a revision; all of it for one that is 0 or not known."""
        now, slices = self.revision, self._slices
        first = revision if 0 < revision <= now else 0
        return pack(now, ((place, mask) for place, (mask, changed) in slices.items() if changed > first))


def pack(revision: int, slices: Iterable[tuple[SliceKey, RunMask]]) -> bytes:
    """Pack slices for the wire."""
    parts = []
    for place, mask in slices:
        rows, cols = mask.shape
        head = struct.pack(
            "<HBBIIII", place.object_id, _PLANES[place.plane], 0, place.index, rows, cols, mask.runs.size
        )
        parts.append(head + mask.runs.astype("<u4").tobytes())
    return _MAGIC + struct.pack("<II", revision, len(parts)) + b"".join(parts)


def _touched(
    before: Ids | None, now: Ids
) -> tuple[Bool[np.ndarray, " i"], Bool[np.ndarray, " j"], Bool[np.ndarray, " k"]]:
    """Say which slices across i, j and k differ; looking at every slice of every object would take seconds."""
    k, j, i = (np.zeros(n, bool) for n in now.shape)
    for index, after in enumerate(now):
        if before is None or not np.array_equal(before[index], after):
            differs = after != (0 if before is None else before[index])
            k[index] = True
            j |= differs.any(axis=1)
            i |= differs.any(axis=0)
    return i, j, k
