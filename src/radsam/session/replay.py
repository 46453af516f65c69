"""From an object's edits to its masks: a pure function, remembered step by step.

The masks of an object follow from its edits alone, so undoing, redoing or deleting an
edit needs no code of its own: the remaining edits are replayed. Every step is
remembered, so that replaying a known one costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from radsam.predictor import SliceMask, SlicePredictor, SlicePrompt
from radsam.propagate import POLICIES, EndReason, SideDone, SliceDone, StopRule, default_policy, propagate
from radsam.propagate.next_prompt import Policy, moved_box
from radsam.propagate.propagator import Ask
from radsam.propagate.taper import Taper
from radsam.runtime import Capability
from radsam.session.edit import Correct, Segment
from radsam.session.object_predictor import ObjectPredictor
from radsam.session.painted_click import follows_points, with_painted_clicks
from radsam.volume import RunMask, SliceGrid, Volume, slice_index

ObjectEdits = tuple[Segment | Correct, ...]
Record = SliceDone | SideDone

#: Steps remembered; a step is some kilobytes of run lengths.
_REMEMBERED = 2_000


@dataclass(frozen=True)
class ObjectResult:
    """The masks of one object after its last edit.

    Args:
        grid: The slices that the object was walked through.
        slice_masks: Slice index to mask and predicted IoU.
        low_end: Why the walk ended on the side of smaller indices.
        high_end: Why it ended on the other.
        painted: Whether the model did not follow the last correction, so that only its clicks were painted.
    """

    grid: SliceGrid
    slice_masks: Mapping[int, SliceMask]
    low_end: EndReason
    high_end: EndReason
    painted: bool = False


class Replayer:
    """Turns the edits of an object into its masks.

    Args:
        volume: The CT.
        predictor: Answers prompts on single slices.
        stop_rule: Ends walks without bounds.
    """

    def __init__(self, volume: Volume, predictor: SlicePredictor, stop_rule: StopRule) -> None:
        self._volume = volume
        self._predictor = predictor
        self._stop_rule = stop_rule
        self.known: OrderedDict[ObjectEdits, ObjectResult] = OrderedDict()

    def result(self, edits: ObjectEdits) -> ObjectResult:
        """Return the masks after `edits`."""
        records = self.replay(edits)
        while True:
            try:
                next(records)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def replay(self, edits: ObjectEdits) -> Generator[Record, None, ObjectResult]:
        """Yield the records of the last edit's propagation and return the masks; at once where they are known."""
        if edits in self.known:
            self.known.move_to_end(edits)
            return self.known[edits]
        started = next(edit for edit in reversed(edits) if isinstance(edit, Segment))
        grid = SliceGrid.of(self._volume.geometry, started.plane)
        user_prompts = user_prompts_by_slice(edits, grid)
        ask = ObjectPredictor(self._volume, self._predictor, grid, started)
        last = edits[-1]
        limits: dict[int, int] = {}
        carried: RunMask | None = None
        slice_masks: dict[int, SliceMask] = {}
        painted = False
        ends: dict[int, EndReason] = {}
        if isinstance(last, Segment):
            start = ask.first()
        else:
            before = self.result(edits[:-1])
            start, painted = self._corrected(last, grid, user_prompts, ask, before, started.policy)
            previous = before.slice_masks.get(start.index)
            if start == previous:
                # Nothing new to pass on: walking back from here would only lose what is right.
                return self.remember(edits, before)
            carried = previous.mask if previous else None
            limits = _limits(start.index, user_prompts)
            ends = {-1: before.low_end, 1: before.high_end}
            slice_masks = {
                index: predicted
                for index, predicted in before.slice_masks.items()
                if any((index - limit) * step > 0 for step, limit in limits.items())
            }
        for record in propagate(
            start,
            ask=lambda index, prompt: _obeying(ask(index, prompt), user_prompts),
            policy=self._policy(started.policy),
            slice_count=grid.count,
            bounds=started.bounds,
            user_prompts=user_prompts,
            stop_rule=self._stop_rule,
            limits=limits,
            carried=carried,
            taper=self._taper(edits, started, grid, start),
        ):
            if isinstance(record, SliceDone):
                slice_masks[record.slice_mask.index] = record.slice_mask
            elif record.side not in limits:
                ends[record.side] = record.reason
            yield record
        return self.remember(edits, ObjectResult(grid, dict(sorted(slice_masks.items())), ends[-1], ends[1], painted))

    def preview(self, edits: ObjectEdits) -> tuple[SliceMask, ...]:
        """Answer on the slice of the last edit alone, as its walk will: a prompt with four masks, else one.

        What is before the last edit is replayed where it is not known; nothing new is remembered.
        """
        started = next(edit for edit in reversed(edits) if isinstance(edit, Segment))
        grid = SliceGrid.of(self._volume.geometry, started.plane)
        ask = ObjectPredictor(self._volume, self._predictor, grid, started)
        last = edits[-1]
        if isinstance(last, Segment):
            return ask.first_alternatives()
        if len(edits) == 2 and edits[:1] not in self.known:
            # Not walked yet: only the prompted slice is there to correct.
            first = ask.first()
            before = ObjectResult(grid, {first.index: first}, EndReason.BOUND, EndReason.BOUND)
        else:
            before = self.result(edits[:-1])
        return (self._corrected(last, grid, user_prompts_by_slice(edits, grid), ask, before, started.policy)[0],)

    def remember(self, edits: ObjectEdits, result: ObjectResult) -> ObjectResult:
        """Keep a step's masks, as computed here or as read from a session file."""
        self.known[edits] = result
        if len(self.known) > _REMEMBERED:
            self.known.popitem(last=False)
        return result

    @property
    def _knows_boxes_only(self) -> bool:
        spec = self._predictor.spec
        return not (spec.can(Capability.POINT) or spec.can(Capability.EDIT))

    def _policy(self, name: str) -> Policy:
        return moved_box if name == "box" and self._knows_boxes_only else POLICIES[name]

    def _taper(self, edits: ObjectEdits, started: Segment, grid: SliceGrid, start: SliceMask) -> Taper | None:
        """How masks get thinner towards the bounds, for a model that was trained to be shown such masks."""
        strength = self._predictor.spec.taper
        if not strength or started.policy != "mask" or started.bounds is None:
            return None
        ends = started.bounds.low, started.bounds.high
        spacing_mm = self._volume.geometry.spacing_mm_ijk[grid.axis], *grid.spacing_mm_vu
        # A correction is walked on from its own slice, but the object gets thinner from where it was started.
        at = slice_index(started.prompt, grid)
        first = start if edits[-1] is started else self.result(edits[: edits.index(started) + 1]).slice_masks[at]
        return Taper.of(first.mask, first.index, ends, grid.count, spacing_mm, strength)

    def _corrected(
        self,
        edit: Correct,
        grid: SliceGrid,
        user_prompts: Mapping[int, SlicePrompt],
        ask: Ask,
        before: ObjectResult,
        policy: str,
    ) -> tuple[SliceMask, bool]:
        """Ask again with the mask that previous here and every point on this slice (paper 4.2).

        Returns the slice's new mask, and whether the spot had to be set by hand.
        """
        index = slice_index(edit.points[0], grid)
        previous = before.slice_masks.get(index)
        mask = previous.mask if previous else RunMask.encode(np.zeros(grid.shape_vu, bool))
        if previous and self._knows_boxes_only and follows_points(previous.mask, user_prompts[index].points_uv):
            return previous, False  # The mask agrees with the user already: another box could only lose it
        # Copying cannot correct: there the model slice_masks as it was trained to.
        name = default_policy(self._predictor.spec) if policy == "copy" else policy
        question = self._policy(name)(mask, user_prompts[index])
        if isinstance(question, RunMask):
            return SliceMask(index, question, 1.0), False
        # Only negative points on an empty slice leave nothing to ask: it stays empty.
        predicted = ask(index, question) if question else SliceMask(index, mask, 1.0)
        if follows_points(predicted.mask, user_prompts[index].points_uv):
            return predicted, False
        # An predicted that leaves the click as it was is no correction, only another mask.
        return _obeying(previous or SliceMask(index, mask, predicted.score), user_prompts), True


