"""Which slices an edit would reach, before it is done."""

from __future__ import annotations

from collections.abc import Collection

from radsam.propagate.reach import last_slices
from radsam.session.edit import Correct, ObjectEdit, Paint
from radsam.session.user_state import UserState, slice_prompts_of
from radsam.volume import Bounds


def reached_slices(edit: ObjectEdit, state: UserState, slices: Collection[int]) -> Bounds | None:
    """Return the first and the last slice that a correction or a stroke changes at most.

    Args:
        edit: The edit.
        state: What the user has set on its object before.
        slices: The slices of the object now. Without bounds, it may grow beyond their ends.

    Returns:
        The slices; None of an edit without a reach.
    """
    after = state.after(edit)
    anchors: dict[int, int] = {}
    match edit:
        case Correct():
            prompts = slice_prompts_of(edit, state.grid)
            touched = sorted(prompts)
            low = high = touched[len(touched) // 2]
            fixed = after.fixed
            if prompts[low].is_anchor and edit.reach == "next":
                anchors = after.next_anchors(low)
        case Paint():
            touched = sorted(edit.voxels.along(state.grid.axis).slices)
            low, high = touched[0], touched[-1]
            fixed = after.fixed.union(after.hand)
        case _:
            return None
    ends = after.bounds or Bounds(min(slices), max(slices))
    between = {side: anchor - side for side, anchor in anchors.items()}
    first = (last_slices(low, edit.reach, fixed - {low}) | between).get(-1, ends.low)
    last = (last_slices(high, edit.reach, fixed - {high}) | between).get(1, ends.high)
    return Bounds(min(touched[0], max(first, ends.low)), max(touched[-1], min(last, ends.high)))
