"""From the objects' own masks to the label map: which object owns a voxel that two objects claim.

The label map is composed slice by slice along k. What a slice holds depends on what the objects claim there, and on
nothing else, so a slice whose claims did not change is not composed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt16

from radsam.session.edit import Delete, Edit, ObjectEdit, Overlap
from radsam.session.history import chosen_order, chosen_overlap, present_objects
from radsam.volume import RunMask


def painting_order(edits: Sequence[Edit]) -> list[str]:
    """Name the objects in the order in which they are painted: a later one covers an earlier one.

    Those of the priority order are painted last, the first one at the end. The others are painted in the order in which
    they were last edited (`Overlap.LAST_WINS` and `KEEP_BOTH`) or in reverse order of their first prompt, so that the
    earlier ones end on top (`Overlap.KEEP_FIRST`).
    """
    by_policy, order = _by_policy(edits), chosen_order(edits)
    ordered = [name for name in reversed(order) if name in by_policy]
    return [*(name for name in by_policy if name not in order), *ordered]


def _by_policy(edits: Sequence[Edit]) -> list[str]:
    present = present_objects(edits)
    if chosen_overlap(edits) is Overlap.KEEP_FIRST:
        return present[::-1]
    deleted = {edit.number for edit in edits if isinstance(edit, Delete)}
    last_edit = {
        edit.name: number for number, edit in enumerate(edits) if isinstance(edit, ObjectEdit) and number not in deleted
    }
    return sorted(present, key=last_edit.__getitem__)


class Claim(NamedTuple):
    """What an object claims of a slice.

    Args:
        name: The object.
        whole: All of its voxels on the slice.
        held: Of a locked object, the voxels that it owned when it was locked: it gets exactly these.
    """

    name: str
    whole: RunMask
    held: RunMask | None = None


@dataclass(frozen=True, eq=False)
class LabelSlice:
    """A slice of the label map along k.

    Args:
        claims: What it was composed of: later claims cover earlier ones.
        owned: Object to the voxels that the label map gives to it; objects that get none are left out.
        lost: Object to the voxels that it claims and does not get; objects that get all are left out.
        counts: How many voxels of the first object the second one has; "" where no object has them.
    """

    claims: tuple[Claim, ...] = ()
    owned: Mapping[str, RunMask] = field(default_factory=dict)
    lost: Mapping[str, RunMask] = field(default_factory=dict)
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def holds(self, claims: Sequence[Claim]) -> bool:
        """Whether composing some claims gives this slice: their order matters only where an object loses a voxel."""
        if self.lost:
            return self.claims == tuple(claims)
        return {each.name: each for each in self.claims} == {each.name: each for each in claims}

    def put_ids(self, ids: UInt8[np.ndarray, "j i"] | UInt16[np.ndarray, "j i"], numbers: Mapping[str, int]) -> None:
        """Write the ids of the objects into a slice that holds zeros."""
        flat = ids.reshape(-1)
        for name, mask in self.owned.items():
            values = np.zeros(mask.runs.size, ids.dtype)
            values[1::2] = numbers[name]
            flat += np.repeat(values, mask.runs)  # a voxel has one owner, so the others add 0


def compose_slice(claims: Sequence[Claim]) -> LabelSlice:
    """Compose a slice: give each voxel to the last of the objects that claim it.

    Args:
        claims: What the objects claim, those that get a voxel in doubt last.
    """
    if not claims:
        return LabelSlice()
    if len(claims) == 1 and claims[0].held is None:
        name, whole, _ = claims[0]
        return LabelSlice(tuple(claims), {name: whole})
    shape = claims[0].whole.shape
    masks = [mask for claim in claims for mask in claim[1:] if mask is not None]
    # Between two neighbouring edges, all pixels belong to the same objects.
    edges = np.sort(np.concatenate([[0], *(mask.edges for mask in masks), [shape[0] * shape[1]]]))
    edges = edges[np.append(True, edges[1:] != edges[:-1])]  # `np.unique` takes several times as long
    lengths = np.diff(edges)
    owner = np.full(lengths.size, -1)
    for number, claim in enumerate(claims):
        owner[_inside(claim.whole if claim.held is None else claim.held, edges)] = number
    owned: dict[str, RunMask] = {}
    lost: dict[str, RunMask] = {}
    counts: dict[tuple[str, str], int] = {}
    for number, claim in enumerate(claims):
        owns = owner == number
        loses = _inside(claim.whole, edges) & ~owns
        if loses.any():
            lost[claim.name] = _mask(shape, edges, loses)
            voxels = np.bincount(owner[loses] + 1, weights=lengths[loses], minlength=len(claims) + 1)
            names = "", *(each.name for each in claims)
            counts |= {(claim.name, by): int(n) for by, n in zip(names, voxels, strict=True) if n}
        elif claim.held is None:
            owned[claim.name] = claim.whole
            continue
        if owns.any():
            owned[claim.name] = _mask(shape, edges, owns)
    return LabelSlice(tuple(claims), owned, lost, counts)


def _inside(mask: RunMask, edges: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n-1"]:
    """Return which of the intervals between `edges`, none of which crosses an edge of the mask, lie in the mask."""
    turns = np.zeros(edges.size, np.int8)
    turns[np.searchsorted(edges, mask.edges)] = 1
    return np.asarray(np.cumsum(turns[:-1]) % 2 == 1)


def _mask(shape: tuple[int, int], edges: Int64[np.ndarray, " n"], inside: Bool[np.ndarray, " n-1"]) -> RunMask:
    """Return the mask of some of the intervals between `edges`."""
    return RunMask.of_edges(shape, edges[np.diff(np.concatenate([[False], inside, [False]]))])
