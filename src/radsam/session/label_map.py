"""The label map of a session: composed slice by slice, and again only where an edit changed what objects claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from operator import itemgetter

import numpy as np
from jaxtyping import Bool, Int64

from radsam.session.compose import Claim, LabelSlice, compose_slice, painting_order
from radsam.session.covered_voxels import CoveredVoxels
from radsam.session.edit import Edit, Overlap
from radsam.session.history import chosen_order, chosen_overlap, edits_of, locks_of, present_objects
from radsam.session.object_ids import object_ids
from radsam.session.replay import ObjectResult, Replayer
from radsam.volume import Geometry, LabelVolume, RunMask, SparseMask

#: Slice index along k to what an object has there.
Slices = Mapping[int, RunMask]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The label map after some edits. It never changes: the next edit makes another one, which shares its slices.

    Args:
        geometry: The grid.
        ids: Object to id, in the order of their first prompts.
        largest_id: The largest id of an object that exists or existed.
        slices: The slices along k.
        precedence: The objects, the one first that gets a voxel in doubt.
        locked: The locked objects.
        order: The objects of the priority order.
        chosen: The overlap policy; None if none was chosen.
        source: File or folder of the volume.
    """

    geometry: Geometry
    ids: Mapping[str, int]
    largest_id: int
    slices: tuple[LabelSlice, ...]
    precedence: tuple[str, ...]
    locked: frozenset[str]
    order: tuple[str, ...]
    chosen: Overlap | None
    source: str

    @property
    def names(self) -> dict[int, str]:
        """Id to object, by ascending id."""
        return {number: name for name, number in sorted(self.ids.items(), key=itemgetter(1))}

    @cached_property
    def labels(self) -> LabelVolume:
        """The whole label map as an array, made at the first use."""
        return LabelVolume(
            self._array(),
            self.geometry,
            self.names,
            self._covered_voxels() if self.chosen in (None, Overlap.KEEP_BOTH) else {},
            keep_both=self.chosen is Overlap.KEEP_BOTH,
            source=self.source,
        )

    @cached_property
    def covered(self) -> tuple[CoveredVoxels, ...]:
        """The voxels that one object claims and another has, for each two objects that have some, by their ids."""
        counts: Counter[tuple[str, str]] = Counter()
        for each in self.slices:
            if each.counts:
                counts.update(each.counts)
        ids = {**self.ids, "": 0}
        ordered = sorted(counts.items(), key=lambda item: (ids[item[0][0]], ids[item[0][1]]))
        return tuple(CoveredVoxels(name, by, voxels) for (name, by), voxels in ordered)

    def owner(self, voxel_ijk: tuple[int, int, int]) -> str:
        """Return the object that has a voxel; "" if none has it."""
        i, j, k = voxel_ijk
        at = j * self.geometry.shape_kji[2] + i
        owned = self.slices[k].owned
        return next((name for name, each in owned.items() if np.searchsorted(each.edges, at, side="right") % 2), "")

    def reason(self, by: str) -> str:
        """Return why an object has what another one claims: it is "locked", in the "order", "first" or "later"."""
        if by in self.locked:
            return "locked"
        if by in self.order:
            return "order"
        return "first" if self.chosen is Overlap.KEEP_FIRST else "later"

    def mask(self, name: str) -> Bool[np.ndarray, "k j i"]:
        """Return the voxels that the label map gives to an object."""
        mask = np.zeros(self.geometry.shape_kji, bool)
        for k, each in enumerate(self.slices):
            if name in each.owned:
                mask[k] = each.owned[name].decode()
        return mask

    def _array(self) -> np.ndarray:
        ids = np.zeros(self.geometry.shape_kji, np.uint8 if self.largest_id < 256 else np.uint16)
        for ids_slice, each in zip(ids, self.slices, strict=True):
            each.put_ids(ids_slice, self.ids)
        return ids

    def _covered_voxels(self) -> dict[int, Int64[np.ndarray, " n"]]:
        """Return what `LabelVolume.covered` holds."""
        size = self.geometry.shape_kji[1] * self.geometry.shape_kji[2]
        found: dict[str, list[Int64[np.ndarray, " n"]]] = {name: [] for name in self.precedence}
        for k, each in enumerate(self.slices):
            for name, mask in each.lost.items():
                found[name].append(k * size + np.flatnonzero(mask.decode()))
        return {self.ids[name]: np.concatenate(each) for name, each in found.items() if each}


