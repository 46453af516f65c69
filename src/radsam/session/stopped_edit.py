"""From an edit and the slices that a stopped run of it has finished to the edit that does this much and no more."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from radsam.propagate import Record, SideDone, SliceDone
from radsam.session.edit import Continue, Correct, ObjectEdit, Paint, Segment, SetBounds, StartFromMask
from radsam.session.stopped import ENDS, SIDE_OF, End, Stopped
from radsam.session.user_state import UserState, slice_prompts_of
from radsam.volume import Bounds, Geometry, SliceGrid, slice_index


def stopped_edit(
    edit: ObjectEdit,
    records: Iterable[Record],
    geometry: Geometry,
    state: UserState | None = None,
    present: Collection[int] = (),
) -> ObjectEdit:
    """Return the edit that does what a stopped run has done.

    Args:
        edit: The edit.
        records: What its run has yielded.
        geometry: The volume's grid.
        state: What the user has set on the object before it; None of an edit that starts one.
        present: The slices of the object before it.

    Returns:
        The edit as it is if nothing is missing, or if it propagates nothing.
    """
    taken = tuple(records)
    slices = [each.slice_mask.index for each in taken if isinstance(each, SliceDone)]
    reached = {each.side for each in taken if isinstance(each, SideDone)}
    open_ends = tuple(end for end in ENDS if SIDE_OF[end] not in reached)
    match edit:
        case StartFromMask(refine=True):
            return _refined(edit, slices, geometry)
        case Segment():
            start = slice_index(edit.prompt, SliceGrid.of(geometry, edit.plane))
            done = [start, *slices]
            if bounds := edit.bounds:
                open_ends = tuple(end for end in open_ends if end in _short(done, bounds))
            return replace(edit, stopped=_stopped(done, open_ends))
        case Correct() if state is not None:
            touched = sorted(index for index in slice_prompts_of(edit, state.grid) if state.has(index))
            middle = touched[len(touched) // 2 : len(touched) // 2 + 1]
            return replace(edit, stopped=_stopped([*middle, *slices], open_ends))
        case Paint() if state is not None and edit.reach != "slice":
            touched = list(edit.voxels.along(state.grid.axis).slices)
            return replace(edit, stopped=_stopped([*touched, *slices], ENDS))
        case SetBounds(bounds=bounds):
            kept = [index for index in present if index in bounds]
            done = [*kept, *slices] or [bounds.low, bounds.high]
            short = tuple(end for end in _short(done, bounds) if end in edit.given)
            return replace(edit, stopped=_stopped(done, short))
        case Continue() if state is not None and state.unfinished:
            ends = [each.at for each in state.unfinished.values()]
            still = tuple(end for end in open_ends if SIDE_OF[end] in state.unfinished)
            return replace(edit, stopped=_stopped([*ends, *slices], still))
    return edit


def _refined(edit: StartFromMask, slices: list[int], geometry: Geometry) -> StartFromMask:
    """Return the start from a mask of which only these slices were refined; they come in ascending order."""
    if not slices:
        return replace(edit, refine=False)
    given = edit.mask.along(SliceGrid.of(geometry, edit.plane).axis).slices
    return edit if len(slices) == len(given) else replace(edit, stopped=_stopped(slices, ENDS))


def _short(slices: list[int], bounds: Bounds) -> tuple[End, ...]:
    """Return the ends that the slices do not reach."""
    missing = {"low": min(slices) > bounds.low, "high": max(slices) < bounds.high}
    return tuple(end for end in ENDS if missing[end])


def _stopped(slices: list[int], unfinished: tuple[End, ...]) -> Stopped | None:
    return Stopped(min(slices), max(slices), unfinished) if slices and unfinished else None
