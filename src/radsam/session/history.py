"""The edits of a session in order, with a cursor for undo and redo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from radsam.errors import SessionError
from radsam.session.edit import (
    Confirm,
    Correct,
    Delete,
    Edit,
    Lock,
    ObjectEdit,
    Overlap,
    Paint,
    Remove,
    SetBounds,
    SetId,
    SetOrder,
    SetOverlap,
    StartEdit,
)
from radsam.session.stopped import Stopped
from radsam.volume import Box, Lasso, Mask, Plane

E = TypeVar("E", bound=Edit)


@dataclass(frozen=True)
class History:
    """Edits in order; the first `cursor` of them are in force.

    Args:
        edits: All edits, the undone ones last.
        cursor: How many are in force.

    Raises:
        SessionError: The cursor is less than 0 or greater than the number of edits.
    """

    edits: tuple[Edit, ...] = ()
    cursor: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.cursor <= len(self.edits):
            raise SessionError(f"The history has {len(self.edits)} edits, its cursor is {self.cursor}.")

    @property
    def done(self) -> tuple[Edit, ...]:
        """The edits in force: those before the cursor."""
        return self.edits[: self.cursor]

    def push(self, edit: Edit) -> History:
        """Add an edit after the cursor; undone edits are dropped."""
        return History((*self.done, edit), self.cursor + 1)

    def undo(self) -> History:
        """Undo the last edit in force.

        Raises:
            SessionError: There is nothing to undo.
        """
        if self.cursor == 0:
            raise SessionError("There is nothing to undo.")
        start = self.cursor - 1
        return replace(self, cursor=start - self._is_numbered(start))

    def redo(self) -> History:
        """Redo the edit that was undone last.

        Raises:
            SessionError: There is nothing to redo.
        """
        if self.cursor == len(self.edits):
            raise SessionError("There is nothing to redo.")
        return replace(self, cursor=self.cursor + 1 + self._is_numbered(self.cursor + 1))

    def _is_numbered(self, start: int) -> bool:
        """Whether an edit starts an object whose value was chosen right before: both are one step of the user."""
        if not 0 < start < len(self.edits):
            return False
        chosen, edit = self.edits[start - 1], self.edits[start]
        return (
            isinstance(chosen, SetId)
            and isinstance(edit, StartEdit)
            and chosen.name == edit.name
            and chosen.name not in present_objects(self.edits[: start - 1])
        )


def object_names(edits: Sequence[Edit]) -> list[str]:
    """Name every object that was ever started, in the order of their first prompts."""
    return list(dict.fromkeys(edit.name for edit in edits if isinstance(edit, StartEdit)))


def numbered_edits_of(edits: Sequence[Edit], name: str) -> dict[int, ObjectEdit]:
    """Return the edits that make object `name`, each with its position in the history.

    Deleted edits, everything before a removal, and changes of an object whose start was deleted
    drop out, and so do changes that name slices of another plane, where a start in that plane was deleted. The result
    is empty for an object that does not exist.
    """
    deleted = {edit.number for edit in edits if isinstance(edit, Delete)}
    remaining: dict[int, ObjectEdit] = {}
    made_in: Plane | None = None
    plane: Plane | None = None
    for number, edit in enumerate(edits):
        if isinstance(edit, StartEdit) and edit.name == name:
            made_in = edit.plane
            plane = plane if number in deleted else edit.plane
        if isinstance(edit, Remove) and edit.name == name:
            remaining.clear()
        elif (
            isinstance(edit, ObjectEdit)
            and edit.name == name
            and number not in deleted
            and (remaining or isinstance(edit, StartEdit))
            and (made_in == plane or not _names_slices(edit))
        ):
            remaining[number] = edit
    return remaining


def _names_slices(edit: ObjectEdit) -> bool:
    """Whether an edit names slices of its object's plane, so that it means nothing in another one."""
    match edit:
        case SetBounds() | Confirm() | Correct(stopped=Stopped()) | Paint(stopped=Stopped()):
            return True
        case Correct():
            return any(isinstance(each, Box | Mask | Lasso) for each in edit.prompts)
        case _:
            return False


def edits_of(edits: Sequence[Edit], name: str) -> tuple[ObjectEdit, ...]:
    """Return the edits that make object `name`, in order; see `numbered_edits_of`."""
    return tuple(numbered_edits_of(edits, name).values())


def present_objects(edits: Sequence[Edit]) -> list[str]:
    """Name the objects that exist now, in the order of their first prompts."""
    deleted = {edit.number for edit in edits if isinstance(edit, Delete)}
    present: set[str] = set()
    for number, edit in enumerate(edits):  # in one pass: an imported label map may have hundreds of objects
        if isinstance(edit, Remove):
            present.discard(edit.name)
        elif isinstance(edit, StartEdit) and number not in deleted:
            present.add(edit.name)
    return [name for name in object_names(edits) if name in present]


def require_object(edits: Sequence[Edit], name: str) -> None:
    """Refuse the name of an object that does not exist.

    Raises:
        SessionError: The object does not exist.
    """
    if not edits_of(edits, name):
        known = ", ".join(present_objects(edits)) or "none yet"
        raise SessionError(f"There is no object {name!r} in this session; its objects: {known}.")


def locks_of(edits: Sequence[Edit]) -> dict[str, int]:
    """Return the locked objects, each with the position of its lock in the history."""
    locks: dict[str, int] = {}
    for number, edit in enumerate(edits):
        match edit:
            case Lock(name=name, locked=True):
                locks.setdefault(name, number)
            case Lock(name=name) | Remove(name=name):
                locks.pop(name, None)
            case _:
                pass
    return {name: number for name, number in locks.items() if edits_of(edits, name)}


def chosen_overlap(edits: Sequence[Edit]) -> Overlap | None:
    """Return the overlap policy that was chosen last; None if none was."""
    return next((edit.overlap for edit in reversed(edits) if isinstance(edit, SetOverlap)), None)


def chosen_order(edits: Sequence[Edit]) -> tuple[str, ...]:
    """Return the priority order that was chosen last, the first one first; empty if none was."""
    return next((edit.names for edit in reversed(edits) if isinstance(edit, SetOrder)), ())


def renamed(edit: E, name: str, new_name: str) -> E:
    """Return an edit of object `name` as one of object `new_name`; edits of others are returned as they are."""
    if isinstance(edit, ObjectEdit | Lock | Remove | SetId) and edit.name == name:
        return replace(edit, name=new_name)
    if isinstance(edit, SetOrder):
        return replace(edit, names=tuple(new_name if each == name else each for each in edit.names))
    return edit
