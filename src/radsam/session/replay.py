"""From an object's edits to its masks: a pure function, cached after every edit.

The masks of an object follow from its edits alone, so undoing, redoing or deleting an
edit needs no code of its own: the remaining edits are replayed. The masks
after every edit are cached, so that replaying it again costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from radsam.predictor import ObjectView, SliceMask, SlicePredictor
from radsam.propagate import EndReason, PropagationPlan, Record, SideDone, SliceDone, StopRule, propagate
from radsam.propagate.correction_rule import Change, is_other_shape
from radsam.propagate.propagation_plan import SIDES
from radsam.propagate.propagation_step import CorrectedSlice
from radsam.propagate.reach import last_slices, nearest_limits
from radsam.propagate.taper import Taper
from radsam.session.edit import CleanUp, Confirm, Continue, Correct, Paint, SetBounds, StartEdit, StartFromMask
from radsam.session.started_object import StartedObject
from radsam.session.stopped import SIDE_OF
from radsam.session.user_state import ObjectEdits, UserState, slice_prompts_of, started_by, started_state, state_of
from radsam.volume import RunMask, SliceGrid, SparseMask, Volume
from radsam.volume.clean_up import CleanUpStep, CopySlice, clean_up

#: Cached results; one is some kilobytes of run lengths.
_MAX_CACHED = 2_000

Masks = Mapping[int, SliceMask]
Replay = Generator[Record, None, "ObjectResult"]
Propagated = Generator[Record, None, tuple[dict[int, SliceMask], dict[int, EndReason]]]


@dataclass(frozen=True)
class ObjectResult:
    """The masks of one object after its last edit.

    Args:
        grid: The slices that the object was propagated through.
        slice_masks: Slice index to mask and predicted IoU.
        low_end: Why the propagation ended on the side of smaller indices.
        high_end: Why it ended on the other.
        unfollowed: The voxels (i, j, k) of the last correction's clicks that the model did not follow, so that the
            pixels around them were painted.
        view: How the model sees the object since it was started; None in a result from a session file,
            which does not hold it, until the next correction chooses the same one again.
        state: What the user has set on the object; None in a result from a session file likewise.
    """

    grid: SliceGrid
    slice_masks: Masks
    low_end: EndReason
    high_end: EndReason
    unfollowed: tuple[tuple[int, int, int], ...] = ()
    view: ObjectView | None = None
    state: UserState | None = None

    @property
    def painted(self) -> bool:
        """Whether the model did not follow the last correction, so that only its clicks were painted."""
        return bool(self.unfollowed)

    def sparse(self, shape_kji: tuple[int, int, int]) -> SparseMask:
        """Return the mask of the whole object as slices, before other objects claim voxels."""
        return SparseMask(self.grid.axis, shape_kji, {index: each.mask for index, each in self.slice_masks.items()})

    def voxels(self, shape_kji: tuple[int, int, int]) -> Bool[np.ndarray, "k j i"]:
        """Return the mask of the whole object, before other objects claim voxels."""
        voxels = np.zeros(shape_kji, bool)
        for index, each in self.slice_masks.items():
            self.grid.put(voxels, index, each.mask.decode())
        return voxels


class Replayer:
    """Turns the edits of an object into its masks.

    Args:
        volume: The volume.
        predictor: Predicts single slices.
        stop_rule: Ends propagations without bounds.
    """

    def __init__(self, volume: Volume, predictor: SlicePredictor, stop_rule: StopRule) -> None:
        self._volume = volume
        self._predictor = predictor
        self._stop_rule = stop_rule
        self.cache: OrderedDict[ObjectEdits, ObjectResult] = OrderedDict()

    def result(self, edits: ObjectEdits) -> ObjectResult:
        """Return the masks after `edits`."""
        records = self.replay(edits)
        while True:
            try:
                next(records)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def replay(self, edits: ObjectEdits) -> Replay:
        """Yield the records of the last edit's propagation and return the masks; at once where they are cached."""
        if edits in self.cache:
            self.cache.move_to_end(edits)
            return self.cache[edits]
        at = _start_of(edits)
        if at == len(edits) - 1:
            return self.add_to_cache(edits, (yield from self._start(edits)))
        # From the last cached result on: after a long history not one edit deep in another.
        known = next((n for n in range(len(edits) - 1, at, -1) if edits[:n] in self.cache), at + 1)
        before = self.result(edits[:known])
        for length in range(known + 1, len(edits)):
            before = self.result(edits[:length])
        return self.add_to_cache(edits, (yield from self._change(edits, before)))

    def preview(self, edits: ObjectEdits) -> tuple[SliceMask, ...]:
        """Predict the slice of the last edit alone, as its propagation will: four masks of a prompt, else one.

        Edits before the last one are replayed where they are not cached; the preview itself is not cached. An edit by
        hand, or one of the whole object, shows each slice that it changes by itself.
        """
        edit = edits[-1]
        if isinstance(edit, StartFromMask) and not edit.refine:
            return tuple(self.result(edits).slice_masks.values())
        if isinstance(edit, StartEdit):
            return StartedObject(self._volume, self._predictor, edit).first_alternatives()
        if len(edits) == 2 and edits[:1] not in self.cache:
            # Not propagated yet: there is only the prompted slice to correct.
            started = StartedObject(self._volume, self._predictor, started_by(edits))
            first = started.first()
            before = ObjectResult(started.grid, {first.index: first}, EndReason.BOUND, EndReason.BOUND)
        else:
            before = self.result(edits[:-1])
        if isinstance(edit, Correct):
            state = self._state(edits[:-1], before).after(edit)
            return (self._corrected(edit, state, self._started(edits, before), before)[0].slice_mask,)
        return _changed(before.slice_masks, self._masks_by_hand(edits, before))

    def _masks_by_hand(self, edits: ObjectEdits, before: ObjectResult) -> Masks:
        """Return the masks after an edit by hand, without those that it would propagate to."""
        match edits[-1]:
            case SetBounds(bounds=bounds):
                return {index: each for index, each in before.slice_masks.items() if index in bounds}
            case Paint() as edit:
                return self.result((*edits[:-1], replace(edit, reach="slice"))).slice_masks
            case _:
                return self.result(edits).slice_masks

    def add_to_cache(self, edits: ObjectEdits, result: ObjectResult) -> ObjectResult:
        """Cache the masks after an object's edits, as computed here or as read from a session file."""
        self.cache[edits] = result
        if len(self.cache) > _MAX_CACHED:
            self.cache.popitem(last=False)
        return result

    def state(self, edits: ObjectEdits) -> UserState:
        """Return what the user has set on an object."""
        result = self.result(edits)
        if result.state is None:  # read from a session file
            result = self.add_to_cache(edits, replace(result, state=self._state(edits, result)))
        assert result.state is not None
        return result.state

    def _state(self, edits: ObjectEdits, result: ObjectResult) -> UserState:
        return result.state or state_of(edits, self._volume.geometry)

    def _started(self, edits: ObjectEdits, before: ObjectResult) -> StartedObject:
        return StartedObject(self._volume, self._predictor, started_by(edits), before.view)

    # Starts

    def _start(self, edits: ObjectEdits) -> Replay:
        """Start an object: from a prompt, or from a mask of the whole object."""
        edit = edits[-1]
        assert isinstance(edit, StartEdit)
        started = StartedObject(self._volume, self._predictor, edit)
        state = started_state(edits[:-1], edit, self._volume.geometry)
        if isinstance(edit, StartFromMask):
            masks = yield from self._from_mask(edit, started, state)
            ends = {-1: EndReason.BOUND, 1: EndReason.BOUND}
        else:
            first = started.first()
            plan = self._plan(edits, started, state, first, {})
            stopped = dict.fromkeys(state.unfinished, EndReason.STOPPED)
            masks, ends = yield from self._propagated(plan, started, {}, stopped)
        return ObjectResult(started.grid, _with_hand(masks, state), ends[-1], ends[1], view=started.view, state=state)

    def _from_mask(
        self, edit: StartFromMask, started: StartedObject, state: UserState
    ) -> Generator[Record, None, dict[int, SliceMask]]:
        given = {
            index: each for index, each in started.given_masks.items() if not state.bounds or index in state.bounds
        }
        masks: dict[int, SliceMask] = {}
        refined = [index for index in given if edit.refine and (not edit.stopped or index in edit.stopped.bounds)]
        for index, mask in given.items():
            masks[index] = started.refined(index) if index in refined else SliceMask(index, mask, 1.0)
            if index in refined:
                yield SliceDone(masks[index], len(masks), len(refined))
        return masks

    # Changes

    def _change(self, edits: ObjectEdits, before: ObjectResult) -> Replay:
        """Apply the last edit to the masks before it."""
        edit, state = edits[-1], self._state(edits[:-1], before).after(edits[-1])
        match edit:
            case Correct():
                return (yield from self._correct(edits, state, before))
            case Confirm():
                return replace(before, unfollowed=(), state=state)
            case Paint(reach="slice"):
                return self._painted(edit, before, state)
            case Paint():
                return (yield from self._paint_on(edits, state, before))
            case SetBounds():
                return (yield from self._set_bounds(edits, state, before))
            case Continue():
                return (yield from self._continue(edits, state, before))
            case CleanUp():
                return self._kept(before, self._cleaned(edit, state, before), state)
        raise AssertionError(edit)

    def _kept(self, before: ObjectResult, masks: Masks, state: UserState) -> ObjectResult:
        """Return a result of masks that no propagation made."""
        return replace(before, slice_masks=_with_hand(masks, state), unfollowed=(), state=state)

    @staticmethod
    def _painted(edit: Paint, before: ObjectResult, state: UserState) -> ObjectResult:
        """Return a result with a stroke: of a long history only its own slices are new."""
        touched = edit.voxels.along(before.grid.axis).slices
        masks = _with_hand(before.slice_masks, state, touched)
        return replace(before, slice_masks=masks, unfollowed=(), state=state)

    def _correct(self, edits: ObjectEdits, state: UserState, before: ObjectResult) -> Replay:
        edit = edits[-1]
        assert isinstance(edit, Correct)
        if not any(state.has(index) for index in slice_prompts_of(edit, before.grid)):
            return self._kept(before, before.slice_masks, state)
        started = self._started(edits, before)
        corrected, masks = self._corrected(edit, state, started, before)
        start = corrected.slice_mask
        unfollowed = tuple(started.grid.join(start.index, u, v) for u, v, _ in corrected.unfollowed_uv)
        done = replace(before, view=started.view, unfollowed=unfollowed, state=state)
        if start == before.slice_masks.get(start.index):
            # The slice has not changed: a propagation from here could only make its neighbours worse.
            return replace(done, slice_masks=_with_hand(masks, state))
        limits = last_slices(start.index, edit.reach, state.fixed - {start.index})
        stopped = edit.stopped.limits if edit.stopped else {}
        is_anchor = slice_prompts_of(edit, started.grid)[start.index].is_anchor
        towards = _next_anchors(start.index, state, masks) if is_anchor and edit.reach == "next" else {}
        limits |= {side: anchor.index - side for side, anchor in towards.items()}
        plan = replace(
            self._plan(edits, started, state, start, masks, nearest_limits(limits, stopped)),
            change=corrected.change,
            towards=towards,
            keep_sure=not is_anchor,
        )
        found, ends = yield from self._propagated(plan, started, *_outside(plan, replace(before, slice_masks=masks)))
        return replace(done, slice_masks=_with_hand(found, state), low_end=ends[-1], high_end=ends[1])

    def _corrected(
        self, edit: Correct, state: UserState, started: StartedObject, before: ObjectResult
    ) -> tuple[CorrectedSlice, Masks]:
        """Return the corrected slice that the propagation starts from, and all masks before it.

        A scribble of another plane lies on several slices: each is corrected, and the middle one propagates.
        """
        added = slice_prompts_of(edit, started.grid)
        indices = sorted(index for index in added if state.has(index))
        middle = indices[len(indices) // 2]
        masks = dict(before.slice_masks)
        for index in (*(each for each in indices if each != middle), middle):
            corrected = started.step.correct(index, added[index], state.prompts[index], masks.get(index))
            if hand := state.hand.get(index):
                kept = replace(corrected.slice_mask, mask=hand.apply(corrected.slice_mask.mask))
                corrected = replace(corrected, slice_mask=kept)
                if corrected.change and index in masks:
                    changed = Change.between(masks[index].mask.decode(), kept.mask.decode())
                    corrected = replace(corrected, change=changed)
            if index != middle:
                masks[index] = corrected.slice_mask
        return corrected, masks

    def _paint_on(self, edits: ObjectEdits, state: UserState, before: ObjectResult) -> Replay:
        """Propagate outwards from the first and the last painted slice."""
        edit = edits[-1]
        assert isinstance(edit, Paint)
        result = self._painted(edit, before, state)
        touched = edit.voxels.along(before.grid.axis).slices
        stopped = edit.stopped.limits if edit.stopped else {}
        for side, index in zip(SIDES, (min(touched), max(touched)), strict=True):
            if index in result.slice_masks:
                limits = last_slices(index, edit.reach, state.fixed.union(state.hand) - {index})
                limits = nearest_limits(limits, stopped)
                change = _change_of(before.slice_masks.get(index), result.slice_masks[index])
                result = yield from self._one_side(edits, state, result, index, side, limits, change)
        return result

    def _set_bounds(self, edits: ObjectEdits, state: UserState, before: ObjectResult) -> Replay:
        """Drop the slices outside the bounds, and propagate from the object's ends to new bounds."""
        edit, bounds = edits[-1], state.bounds
        assert isinstance(edit, SetBounds)
        if bounds is None:  # it was made for another plane, with more slices
            return self._kept(before, before.slice_masks, state)
        masks = {index: each for index, each in before.slice_masks.items() if index in bounds}
        reasons = {-1: before.low_end, 1: before.high_end}
        reasons |= {SIDE_OF[end]: EndReason.BOUND for end in edit.given}
        reasons |= dict.fromkeys(state.unfinished, EndReason.STOPPED)
        result = replace(self._kept(before, masks, state), low_end=reasons[-1], high_end=reasons[1])
        was = self._state(edits[:-1], before).bounds
        ends = before.slice_masks.keys() if was is None else (was.low, was.high)
        for side, end in zip(SIDES, (bounds.low, bounds.high), strict=True):
            last = max(masks, key=lambda index: index * side, default=end)
            # An end that is trimmed, or stays, may have no mask: nothing is predicted there.
            if last != end and all((end - each) * side > 0 for each in ends):
                result = yield from self._one_side(edits, state, result, last, side, {})
        return result

    def _continue(self, edits: ObjectEdits, state: UserState, before: ObjectResult) -> Replay:
        """Propagate on from where it was stopped, as if it had not been: the slices that are done are passed by."""
        was = self._state(edits[:-1], before)
        if not was.unfinished or was.bounds is None:
            return self._kept(before, before.slice_masks, state)
        started, hidden = self._started(edits, before), RunMask.empty(before.grid.shape_vu)
        at = {side: end.at for side, end in was.unfinished.items()}
        low, high = at.get(-1, was.bounds.low), at.get(1, was.bounds.high)
        done = {index: before.slice_masks.get(index, SliceMask(index, hidden, 1.0)) for index in range(low, high + 1)}
        start = done[min(max(started.index, low), high)]
        closed = {side: start.index for side in SIDES if side not in at}
        plan = self._plan(edits, started, state, start, before.slice_masks, closed)
        plan = replace(plan, before={**plan.before, **done}, fixed={*plan.fixed, *done} - {start.index})
        masks, ends = _outside(plan, before)
        found, ends = yield from _rest(self._propagated(plan, started, {start.index: start, **masks}, ends), len(done))
        return replace(
            before,
            slice_masks=_with_hand(found, state),
            low_end=ends[-1],
            high_end=ends[1],
            unfollowed=(),
            view=started.view,
            state=state,
        )

    def _one_side(
        self,
        edits: ObjectEdits,
        state: UserState,
        result: ObjectResult,
        index: int,
        side: int,
        limits: Mapping[int, int],
        change: Change | None = None,
    ) -> Replay:
        """Propagate to one side of a slice, which keeps its mask; or only its last change."""
        started, start = self._started(edits, result), result.slice_masks[index]
        filled = [each for each in result.slice_masks.values() if each.mask.area and (each.index - index) * side <= 0]
        nearest = max(filled, key=lambda each: each.index * side, default=start)
        plan = self._plan(edits, started, state, start, result.slice_masks, {**limits, -side: index})
        plan = replace(plan, previous=nearest.mask, change=change)
        found, ends = yield from self._propagated(plan, started, *_outside(plan, result))
        masks = _with_hand(found, state)
        return replace(result, slice_masks=masks, low_end=ends[-1], high_end=ends[1], view=started.view)

    def _cleaned(self, edit: CleanUp, state: UserState, before: ObjectResult) -> Masks:
        """Clean up the mask of the whole object; slices marked right stay, and none is added outside the bounds."""
        masks = dict(before.slice_masks)
        for index, mask in self._changed_by(edit.step, before).items():
            if index not in state.confirmed and state.has(index):
                score = masks[index].score if index in masks else 1.0
                masks[index] = SliceMask(index, mask, score)
        return masks

    def _changed_by(self, step: CleanUpStep, before: ObjectResult) -> dict[int, RunMask]:
        """Return the slices that a clean-up changes."""
        grid = before.grid
        if isinstance(step, CopySlice) and step.axis == grid.axis:  # the rest of the volume takes longer than these
            copied = before.slice_masks.get(step.index)
            return dict.fromkeys(step.to, copied.mask if copied else RunMask.empty(grid.shape_vu))
        voxels = before.voxels(self._volume.geometry.shape_kji)
        spacing_kji = self._volume.geometry.spacing_mm_ijk[::-1]
        cleaned = clean_up(voxels, step, (spacing_kji[0], spacing_kji[1], spacing_kji[2]))
        across = tuple(each for each in range(3) if each != 2 - grid.axis)
        changed = np.flatnonzero((cleaned != voxels).any(axis=across))
        return {int(index): RunMask.encode(grid.take(cleaned, int(index))) for index in changed}

    # Propagation

    def _propagated(
        self, plan: PropagationPlan, started: StartedObject, masks: Masks, ends: Mapping[int, EndReason]
    ) -> Propagated:
        """Yield the records of a propagation; return its masks and end reasons, beside those that are kept."""
        found, reasons = dict(masks), dict(ends)
        for record in propagate(plan, started.step):
            if isinstance(record, SideDone):
                reasons.setdefault(record.side, record.reason)
            else:
                found[record.slice_mask.index] = record.slice_mask
            yield record
        return found, reasons

    def _plan(
        self,
        edits: ObjectEdits,
        started: StartedObject,
        state: UserState,
        start: SliceMask,
        masks: Masks,
        limits: Mapping[int, int] | None = None,
    ) -> PropagationPlan:
        grid, spacing_mm_ijk = started.grid, self._volume.geometry.spacing_mm_ijk
        spacing_mm = (spacing_mm_ijk[grid.axis], *grid.spacing_mm_vu)
        previous, first = masks.get(start.index), start
        limits = nearest_limits(limits or {}, state.limits)
        # A slice that is marked right without a mask stays without one.
        empty = {index: SliceMask(index, RunMask.empty(grid.shape_vu), 1.0) for index in state.confirmed}
        if started.given_masks:
            first = started.first()
        elif masks:
            first = self.result(edits[: _start_of(edits) + 1]).slice_masks[started.index]
        taper = Taper.of_model(
            self._predictor.spec,
            started.started.policy,
            first,
            state.intended,
            grid.count,
            spacing_mm,
        )
        return PropagationPlan(
            start=start,
            slice_count=grid.count,
            bounds=state.intended,
            limits=limits,
            user_prompts=state.prompts,
            previous=previous.mask if previous else None,
            before=empty | dict(masks),
            spacing_mm=spacing_mm,
            fixed=state.fixed - {start.index},
            hand=state.hand,
            taper=taper,
            stop_rule=self._stop_rule,
        )


def _rest(records: Propagated, done: int) -> Propagated:
    """Count the slices of a propagation that are new: it passes by `done` slices, the start included."""
    try:
        next(records)  # the start
        while True:
            record = next(records)
            if isinstance(record, SliceDone):
                record = replace(record, done=record.done - 1, total=record.total and record.total - done)
            yield record
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _changed(before: Masks, after: Masks) -> tuple[SliceMask, ...]:
    """Return the slices that differ; one that was dropped is empty."""
    gone = {index: replace(each, mask=RunMask.empty(each.mask.shape)) for index, each in before.items()}
    now = {index: after.get(index, each) for index, each in gone.items()} | dict(after)
    return tuple(now[index] for index in sorted(now) if now[index] != before.get(index))


def _start_of(edits: ObjectEdits) -> int:
    """Return the position of the edit that started the object last."""
    return max(number for number, edit in enumerate(edits) if isinstance(edit, StartEdit))


def _next_anchors(index: int, state: UserState, masks: Masks) -> dict[int, SliceMask]:
    """Return the masks of the next anchors on each side of an anchor."""
    anchors = state.next_anchors(index).items()
    return {side: masks[anchor] for side, anchor in anchors if anchor in masks and masks[anchor].mask.area}


def _change_of(before: SliceMask | None, after: SliceMask) -> Change | None:
    """Return what was changed on a slice; None where its whole shape is another one now."""
    if before is None:
        return None
    was, now = before.mask.decode(), after.mask.decode()
    return None if is_other_shape(was, now) else Change.between(was, now)


def _with_hand(masks: Masks, state: UserState, slices: Iterable[int] | None = None) -> dict[int, SliceMask]:
    """Return the masks, by ascending index, with the voxels that were set by hand on some or all slices."""
    found = dict(masks)
    for index in state.hand if slices is None else slices:
        hand = state.hand[index]
        if index in found:
            mask = hand.apply(found[index].mask)
            found[index] = found[index] if mask == found[index].mask else replace(found[index], mask=mask)
        elif hand.inside.area:
            found[index] = SliceMask(index, hand.inside, 1.0)
    return dict(sorted(found.items()))


def _outside(plan: PropagationPlan, before: ObjectResult) -> tuple[dict[int, SliceMask], dict[int, EndReason]]:
    """Return what a plan does not change: masks beyond its limits and of fixed slices, and end reasons of those sides.

    Inside its limits a propagation without bounds may end earlier than before, and then the slices after it go; where
    a change is propagated, all of them stay.
    """
    ends = {-1: before.low_end, 1: before.high_end}
    if plan.change is not None:
        return dict(before.slice_masks), ends
    masks = {index: each for index, each in before.slice_masks.items() if plan.is_beyond(index) or index in plan.fixed}
    return masks, {side: reason for side, reason in ends.items() if side in plan.limits}
