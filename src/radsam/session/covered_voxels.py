"""Voxels of an object that the label map gives to another object, and the warnings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8, UInt16

from radsam.session.edit import Overlap

Ids = UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]


class OverlapWarning(UserWarning):
    """Objects overlap, and the label map gives the voxels to one of them."""


@dataclass(frozen=True)
class CoveredVoxels:
    """Voxels of one object that the label map gives to another.

    Args:
        name: The object that loses them.
        by: The object that has them; empty where none has, as the first one was locked without them.
        voxels: How many.
    """

    name: str
    by: str
    voxels: int

    def to_dict(self, ml: float) -> dict[str, str | int | float | None]:
        """Return it for JSON; `ml` is the millilitres of a voxel."""
        return {
            "name": self.name,
            "by": self.by or None,
            "voxels": self.voxels,
            "volume_ml": round(self.voxels * ml, 3),
        }


def count_covered(
    ids: Ids, covered: Mapping[int, Int64[np.ndarray, " n"]], names: Mapping[int, str]
) -> tuple[CoveredVoxels, ...]:
    """Count, for each pair of objects, the voxels that one has of the other."""
    counted = []
    for number, voxels in sorted(covered.items()):
        counts = np.bincount(ids.reshape(-1)[voxels])
        counted += [
            CoveredVoxels(names[number], names.get(int(by), ""), int(counts[by])) for by in np.flatnonzero(counts)
        ]
    return tuple(counted)


def overlap_warnings(
    before: Sequence[CoveredVoxels],
    now: Sequence[CoveredVoxels],
    voxels: Mapping[str, int],
    ml: float,
    chosen: Overlap | None,
) -> tuple[str, ...]:
    """Return a warning for each pair of objects of which one has more voxels of the other than before.

    Args:
        before: What was covered before the edit.
        now: What is covered after it.
        voxels: How many voxels each object has, whole.
        ml: Millilitres of a voxel.
        chosen: The overlap policy; None if none was chosen. With `KEEP_BOTH`, no object loses a voxel.
    """
    if chosen is Overlap.KEEP_BOTH:
        return ()
    known = {(each.name, each.by): each.voxels for each in before}
    messages = []
    for each in now:
        if each.voxels <= known.get((each.name, each.by), 0):
            continue
        whole = voxels[each.name]
        left = whole - sum(other.voxels for other in now if other.name == each.name)
        taken = (
            f"{each.by!r} takes {each.voxels} voxels ({each.voxels * ml:.3f} ml) of {each.name!r}"
            if each.by
            else f"{each.voxels} voxels of {each.name!r} belong to no object, as it was locked without them"
        )
        messages.append(f"{taken}: the label map holds {left * ml:.3f} of its {whole * ml:.3f} ml.")
    if messages and chosen is None:
        messages[-1] += " DICOM SEG and RTSTRUCT, and one file per object, hold every object whole."
    return tuple(messages)
