"""What an edit did to its object and to others, as every edit reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radsam.session.covered_voxels import CoveredVoxels
from radsam.volume import RunMask, SparseMask


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
        refused_why: Why each of these keeps them; see `LabelMap.reason`.
        unfollowed: The voxels (i, j, k) of clicks that the model did not follow.
    """

    name: str
    slices: tuple[int, ...] = ()
    added: int = 0
    taken: int = 0
    taken_from: Mapping[str, int] | None = None
    refused_by: Mapping[str, int] | None = None
    refused_why: Mapping[str, str] | None = None
    unfollowed: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        before: SparseMask | None,
        after: SparseMask | None,
        covered: tuple[Sequence[CoveredVoxels], Sequence[CoveredVoxels]],
        why: Callable[[str], str],
        unfollowed: tuple[tuple[int, int, int], ...] = (),
    ) -> EditOutcome:
        """Compare an object, and the voxels that objects cover, before and after an edit.

        Args:
            name: The object.
            before: Its voxels before the edit, along its plane; None if it did not exist.
            after: Its voxels after it; None if it does not exist any more.
            covered: What objects cover, before and after.
            why: Returns why an object keeps voxels that this one claims, too.
            unfollowed: Clicks that the model did not follow.
        """
        axis = after.axis if after else before.axis if before else 2
        was, now = ({} if each is None else each.along(axis).slices for each in (before, after))
        slices, added, taken = [], 0, 0
        for index in sorted(was.keys() | now.keys()):
            nothing = RunMask.empty((was.get(index) or now[index]).shape)
            one, other = was.get(index, nothing), now.get(index, nothing)
            if one != other:
                changed, grown = (one ^ other).area, other.area - one.area
                slices.append(index)
                added, taken = added + (changed + grown) // 2, taken + (changed - grown) // 2
        lost = {(each.name, each.by): each.voxels for each in covered[0]}
        more = {
            (each.name, each.by): each.voxels - lost.get((each.name, each.by), 0)
            for each in covered[1]
            if each.voxels > lost.get((each.name, each.by), 0)
        }
        taken_from = {other: voxels for (other, by), voxels in more.items() if by == name}
        refused_by = {by: voxels for (other, by), voxels in more.items() if other == name}
        reasons = {by: why(by) for by in refused_by if by}
        return cls(name, tuple(slices), added, taken, taken_from, refused_by, reasons, unfollowed)

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
            "refused_why": dict(self.refused_why or {}),
            "unfollowed": [list(each) for each in self.unfollowed],
        }
