"""The objects' ids, their values in the label map: numbered in the order of their first prompts, unless chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from radsam.errors import SessionError
from radsam.session.edit import LARGEST_ID, Edit, SetId, StartEdit
from radsam.session.history import History, present_objects


def object_ids(edits: Sequence[Edit]) -> dict[str, int]:
    """Return the id of every object that was ever started, in the order of their first prompts.

    A new object gets the number of objects so far plus 1, or the next one that no object has. A removed object keeps
    its id until another object is given it.
    """
    ids: dict[str, int] = {}
    for edit in edits:
        if isinstance(edit, StartEdit) and edit.name not in ids:
            ids[edit.name] = free_id(ids)
        elif isinstance(edit, SetId):
            other = next((name for name, number in ids.items() if number == edit.id and name != edit.name), None)
            ids[edit.name] = edit.id
            if other is not None:  # it was removed: see `require_free_id`
                ids[other] = free_id(ids)
    return ids


def with_edit(history: History, edit: Edit, number: int | None = None) -> History:
    """Add an edit to a history; an object that it starts gets the value `number`, if one is given."""
    after = history.push(edit)
    if number is None or not isinstance(edit, StartEdit) or edit.name in present_objects(history.done):
        return after
    if object_ids(after.done)[edit.name] == number:
        return after
    return history.push(SetId(edit.name, number)).push(edit)


def free_id(ids: Mapping[str, int]) -> int:
    """Return the id of one more object.

    Raises:
        SessionError: Every id is taken.
    """
    taken = set(ids.values())
    for each in chain(range(len(ids) + 1, LARGEST_ID + 1), range(1, len(ids) + 1)):
        if each not in taken:
            return each
    raise SessionError(f"A session holds {LARGEST_ID} objects at most: start another session.")


def require_free_id(edits: Sequence[Edit], name: str, number: int) -> None:
    """Refuse an id that another object has.

    Raises:
        SessionError: One has it.
    """
    ids = object_ids(edits)
    other = next((each for each in present_objects(edits) if ids[each] == number and each != name), None)
    if other is not None:
        raise SessionError(
            f"The value {number} belongs to {other!r}. Choose another value for {name!r}, or change that of {other!r} "
            "first."
        )
