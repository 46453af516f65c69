"""Mask revisions: the slices of the label map, each with the revision in which it last changed.

A page fetches only what changed since its revision. On the wire, little-endian::

    "RSM1", uint32 revision, uint32 count, then per slice
    uint16 object, uint8 plane, uint8 0, uint32 index, uint32 rows, uint32 cols, uint32 n, n × uint32 runs
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from radsam.session import SegmentedObject
from radsam.session.compose import LabelSlice
from radsam.session.label_map import LabelMap
from radsam.volume import Plane, RunMask, SparseMask

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


class MaskRevisions:
    """The slices of all objects in the label map, each along the object's own plane.

    Args:
        revision: The first revision.
    """

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self._slices: dict[SliceKey, tuple[RunMask, int]] = {}
        #: The slices of the last label map along k, and the name and plane of each object in it by its id.
        self._composed: tuple[LabelSlice, ...] = ()
        self._objects: dict[int, tuple[str, Plane]] = {}

    def update(self, label_map: LabelMap, objects: Mapping[str, SegmentedObject]) -> bool:
        """Take a new label map: if any slice of an object changed, start a new revision and return True.

        Args:
            label_map: The label map; only slices that the last one did not have are looked at.
            objects: The objects in it by name.
        """
        present = {each.id: (each.name, each.grid.plane) for each in objects.values()}
        masks: dict[SliceKey, RunMask] = {}
        for each in objects.values():
            known = self._objects.get(each.id) == present[each.id]
            for index, mask in self._masks(label_map, each, since_last=known).items():
                masks[SliceKey(each.id, each.grid.plane, index)] = mask
        replaced = {number for number, known in self._objects.items() if present.get(number) != known}
        for key, (mask, _) in self._slices.items() if replaced else ():
            if key.object_id in replaced and mask.area and key not in masks:
                masks[key] = RunMask.empty(mask.shape)
        revision = self.revision + 1
        changed = {
            key: (mask, revision)
            for key, mask in masks.items()
            if (mask.area if key not in self._slices else self._slices[key][0] != mask)
        }
        self._composed, self._objects = label_map.slices, present
        if not changed:
            return False
        # A new dict: a concurrent reader of the old one sees a whole revision.
        self._slices = self._slices | changed
        self.revision = revision
        return True

    def _masks(self, label_map: LabelMap, shown: SegmentedObject, *, since_last: bool) -> dict[int, RunMask]:
        """Return an object's voxels in the label map in slices of its own plane.

        Args:
            label_map: The label map.
            shown: The object.
            since_last: Return only slices that differ from those of the last label map, instead of all.
        """
        former = self._composed if since_last else (LabelSlice(),) * len(label_map.slices)
        nothing, axis = RunMask.empty(label_map.geometry.shape_kji[1:]), shown.grid.axis
        changed = {
            k: (had, has)
            for k, (before, now) in enumerate(zip(former, label_map.slices, strict=True))
            if now is not before
            and (has := now.owned.get(shown.name, nothing)) != (had := before.owned.get(shown.name, nothing))
        }
        if axis == 2:
            return {k: has for k, (_, has) in changed.items()}
        changes = {k: had ^ has for k, (had, has) in changed.items()}
        masks = {}
        for index, change in SparseMask(2, label_map.geometry.shape_kji, changes).along(axis).slices.items():
            last = self._slices.get(SliceKey(shown.id, shown.grid.plane, index))
            masks[index] = last[0] ^ change if last and since_last else change
        return masks

    def voxels(self) -> dict[int, int]:
        """Count the voxels of each object."""
        counts: dict[int, int] = {}
        for key, (mask, _) in self._slices.items():
            counts[key.object_id] = counts.get(key.object_id, 0) + mask.area
        return counts

    def revision_of(self, object_id: int) -> int:
        """Return the revision in which an object last changed; 0 if it never had a voxel."""
        return max((changed for key, (_, changed) in self._slices.items() if key.object_id == object_id), default=0)

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
