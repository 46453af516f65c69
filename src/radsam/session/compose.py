"""From the objects' own masks to one label map: which object owns a voxel that two objects claim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8, UInt16

from radsam.session.edit import Correct, Delete, Edit, Overlap, Segment
from radsam.session.history import chosen_overlap, edits_of, locks_of, object_names, present_objects
from radsam.session.replay import ObjectResult, Replayer
from radsam.volume import Geometry, RunMask

Ids = UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]


def compose(
    edits: Sequence[Edit],
    geometry: Geometry,
    replayer: Replayer,
    frozen_at: dict[int, list[RunMask]] | None = None,
) -> Ids:
    """Paint the objects of a history into one array of ids.

    Objects are painted in the order in which they were last edited (`Overlap.LAST_WINS` and `KEEP_BOTH`)
    or in reverse order of their first prompt, so that the earlier ones end on top
    (`Overlap.KEEP_FIRST`). A locked object keeps exactly the voxels that it owned when
    it was locked.

    Args:
        edits: The edits in force.
        geometry: The grid.
        replayer: Gives the objects' masks.
        frozen_at: The voxels that an object owned when it was locked, by the number of the lock's edit. Locks
            depend on earlier locks: without it, each further lock would double the work.

    Returns:
        Object ids (k, j, i); an object's id is its position in `object_names`, counted from 1.
    """
    names = object_names(edits)
    ids = np.zeros(geometry.shape_kji, np.uint8 if len(names) < 256 else np.uint16)
    locks = locks_of(edits)
    frozen_at = {} if frozen_at is None else frozen_at
    for name, at in locks.items():
        if at not in frozen_at:
            frozen_at[at] = _frozen(edits[:at], name, geometry, replayer, frozen_at)
    frozen = {name: frozen_at[at] for name, at in locks.items()}
    painted = [name for name in painting_order(edits) if name not in frozen]
    for name in painted:
        _paint(ids, names.index(name) + 1, replayer.result(edits_of(edits, name)))
    for name, slices in frozen.items():
        for ids_slice, owned in zip(ids, slices, strict=True):
            ids_slice[owned.decode()] = names.index(name) + 1
    return ids


def painting_order(edits: Sequence[Edit]) -> list[str]:
    """Name the objects in the order in which they are painted: a later one covers an earlier one."""
    present = present_objects(edits)
    if chosen_overlap(edits) is Overlap.KEEP_FIRST:
        return present[::-1]
    deleted = {edit.number for edit in edits if isinstance(edit, Delete)}
    last_edit = {
        edit.name: number
        for number, edit in enumerate(edits)
        if isinstance(edit, Segment | Correct) and number not in deleted
    }
    return sorted(present, key=last_edit.__getitem__)


def _frozen(
    edits: Sequence[Edit], name: str, geometry: Geometry, replayer: Replayer, frozen_at: dict[int, list[RunMask]]
) -> list[RunMask]:
    """Return the voxels that an object owned, slice by slice along k, after the edits before its lock."""
    ids = compose(edits, geometry, replayer, frozen_at)
    number = object_names(edits).index(name) + 1
    return [RunMask.encode(each == number) for each in ids]


def _paint(ids: Ids, number: int, result: ObjectResult) -> None:
    for index, slice_mask in result.slice_masks.items():
        result.grid.take(ids, index)[slice_mask.mask.decode()] = number
