"""What the user has set on an object: prompts, voxels by hand, slices marked right and bounds, from its edits alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from radsam.predictor import SlicePrompt
from radsam.propagate.propagation_plan import SIDES
from radsam.session.edit import (
    Confirm,
    Continue,
    Correct,
    ObjectEdit,
    Paint,
    Segment,
    SetBounds,
    StartEdit,
    StartFromMask,
)
from radsam.session.stopped import SIDE_OF, Stopped, StoppedEnd
from radsam.volume import Bounds, Geometry, HandVoxels, Prompt, SliceGrid, SparseMask

ObjectEdits = tuple[ObjectEdit, ...]


def started_by(edits: ObjectEdits) -> StartEdit:
    """Return the edit that started the object last."""
    return next(edit for edit in reversed(edits) if isinstance(edit, StartEdit))


def prompts_of(edit: ObjectEdit) -> tuple[Prompt, ...]:
    """Return the prompts of an edit, in voxels."""
    match edit:
        case Segment():
            return (edit.prompt,)
        case Correct():
            return edit.prompts
        case _:
            return ()


def slice_prompts_of(edit: ObjectEdit, grid: SliceGrid) -> dict[int, SlicePrompt]:
    """Return the prompt that an edit adds on each slice of an object's plane."""
    prompts: dict[int, SlicePrompt] = {}
    for prompt in prompts_of(edit):
        for index, added in SlicePrompt.by_slice(prompt, grid).items():
            prompts[index] = prompts.get(index, SlicePrompt()).merged(added)
    return prompts


@dataclass(frozen=True)
class UserState:
    """What the user has set on an object since it was started.

    Args:
        grid: The slices of the object's plane.
        bounds: First and last slice; None where the stop rule found them.
        prompts: Prompts and corrections by slice.
        anchors: Slices that were predicted from a box or mask of their own.
        hand: Voxels set by hand, by slice; also those from before the object was started again.
        confirmed: Slices marked right.
        unfinished: The sides (-1 or 1) on which the propagation was stopped; the bounds are those of what is done.
        held: The ends that the user has set, by side, for a later propagation that finds the other one.
    """

    grid: SliceGrid
    bounds: Bounds | None = None
    prompts: Mapping[int, SlicePrompt] = field(default_factory=dict)
    anchors: frozenset[int] = frozenset()
    hand: Mapping[int, HandVoxels] = field(default_factory=dict)
    confirmed: frozenset[int] = frozenset()
    unfinished: Mapping[int, StoppedEnd] = field(default_factory=dict)
    held: Mapping[int, int] = field(default_factory=dict)

    @property
    def intended(self) -> Bounds | None:
        """The bounds that the object has once it is finished; None where the stop rule finds an end."""
        if self.bounds is None:
            return None
        ends = []
        for side, bound in zip(SIDES, (self.bounds.low, self.bounds.high), strict=True):
            end = self.unfinished[side].requested if side in self.unfinished else bound
            if end is None:
                return None
            ends.append(end if (end - bound) * side > 0 else bound)
        return Bounds(*ends)

    @property
    def limits(self) -> dict[int, int]:
        """The last slice of a side (-1 or 1) that reaches less far than the intended bounds."""
        held = {} if self.bounds else dict(self.held)
        return held | {side: end.at for side, end in self.unfinished.items()}

    @property
    def fixed(self) -> frozenset[int]:
        """Slices whose masks no propagation from another slice changes."""
        return self.confirmed.union(self.prompts)

    def next_anchors(self, index: int) -> dict[int, int]:
        """Return the next fixed slice on each side (-1 or 1) of a slice, where it is an anchor."""
        found = {}
        for side in SIDES:
            beside = [other for other in self.fixed if (other - index) * side > 0]
            nearest = min(beside, key=lambda other: abs(other - index), default=None)
            if nearest in self.anchors:
                found[side] = nearest
        return found

    def has(self, index: int) -> bool:
        """Whether a slice lies in the volume, and inside the bounds."""
        if self.bounds is None:
            within = all((index - end) * side <= 0 for side, end in self.held.items())
        else:
            within = index in self.bounds
        return within and 0 <= index < self.grid.count

    def after(self, edit: ObjectEdit) -> UserState:
        """Return the state after one more edit, which does not start the object again.

        An edit that was made for other bounds, or for another plane, is replayed here after another edit was deleted:
        it counts for the slices that there are.
        """
        match edit:
            case Correct():
                added = {index: each for index, each in slice_prompts_of(edit, self.grid).items() if self.has(index)}
                prompts = {
                    index: each if each.is_anchor else self.prompts.get(index, SlicePrompt()).merged(each)
                    for index, each in added.items()
                }
                anchors = self.anchors | {index for index, each in added.items() if each.is_anchor}
                return replace(self, prompts={**self.prompts, **prompts}, anchors=anchors)
            case Paint():
                return self._painted(edit.voxels, positive=edit.positive)
            case SetBounds(bounds=given):
                if given.low >= self.grid.count:
                    return self
                done = edit.stopped.bounds if edit.stopped else given
                bounds = Bounds(done.low, min(done.high, self.grid.count - 1))
                ends = {-1: given.low, 1: given.high}
                return replace(
                    self,
                    bounds=bounds,
                    unfinished=self._still_unfinished(edit, bounds) | _stopped_ends(edit.stopped, given),
                    held={**self.held} | {SIDE_OF[end]: ends[SIDE_OF[end]] for end in edit.given},
                    prompts={index: each for index, each in self.prompts.items() if index in bounds},
                    anchors=frozenset(index for index in self.anchors if index in bounds),
                    hand={index: each for index, each in self.hand.items() if index in bounds},
                    confirmed=frozenset(index for index in self.confirmed if index in bounds),
                )
            case Continue(stopped=stopped):
                return self._continued(stopped)
            case Confirm(slices=slices, confirmed=True):
                return replace(self, confirmed=self.confirmed.union(index for index in slices if self.has(index)))
            case Confirm(slices=slices):
                return replace(self, confirmed=self.confirmed - set(slices))
            case _:
                return self

    def _still_unfinished(self, edit: SetBounds, bounds: Bounds) -> dict[int, StoppedEnd]:
        """Return the open ends that new bounds leave as they are: those that the user has neither named nor moved."""
        now = {-1: bounds.low, 1: bounds.high}
        named = {SIDE_OF[end] for end in edit.given}
        return {side: end for side, end in self.unfinished.items() if side not in named and end.at == now[side]}

    def _continued(self, stopped: Stopped | None) -> UserState:
        if not self.unfinished or self.bounds is None:
            return self
        if stopped is None:
            return replace(self, bounds=self.intended, unfinished={})
        low, high = min(self.bounds.low, stopped.low), max(self.bounds.high, stopped.high)
        still = {
            side: StoppedEnd(at, self.unfinished[side].requested)
            for side, at in stopped.limits.items()
            if side in self.unfinished
        }
        return replace(self, bounds=Bounds(low, high), unfinished=still)

    def _painted(self, voxels: SparseMask, *, positive: bool) -> UserState:
        hand, touched = dict(self.hand), voxels.along(self.grid.axis).slices
        for index, pixels in touched.items():
            hand[index] = hand.get(index, HandVoxels.none(pixels.shape)).painted(pixels, positive=positive)
        bounds = self.bounds
        if positive and bounds is not None:
            bounds = Bounds(min(bounds.low, *touched), max(bounds.high, *touched))
        return replace(self, hand=hand, bounds=bounds)


