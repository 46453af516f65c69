"""From one slice to both ends of an object (paper 4.1): a generator of small records.

Each side is a chain: a slice's mask prompts its neighbour. The two sides take turns, so
that the object grows outwards from the prompted slice. Nothing is kept here: whoever
iterates may stop at any record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from radsam.predictor import SliceMask, SlicePrompt
from radsam.propagate.next_prompt import Policy
from radsam.propagate.stop_rule import EndReason, StopRule
from radsam.propagate.taper import Taper
from radsam.volume import Bounds, RunMask

Ask = Callable[[int, SlicePrompt], SliceMask]
NO_PROMPT = SlicePrompt()


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


def propagate(
    start: SliceMask,
    *,
    ask: Ask,
    policy: Policy,
    slice_count: int,
    bounds: Bounds | None = None,
    user_prompts: Mapping[int, SlicePrompt] | None = None,
    stop_rule: StopRule | None = None,
    limits: Mapping[int, int] | None = None,
    carried: RunMask | None = None,
    taper: Taper | None = None,
) -> Iterator[Record]:
    """Walk from a segmented slice to both ends of the object.

    Args:
        start: The slice to start from, with its mask.
        ask: Answers a prompt on a slice.
        policy: Turns the incoming mask into the next slice's prompt.
        slice_count: Number of slices in the volume.
        bounds: First and last slice of the object; without them the stop rule ends each side.
        user_prompts: The user's prompts by slice: used there in addition to the incoming
            mask (paper 4.2). Without bounds, a side goes on at least to its farthest box, mask or positive point.
        stop_rule: Used without bounds.
        limits: The last slice to walk to on a side, by its step -1 or +1; the side ends there as at a bound.
        carried: What goes on from an empty start: the mask that stood there before a correction emptied it.
        taper: Thins a mask before it is passed on; None passes it on as it is.

    Yields:
        `SliceDone` for the start and every further slice, `SideDone` once per side.
    """
    user_prompts, limits = user_prompts or {}, limits or {}
    total = None
    if bounds is not None:
        last = {-1: bounds.low, 1: bounds.high, **limits}
        total = 1 + sum(abs(index - start.index) for index in last.values())
    done = 1
    yield SliceDone(start, done, total)
    # An empty slice does not end the object: the mask before it goes on.
    incoming = start.mask if start.mask.area or carried is None else carried
    rule = stop_rule or StopRule()
    walks = [
        _side(start, incoming, step, ask, policy, slice_count, bounds, limits.get(step), user_prompts, rule, taper)
        for step in (-1, 1)
    ]
    while walks:
        for walk in tuple(walks):
            record = next(walk)
            if isinstance(record, SideDone):
                walks.remove(walk)
                yield record
            else:
                done += 1
                yield SliceDone(record, done, total)


def _side(
    start: SliceMask,
    incoming: RunMask,
    step: int,
    ask: Ask,
    policy: Policy,
    slice_count: int,
    bounds: Bounds | None,
    limit: int | None,
    user_prompts: Mapping[int, SlicePrompt],
    stop_rule: StopRule,
    taper: Taper | None,
) -> Iterator[SliceMask | SideDone]:
    """Walk one side; the last value is its `SideDone`."""
    must_reach = max(
        (index * step for index, prompt in user_prompts.items() if _holds_object(prompt)),
        default=start.index * step,
    )
    index = came_from = start.index
    while True:
        index += step
        if (bounds is not None and index not in bounds) or (limit is not None and (index - limit) * step > 0):
            yield SideDone(step, index - step, EndReason.BOUND)
            return
        if not 0 <= index < slice_count:
            yield SideDone(step, index - step, EndReason.VOLUME_END)
            return
        passed_on = taper(incoming, came_from, index) if taper else incoming
        current = _answer(index, passed_on, ask, policy, user_prompts.get(index, NO_PROMPT))
        if bounds is None and index * step > must_reach:
            reason = stop_rule.broken_by(incoming, current)
            if reason is not None:
                yield SideDone(step, index - step, reason)
                return
        yield current
        if current.mask.area:
            incoming, came_from = current.mask, index


def _holds_object(user_prompt: SlicePrompt) -> bool:
    """Whether the user marked the object on this slice, not only what does not belong to it."""
    return (
        user_prompt.box_uvuv is not None
        or user_prompt.mask is not None
        or any(positive for *_, positive in user_prompt.points_uv)
    )


def _answer(index: int, incoming: RunMask, ask: Ask, policy: Policy, user_prompt: SlicePrompt) -> SliceMask:
    if not incoming.area and not user_prompt:
        return SliceMask(index, incoming, 1.0)
    question = policy(incoming, user_prompt)
    if isinstance(question, RunMask):
        return SliceMask(index, question, 1.0)
    return ask(index, question) if question else SliceMask(index, incoming, 1.0)