class LabelMapComposer:
    """Composes the label maps of one session, each from the one before it.

    Args:
        geometry: The grid of the volume.
        source: File or folder of the volume.
        replayer: Gives the objects' masks.
    """

    def __init__(self, geometry: Geometry, source: str, replayer: Replayer) -> None:
        self._geometry = geometry
        self._source = source
        self._replayer = replayer
        #: The slices that were composed last.
        self._slices = (LabelSlice(),) * geometry.shape_kji[0]
        #: Each object's last masks, and the same cut along k.
        self._cuts: dict[str, tuple[ObjectResult, Slices]] = {}
        #: The edits of the last label map, and what each locked object owned, by the number of its lock's edit.
        self._locks_before: tuple[Sequence[Edit], dict[int, Slices]] = (), {}

    def compose(self, edits: Sequence[Edit]) -> LabelMap:
        """Return the label map after `edits`; a locked object keeps exactly the voxels that it owned when locked."""
        # What an object owned when it was locked holds as long as the edits before its lock do.
        pairs = zip(self._locks_before[0], edits, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
        owned_at = {at: owned for at, owned in self._locks_before[1].items() if at <= same}
        self._slices = self._compose(edits, owned_at)
        self._locks_before = edits, owned_at
        every, locked = object_ids(edits), locks_of(edits)
        return LabelMap(
            geometry=self._geometry,
            ids={name: every[name] for name in present_objects(edits)},
            largest_id=max(every.values(), default=0),
            slices=self._slices,
            precedence=(*locked, *(name for name in reversed(painting_order(edits)) if name not in locked)),
            locked=frozenset(locked),
            order=chosen_order(edits),
            chosen=chosen_overlap(edits),
            source=self._source,
        )

    def _compose(self, edits: Sequence[Edit], owned_at: dict[int, Slices]) -> tuple[LabelSlice, ...]:
        """Compose the slices; `owned_at` is completed, as locks depend on earlier ones: else each doubled the work."""
        locks = locks_of(edits)
        for name, at in locks.items():
            if at not in owned_at:
                before = self._compose(edits[:at], owned_at)
                owned_at[at] = {k: each.owned[name] for k, each in enumerate(before) if name in each.owned}
        claims: list[list[Claim]] = [[] for _ in self._slices]
        for name in painting_order(edits):
            if name not in locks:
                for k, mask in self._cut(edits, name).items():
                    claims[k].append(Claim(name, mask))
        for name, at in locks.items():
            whole, held = self._cut(edits, name), owned_at[at]
            nothing = RunMask.empty(self._geometry.shape_kji[1:])
            for k in sorted({*whole, *held}):
                claims[k].append(Claim(name, whole.get(k, nothing), held.get(k, nothing)))
        return tuple(
            before if before.holds(now) else compose_slice(now)
            for before, now in zip(self._slices, claims, strict=True)
        )

    def _cut(self, edits: Sequence[Edit], name: str) -> Slices:
        """Return an object's masks cut along k; where its last ones were cut, only what differs is cut."""
        result = self._replayer.result(edits_of(edits, name))
        before, cut = self._cuts.get(name, (None, {}))
        if result is not before:
            cut = self._cut_again(result, before, cut)
            self._cuts[name] = result, cut
        return cut

    def _cut_again(self, result: ObjectResult, before: ObjectResult | None, cut: Slices) -> Slices:
        grid = result.grid
        masks = {index: each.mask for index, each in result.slice_masks.items() if each.mask.area}
        if grid.axis == 2:
            return masks
        if before is None or before.grid != grid:
            return self._along_k(masks, grid.axis)
        nothing = RunMask.empty(grid.shape_vu)
        former = {index: each.mask for index, each in before.slice_masks.items()}
        differing = {
            index: one ^ other
            for index in {*masks, *former}
            if (one := masks.get(index, nothing)) != (other := former.get(index, nothing))
        }
        changed = self._along_k(differing, grid.axis)
        patched = {**cut, **{k: cut[k] ^ each if k in cut else each for k, each in changed.items()}}
        return {k: each for k, each in patched.items() if each.area}

    def _along_k(self, masks: Slices, axis: int) -> Slices:
        return SparseMask(axis, self._geometry.shape_kji, masks).along(2).slices
