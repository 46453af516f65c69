"""From an object's edits to its masks: a pure function, cached after every edit.

The masks of an object follow from its edits alone, so undoing, redoing or deleting an
edit needs no code of its own: the remaining edits are replayed. The masks
after every edit are cached, so that replaying it again costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace

from radsam.predictor import ObjectView, SliceMask, SlicePredictor
from radsam.propagate import EndReason, PropagationPlan, Record, SliceDone, StopRule, propagate
from radsam.propagate.propagation_plan import SIDES
from radsam.propagate.taper import Taper
from radsam.session.edit import Correct
from radsam.session.started_object import StartedObject
from radsam.session.user_prompts import ObjectEdits, slice_prompt_of, started_by, user_prompts_by_slice
from radsam.volume import SliceGrid, Volume

#: Cached results; one is some kilobytes of run lengths.
_MAX_CACHED = 2_000


@dataclass(frozen=True)
class ObjectResult:
    """The masks of one object after its last edit.

    Args:
        grid: The slices that the object was propagated through.
        slice_masks: Slice index to mask and predicted IoU.
        low_end: Why the propagation ended on the side of smaller indices.
        high_end: Why it ended on the other.
        painted: Whether the model did not follow the last correction, so that only its clicks were painted.
        view: How the model sees the object since its first prompt; None in a result from a session file,
            which does not hold it, until the next correction chooses the same one again.
    """

    grid: SliceGrid
    slice_masks: Mapping[int, SliceMask]
    low_end: EndReason
    high_end: EndReason
    painted: bool = False
    view: ObjectView | None = None


class Replayer:
    """Turns the edits of an object into its masks.

    Args:
        volume: The CT.
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

    def replay(self, edits: ObjectEdits) -> Generator[Record, None, ObjectResult]:
        """Yield the records of the last edit's propagation and return the masks; at once where they are cached."""
        if edits in self.cache:
            self.cache.move_to_end(edits)
            return self.cache[edits]
        before = self.result(edits[:-1]) if isinstance(edits[-1], Correct) else None
        started = self._started(edits, before)
        start, painted = self._start(started, edits, before)
        if before and start == before.slice_masks.get(start.index):
            # The slice has not changed: a propagation from here could only make its neighbours worse.
            return self.add_to_cache(edits, replace(before, painted=painted))
        plan = self._plan(started, edits, start, before)
        slice_masks, ends = _outside(plan, before)
        for record in propagate(plan, started.step):
            if isinstance(record, SliceDone):
                slice_masks[record.slice_mask.index] = record.slice_mask
            else:
                ends.setdefault(record.side, record.reason)
            yield record
        slice_masks = dict(sorted(slice_masks.items()))
        return self.add_to_cache(
            edits, ObjectResult(started.grid, slice_masks, ends[-1], ends[1], painted, started.view)
        )

    def preview(self, edits: ObjectEdits) -> tuple[SliceMask, ...]:
        """Predict the slice of the last edit alone, as its propagation will: four masks of a prompt, else one.

        Edits before the last one are replayed where they are not cached; the preview itself is not cached.
        """
        if not isinstance(edits[-1], Correct):
            return self._started(edits).first_alternatives()
        if len(edits) == 2 and edits[:1] not in self.cache:
            # Not propagated yet: there is only the prompted slice to correct.
            started = self._started(edits)
            first = started.first()
            before = ObjectResult(started.grid, {first.index: first}, EndReason.BOUND, EndReason.BOUND)
        else:
            before = self.result(edits[:-1])
            started = self._started(edits, before)
        return (self._start(started, edits, before)[0],)

    def add_to_cache(self, edits: ObjectEdits, result: ObjectResult) -> ObjectResult:
        """Cache the masks after an object's edits, as computed here or as read from a session file."""
        self.cache[edits] = result
        if len(self.cache) > _MAX_CACHED:
            self.cache.popitem(last=False)
        return result

    def _started(self, edits: ObjectEdits, before: ObjectResult | None = None) -> StartedObject:
        return StartedObject(self._volume, self._predictor, started_by(edits), before.view if before else None)

    def _start(self, started: StartedObject, edits: ObjectEdits, before: ObjectResult | None) -> tuple[SliceMask, bool]:
        """Return the mask of the last edit's slice, and whether a click was painted on it."""
        if before is None:
            return started.first(), False
        index, _ = slice_prompt_of(edits[-1], started.grid)
        user_prompt = user_prompts_by_slice(edits, started.grid)[index]
        return started.step.correct(index, user_prompt, before.slice_masks.get(index))

    def _plan(
        self, started: StartedObject, edits: ObjectEdits, start: SliceMask, before: ObjectResult | None
    ) -> PropagationPlan:
        segment, grid = started.segment, started.grid
        user_prompts = user_prompts_by_slice(edits, grid)
        previous = before.slice_masks.get(start.index) if before else None
        first = self.result(edits[: edits.index(segment) + 1]).slice_masks[started.index] if before else start
        spacing_mm = self._volume.geometry.spacing_mm_ijk[grid.axis], *grid.spacing_mm_vu
        return PropagationPlan(
            start=start,
            slice_count=grid.count,
            bounds=segment.bounds,
            limits=_limits(start.index, user_prompts),
            user_prompts=user_prompts,
            previous=previous.mask if previous else None,
            taper=Taper.of_model(self._predictor.spec, segment.policy, first, segment.bounds, grid.count, spacing_mm),
            stop_rule=self._stop_rule,
        )


def _limits(index: int, prompted: Iterable[int]) -> dict[int, int]:
    """Return the last slice that a correction on slice `index` changes on each side: every slice follows the nearest.

    The paper propagates to both ends from every correction (4.2). Nearer to another prompt or correction,
    the mask that comes from there is better than the one that this correction sends: see docs/training.md.
    A side without another prompted slice has no limit.
    """
    limits = {}
    for side in SIDES:
        distances = [(other - index) * side for other in prompted if (other - index) * side > 0]
        if distances:
            limits[side] = index + side * ((min(distances) - 1) // 2)
    return limits


def _outside(plan: PropagationPlan, before: ObjectResult | None) -> tuple[dict[int, SliceMask], dict[int, EndReason]]:
    """Return the results that a plan does not change: masks beyond its limits, and end reasons of those sides."""
    if before is None:
        return {}, {}
    ends = {-1: before.low_end, 1: before.high_end}
    masks = {index: each for index, each in before.slice_masks.items() if plan.is_beyond(index)}
    return masks, {side: reason for side, reason in ends.items() if side in plan.limits}
