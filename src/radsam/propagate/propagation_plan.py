"""The plan of one propagation, as one frozen value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from radsam.predictor import SliceMask, SlicePrompt
from radsam.propagate.correction_rule import Change, is_surer
from radsam.propagate.stop_rule import EndReason, StopRule
from radsam.propagate.taper import Taper
from radsam.volume import Bounds, HandVoxels, RunMask
from radsam.volume.shape_between import shapes_between

#: The two directions of a propagation: towards smaller and towards larger slice indices.
SIDES = (-1, 1)


@dataclass(frozen=True)
class PropagationPlan:
    """A propagation: its start, the mask it passes on, its reach on each side, and the prompts on its way.

    Args:
        start: The slice to start from, with its mask.
        slice_count: Number of slices in the volume.
        bounds: First and last slice of the object; without them the stop rule ends each side.
        limits: The last slice of a side (-1 or 1) that reaches less far than the object; the side ends
            there as at a bound.
        user_prompts: The user's prompts by slice, used there in addition to the incoming mask (paper 4.2).
            Without bounds, a side continues at least to its farthest box, mask or positive point.
        previous: The mask of the start's slice before a correction, passed on where the correction emptied the slice.
        before: The present masks of an object that is corrected, by slice.
        change: What changed on the start's slice, where only what goes on with it changes on further slices; None
            where their masks are replaced.
        towards: The next anchor of a side (-1 or 1), with its mask: the slices up to it are predicted from the shape
            between the two.
        keep_sure: Whether a slice keeps a mask of which the model was sure, and surer than it is of the new one.
        spacing_mm: Distance between slices, between rows and between columns.
        fixed: Slices that keep their present masks: those with a prompt of their own, and those marked right.
        hand: Voxels that were set by hand, by slice; no mask changes them.
        taper: Thins a mask before the next slice gets it; None passes it on as it is.
        stop_rule: Ends a side without a bound.
    """

    start: SliceMask
    slice_count: int
    bounds: Bounds | None = None
    limits: Mapping[int, int] = field(default_factory=dict)
    user_prompts: Mapping[int, SlicePrompt] = field(default_factory=dict)
    previous: RunMask | None = None
    before: Mapping[int, SliceMask] = field(default_factory=dict)
    change: Change | None = None
    towards: Mapping[int, SliceMask] = field(default_factory=dict)
    keep_sure: bool = False
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fixed: Collection[int] = ()
    hand: Mapping[int, HandVoxels] = field(default_factory=dict)
    taper: Taper | None = None
    stop_rule: StopRule = field(default_factory=StopRule)

    @property
    def carried(self) -> RunMask:
        """The mask that the start passes on: an empty slice does not end the object."""
        return self.start.mask if self.start.mask.area or self.previous is None else self.previous

    @property
    def total(self) -> int | None:
        """Slices to do, the start included, where both ends are known; None where a change may end before them."""
        ends = [self.last_index(side) for side in SIDES]
        if self.change is not None:
            return None
        ways = [(end - self.start.index) * side for end, side in zip(ends, SIDES, strict=True) if end is not None]
        return None if len(ways) < len(SIDES) else 1 + sum(max(0, way) for way in ways)

    def last_index(self, side: int) -> int | None:
        """The last slice of a side, by its limit or bound; None where the stop rule finds it."""
        ends = [self.limits[side]] if side in self.limits else []
        if self.bounds is not None:
            ends.append(self.bounds.low if side < 0 else self.bounds.high)
        return min(ends, key=lambda end: end * side, default=None)

    def bound_of_object(self, side: int) -> int | None:
        """The object's bound on a side; None where it is unknown: at an end of the volume the object may be cut off."""
        if self.bounds is None:
            return None
        bound = self.bounds.low if side < 0 else self.bounds.high
        return None if bound in (0, self.slice_count - 1) else bound

    def is_beyond(self, index: int) -> bool:
        """Whether a slice lies beyond a limit, so that it keeps its mask."""
        return any((index - limit) * side > 0 for side, limit in self.limits.items())

    def kept(self, index: int) -> SliceMask | None:
        """The mask of a slice that keeps its present one; None for a slice that is predicted."""
        return self.before.get(index) if index in self.fixed else None

    def between(self, index: int) -> RunMask | None:
        """The shape on a slice between the start and the next anchor of its side; None without one, or a shape."""
        side = 1 if index > self.start.index else -1
        anchor = self.towards.get(side)
        if anchor is None or (anchor.index - index) * side <= 0:
            return None
        weight = (index - self.start.index) / (anchor.index - self.start.index)
        masks = self.start.mask.decode(), anchor.mask.decode()
        (shape,) = shapes_between(*masks, [weight], self.spacing_mm[1:])
        return RunMask.encode(shape) if shape.any() else None

    def surer(self, found: SliceMask) -> SliceMask | None:
        """The present mask of a slice of which the model was sure, and surer than it is of the new one; else None."""
        before = self.before.get(found.index) if self.keep_sure else None
        return before if before and before.mask.area and is_surer(before.score, found.score) else None

    def with_hand(self, found: SliceMask) -> SliceMask:
        """Return the mask of a slice with the voxels that were set by hand."""
        hand = self.hand.get(found.index)
        return replace(found, mask=hand.apply(found.mask)) if hand else found

    def end_before(self, index: int, side: int) -> EndReason | None:
        """Why a side ends before slice `index`; None where it includes that slice."""
        last = self.last_index(side)
        if last is not None and (index - last) * side > 0:
            return EndReason.BOUND
        return None if 0 <= index < self.slice_count else EndReason.VOLUME_END

    def stop_reason(self, incoming: RunMask, current: SliceMask, side: int) -> EndReason | None:
        """Why the stop rule ends a side before `current`; None where the side continues, as it does inside bounds.

        Args:
            incoming: The last mask before it that was not empty.
            current: The slice's mask.
            side: -1 or 1.
        """
        return self.stop_rule.broken_by(incoming, current) if self._is_open(current.index, side) else None

    def doubt(self, current: SliceMask, earlier: Sequence[float], side: int, before: float) -> float:
        """How much speaks for a side having ended before `current`, see `StopRule.doubt`; 0 where it cannot end there.

        Args:
            current: The slice's mask.
            earlier: The scores that were predicted on the side before it.
            side: -1 or 1.
            before: The doubt after the slice before it.
        """
        return self.stop_rule.doubt(current, earlier, before) if self._is_open(current.index, side) else 0.0

    def _is_open(self, index: int, side: int) -> bool:
        """Whether a side may end before a slice: nothing that the user has set says that it goes on."""
        marked = {each for each, prompt in self.user_prompts.items() if prompt.marks_object}
        kept = {each for each in self.fixed if each in self.before and self.before[each].mask.area}
        marked |= kept - self.user_prompts.keys()
        return self.bounds is None and not any((each - index) * side >= 0 for each in marked)
