"""Options of `segment` and `edit` about all objects: locks, values in the label map, and their priority order."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from radsam.cli.terminal import usage_error

if TYPE_CHECKING:
    from radsam.session import Session
    from radsam.session.edit import Edit

Locked = Annotated[
    list[str] | None,
    typer.Option("--lock", help="Lock this object: no other object takes a voxel from it. Repeatable.", metavar="NAME"),
]
Unlocked = Annotated[
    list[str] | None, typer.Option("--unlock", help="Unlock this object again. Repeatable.", metavar="NAME")
]
Number = Annotated[
    int | None,
    typer.Option("--id", help="The object's value in the label map, 1 to 65535.", metavar="N", min=1, max=65535),
]
Order = Annotated[
    str | None,
    typer.Option(
        "--order",
        help="Priority order: of two objects that claim a voxel, the one named first has it; the others come after "
        'them by --overlap. "" takes the order back.',
        metavar="A,B,...",
    ),
]
Legend = Annotated[
    bool | None,
    typer.Option(
        "--legend/--no-legend",
        help="Write the names of the values beside a label map, to OUT.labels.txt for ITK-SNAP; if left out, where it "
        "holds several objects, or one with a value other than 1.",
    ),
]


@dataclass(frozen=True)
class ObjectOptions:
    """What the options say.

    Args:
        lock: Objects to lock.
        unlock: Objects to unlock.
        number: The value of the edited object; None leaves it as it is.
        order: The priority order; None leaves it as it is.
    """

    lock: tuple[str, ...] = ()
    unlock: tuple[str, ...] = ()
    number: int | None = None
    order: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, lock: Sequence[str] | None, unlock: Sequence[str] | None, number: int | None, order: str | None
    ) -> ObjectOptions:
        """Read the options.

        Raises:
            BadParameter: An object is to be locked and unlocked.
        """
        for name in lock or ():
            if name in (unlock or ()):
                raise usage_error(f"{name!r} cannot be locked and unlocked at once: give --lock or --unlock.")
        names = None if order is None else next(csv.reader([order], skipinitialspace=True), [])
        return cls(
            tuple(lock or ()),
            tuple(unlock or ()),
            number,
            None if names is None else tuple(each.strip() for each in names),
        )

    def check(self, edits: Sequence[Edit], name: str | None) -> None:
        """Refuse what is not possible, before anything is computed.

        Args:
            edits: The session's edits so far.
            name: The object that is edited or added; None where there is none.

        Raises:
            SessionError: An object does not exist, is named twice in the order, or has the value of another one.
        """
        from radsam.session.edit import SetOrder
        from radsam.session.history import require_object
        from radsam.session.object_ids import require_free_id

        SetOrder(self.order or ())
        for each in (*self.lock, *self.unlock, *(self.order or ())):
            if each != name:
                require_object(edits, each)
        if self.number is not None:
            if name is None:
                raise usage_error("--id is the value of one object; choose it with --name.")
            require_free_id(edits, name, self.number)

    def before(self, session: Session, name: str | None) -> None:
        """Apply what comes before the edit of an object: locks of the others, so that it takes nothing from them."""
        self._lock(session, self.unlock, locked=False)
        self._lock(session, [each for each in self.lock if each != name], locked=True)

    def after(self, session: Session, name: str | None) -> None:
        """Apply what comes after it: its own lock, its value, and the order."""
        from radsam.session.history import chosen_order

        if name is not None and self.number not in (None, session.objects[name].id):
            session.set_id(name, self.number)
        if self.order is not None and self.order != chosen_order(session.history.done):
            session.order(*self.order)
        self._lock(session, [each for each in self.lock if each == name], locked=True)

    @staticmethod
    def _lock(session: Session, names: Sequence[str], *, locked: bool) -> None:
        for each in names:
            present = session.objects.get(each)
            if present is None or present.locked is not locked:
                session.lock(each, locked)