def started_state(edits: ObjectEdits, started: StartEdit, geometry: Geometry) -> UserState:
    """Return the state after an edit that starts an object, maybe not for the first time.

    Voxels that were set by hand before stay set: a person who paints an object and prompts it again keeps the paint.

    Args:
        edits: The object's edits before.
        started: The edit that starts it.
        geometry: The volume's grid.
    """
    grid = SliceGrid.of(geometry, started.plane)
    earlier = state_of(edits, geometry) if edits else UserState(grid)
    state = UserState(grid, hand=_along(earlier, grid, geometry.shape_kji))
    bounds = started.bounds
    if isinstance(started, StartFromMask):
        if started.by_hand:
            state = state._painted(started.mask, positive=True)
        slices = started.mask.along(grid.axis).slices
        bounds = bounds or Bounds(min(slices), max(slices))
    prompts = slice_prompts_of(started, grid)
    hand = {index: each for index, each in state.hand.items() if bounds is None or index in bounds}
    state = replace(state, bounds=bounds, prompts=prompts, anchors=frozenset(prompts), hand=hand)
    if isinstance(started, StartFromMask) or started.stopped is None:
        return state
    painted = [index for index, each in hand.items() if each.inside.area]
    done = started.stopped.bounds
    done = Bounds(min(done.low, *painted), max(done.high, *painted)) if painted else done
    return replace(state, bounds=done, unfinished=_stopped_ends(started.stopped, bounds))


def _stopped_ends(stopped: Stopped | None, requested: Bounds | None) -> dict[int, StoppedEnd]:
    """Return the ends at which a propagation to the requested bounds was stopped."""
    to = {-1: requested.low, 1: requested.high} if requested else {}
    return {side: StoppedEnd(at, to.get(side)) for side, at in stopped.limits.items()} if stopped else {}


def _along(state: UserState, grid: SliceGrid, shape_kji: tuple[int, int, int]) -> Mapping[int, HandVoxels]:
    """Return the voxels that were set by hand by slice of another plane."""
    if grid.axis == state.grid.axis:
        return state.hand
    inside, outside = (
        SparseMask(state.grid.axis, shape_kji, masks).along(grid.axis).slices
        for masks in (
            {index: each.inside for index, each in state.hand.items()},
            {index: each.outside for index, each in state.hand.items()},
        )
    )
    none = HandVoxels.none(grid.shape_vu)
    return {
        index: HandVoxels(inside.get(index, none.inside), outside.get(index, none.outside))
        for index in sorted(inside.keys() | outside.keys())
    }


def state_of(edits: Iterable[ObjectEdit], geometry: Geometry) -> UserState:
    """Return the state after all edits of an object."""
    every = tuple(edits)
    at = max(number for number, edit in enumerate(every) if isinstance(edit, StartEdit))
    state = started_state(every[:at], started_by(every), geometry)
    for edit in every[at + 1 :]:
        state = state.after(edit)
    return state