def _limits(corrected: int, user_prompts: Mapping[int, SlicePrompt]) -> dict[int, int]:
    """Find how far a correction walks to each side, -1 or 1: every slice follows the nearest user prompt.

    The paper walks to both ends from every correction (4.2). Nearer to another prompt or correction,
    what came from there is better than what this one sends: see docs/training.md. No limit applies
    where that side has no other user prompt.
    """
    limits = {}
    for step in (-1, 1):
        away = [(index - corrected) * step for index in user_prompts if (index - corrected) * step > 0]
        if away:
            limits[step] = corrected + step * ((min(away) - 1) // 2)
    return limits


def _obeying(predicted: SliceMask, user_prompts: Mapping[int, SlicePrompt]) -> SliceMask:
    """Return the predicted with every point of its slice on the side that it names."""
    points = user_prompts[predicted.index].points_uv if predicted.index in user_prompts else ()
    return (
        predicted
        if follows_points(predicted.mask, points)
        else replace(predicted, mask=with_painted_clicks(predicted.mask, points))
    )


def user_prompts_by_slice(edits: ObjectEdits, grid: SliceGrid) -> dict[int, SlicePrompt]:
    """Collect the user's prompts by slice since the object was last started."""
    user_prompts: dict[int, SlicePrompt] = {}
    for edit in edits:
        if isinstance(edit, Segment):
            user_prompts = {slice_index(edit.prompt, grid): SlicePrompt.of(edit.prompt, grid)}
            continue
        for point in edit.points:
            index = slice_index(point, grid)
            already = user_prompts.get(index, SlicePrompt())
            user_prompts[index] = replace(already, points_uv=already.points_uv + SlicePrompt.of(point, grid).points_uv)
    return user_prompts
