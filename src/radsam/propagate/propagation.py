"""From one slice to both ends of an object (paper 4.1): a generator of small records.

Each side is a chain: a slice's mask prompts its neighbour. The two sides take turns, so
that the object grows outwards from the prompted slice. The generator keeps no state
between runs: a caller may stop at any record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from radsam.predictor import SliceMask
from radsam.propagate.correction_rule import Cap, Change, following_change
from radsam.propagate.propagation_plan import SIDES, PropagationPlan
from radsam.propagate.propagation_step import PropagationStep, State
from radsam.propagate.stop_rule import EndReason
from radsam.volume import RunMask

#: Fewer added pixels do not count as a change that goes on, and after so many slices without one it ends.
_FEWEST_PX, _MOST_UNCHANGED = 4, 2


@dataclass(frozen=True)
class SliceDone:
    """A slice has its mask.

    Args:
        slice_mask: The slice's index, mask and predicted IoU.
        done: Slices done so far, the first one included.
        total: Slices to do where both bounds are known, else None.
    """

    slice_mask: SliceMask
    done: int
    total: int | None


@dataclass(frozen=True)
class SideDone:
    """A side is finished.

    Args:
        side: -1 for the side of smaller slice indices, +1 for the other.
        last_index: The last slice that belongs to the object on this side.
        reason: Why it ended there.
    """

    side: int
    last_index: int
    reason: EndReason


Record = SliceDone | SideDone


def propagate(plan: PropagationPlan, step: PropagationStep[State]) -> Iterator[Record]:
    """Propagate from a segmented slice to both ends of the object.

    Yields:
        `SliceDone` for the start and every further slice, `SideDone` once per side.
    """
    done = 1
    yield SliceDone(plan.start, done, plan.total)
    one_side = _side if plan.change is None else _changed_side
    sides = [one_side(plan, step, side) for side in SIDES]
    while sides:
        for records in tuple(sides):
            record = next(records)
            if isinstance(record, SideDone):
                sides.remove(records)
                yield record
            else:
                done += 1
                yield SliceDone(record, done, plan.total)


def _side(plan: PropagationPlan, step: PropagationStep[State], side: int) -> Iterator[SliceMask | SideDone]:
    """Propagate to one side; the last value is its `SideDone`.

    Slices in doubt are held back until a better one follows; where too many follow each other, the side ends before
    them.
    """
    state, incoming, index = step.begin(plan), plan.carried, plan.start.index
    scores, held, doubt = _predicted(plan.start), list[SliceMask](), 0.0
    while (reason := plan.end_before(index + side, side)) is None:
        if kept := plan.kept(index + side):
            state, doubt = step.passed(state, kept), 0.0
        else:
            current, state = step(state, index + side)
            doubt = plan.doubt(current, scores, side, doubt)
            reason = plan.stop_reason(incoming, current, side) or plan.stop_rule.ended_by(current, doubt)
            if reason is not None:
                index = held[0].index - side if held else index
                held = []
                break
            if surer := plan.surer(current):
                current, state = surer, step.passed(state, surer)
            held.append(current)
            if not doubt:
                yield from held
                held = []
            kept = current
        index += side
        scores += _predicted(kept)
        incoming = kept.mask if kept.mask.area else incoming
    yield from held
    yield SideDone(side, index, reason)


def _predicted(found: SliceMask) -> list[float]:
    """The score of a slice, if it was predicted."""
    return [found.score] if found.score < 1.0 else []


def _changed_side(plan: PropagationPlan, step: PropagationStep[State], side: int) -> Iterator[SliceMask | SideDone]:
    """Propagate a change to one side, until nothing changes any more; the last value is its `SideDone`.

    What was added goes on where the model finds it again, slice by slice. What was taken away goes on thinner with
    each slice, without the model, which mostly repeats what the neighbour has.
    """
    assert plan.change is not None
    slice_mm, row_mm, col_mm = plan.spacing_mm
    state, index, unchanged = step.begin(plan), plan.start.index, 0
    added, taken = Change(plan.change.added, np.zeros_like(plan.change.taken)), Cap(plan.change.taken, (row_mm, col_mm))
    reason = plan.end_before(index + side, side)
    while reason is None and (added or abs(index + side - plan.start.index) * slice_mm < taken.reach_mm):
        index += side
        before = plan.before.get(index)
        kept = plan.kept(index)
        if kept is None:
            pixels = before.mask.decode() if before else np.zeros(plan.start.mask.shape, bool)
            change, score = Change(np.zeros_like(pixels), taken.at(abs(index - plan.start.index) * slice_mm)), 1.0
            if added:
                predicted, _ = step(state, index)
                found = following_change(pixels, predicted.mask.decode(), added)
                unchanged = 0 if np.count_nonzero(found.added) >= _FEWEST_PX else unchanged + 1
                added = found if unchanged == 0 else added if unchanged < _MOST_UNCHANGED else Change.none(pixels.shape)
                change, score = Change(found.added, change.taken), predicted.score
            current = _with_change(plan, index, change, before, score)
            reason = plan.stop_reason(plan.carried, current, side) if before is None and current else None
            if current and reason is None:
                yield current
            kept = current or before
        state = step.passed(state, kept) if kept else state
        reason = reason or plan.end_before(index + side, side)
    yield SideDone(side, index, reason or EndReason.UNCHANGED)


def _with_change(
    plan: PropagationPlan, index: int, change: Change, before: SliceMask | None, score: float
) -> SliceMask | None:
    """Return a slice's mask with a change; None where it stays as it is, as one does that would become empty."""
    pixels = before.mask.decode() if before else np.zeros(plan.start.mask.shape, bool)
    after = change.apply(pixels)
    if not after.any():
        return None
    found = plan.with_hand(
        SliceMask(index, RunMask.encode(after), before.score if before and not change.added.any() else score)
    )
    return None if found.mask == (before.mask if before else None) else found
