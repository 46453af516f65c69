"""From one slice to both ends of an object (paper 4.1): a generator of small records.

Each side is a chain: a slice's mask prompts its neighbour. The two sides take turns, so
that the object grows outwards from the prompted slice. The generator keeps no state
between runs: a caller may stop at any record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radsam.predictor import SliceMask
from radsam.propagate.propagation_plan import SIDES, PropagationPlan
from radsam.propagate.propagation_step import PropagationStep, State
from radsam.propagate.stop_rule import EndReason


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
    sides = [_side(plan, step, side) for side in SIDES]
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
    """Propagate to one side; the last value is its `SideDone`."""
    state, incoming, index = step.begin(plan), plan.carried, plan.start.index
    while (reason := plan.end_before(index + side, side)) is None:
        if kept := plan.kept(index + side):
            state = step.passed(state, kept)
        else:
            current, state = step(state, index + side)
            reason = plan.stop_reason(incoming, current, side)
            if reason is not None:
                break
            yield current
            kept = current
        index += side
        incoming = kept.mask if kept.mask.area else incoming
    yield SideDone(side, index, reason)
