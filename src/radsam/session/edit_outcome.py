"""What an edit did to its object and to others, as every edit reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radsam.session.covered_voxels import CoveredVoxels
from radsam.volume import RunMask


@dataclass(frozen=True)
class EditOutcome:
    """What an edit did.

    Args:
        name: The object that was edited.
        slices: The slices of its plane on which its mask changed.
        added: Voxels that it has more.
        taken: Voxels that it has no more.
        taken_from: Voxels that it took from each other object in the label map.
        refused_by: Voxels that it claims since this edit, and that each other object keeps.
        unfollowed: The voxels (i, j, k) of clicks that the model did not follow.
    """

    name: str
    slices: tuple[int, ...] = ()
    added: int = 0
    taken: int = 0
    taken_from: Mapping[str, int] | None = None
    refused_by: Mapping[str, int] | None = None
    unfollowed: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        before: Mapping[int, RunMask],
        after: Mapping[int, RunMask],
        covered: tuple[Sequence[CoveredVoxels], Sequence[CoveredVoxels]],
        unfollowed: tuple[tuple[int, int, int], ...] = (),
    ) -> EditOutcome:
        """Compare an object's slices of one plane, and the voxels that objects cover, before and after an edit."""
        slices, added, taken = [], 0, 0
        for index in sorted(before.keys() | after.keys()):
            was, now = before.get(index), after.get(index)
            if was == now:
                continue
            gone = int(np.count_nonzero(was.decode() & ~now.decode())) if was and now else was.area if was else 0
            kept = (was.area if was else 0) - gone
            new = (now.area if now else 0) - kept
            if new or gone:
                slices.append(index)
            added, taken = added + new, taken + gone
        lost = {(each.name, each.by): each.voxels for each in covered[0]}
        more = {
            (each.name, each.by): each.voxels - lost.get((each.name, each.by), 0)
            for each in covered[1]
            if each.voxels > lost.get((each.name, each.by), 0)
        }
        taken_from = {other: voxels for (other, by), voxels in more.items() if by == name}
        refused_by = {by: voxels for (other, by), voxels in more.items() if other == name}
        return cls(name, tuple(slices), added, taken, taken_from, refused_by, unfollowed)

    def to_dict(self, ml: float) -> dict[str, Any]:
        """Return it for JSON; `ml` is the millilitres of a voxel."""
        return {
            "name": self.name,
            "slices": list(self.slices),
            "added": self.added,
            "added_ml": round(self.added * ml, 3),
            "taken": self.taken,
            "taken_ml": round(self.taken * ml, 3),
            "taken_from": dict(self.taken_from or {}),
            "refused_by": dict(self.refused_by or {}),
            "unfollowed": [list(each) for each in self.unfollowed],
        }
