"""What `radsam edit` reports about edits: what each of them did, and the list of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from radsam.cli.terminal import out

if TYPE_CHECKING:
    from radsam.session import Session
    from radsam.session.edit_outcome import EditOutcome

#: Why an object keeps a voxel that the edited one claims, too.
_WHY = {
    "locked": "which is locked",
    "order": "which comes first in the order",
    "first": "which had them first",
    "later": "which comes later",
}


@dataclass(frozen=True)
class StepDone:
    """What one edit of a command line did.

    Args:
        option: The option or options that made it.
        number: The number of the edit in the history; None of undo and redo.
        outcome: What it did; None of undo and redo.
    """

    option: str
    number: int | None
    outcome: EditOutcome | None

    def to_dict(self, ml: float) -> dict[str, Any]:
        """Return it for JSON; `ml` is the millilitres of a voxel."""
        found = {} if self.outcome is None else self.outcome.to_dict(ml)
        return {"option": self.option, "number": self.number, **found}


def show_outcomes(done: Sequence[Mapping[str, Any]]) -> None:
    """Show in a sentence each what edits did."""
    for each in done:
        out.print(outcome_line(each), markup=False, soft_wrap=True)


def outcome_line(done: Mapping[str, Any]) -> str:
    """Describe what an edit did; the argument is its JSON."""
    if "slices" not in done:
        return f"{done['option']}: done."
    slices = done["slices"]
    if not slices:
        parts = ["no slice changed"]
    else:
        where = "1 slice" if len(slices) == 1 else f"{len(slices)} slices"
        parts = [
            f"{where} changed ({spans(slices)})",
            f"+{done['added']:,} voxels ({done['added_ml']:.3f} ml)",
            f"-{done['taken']:,} ({done['taken_ml']:.3f} ml)",
        ]
    parts += [f"{voxels:,} voxels taken from {other!r}" for other, voxels in done["taken_from"].items()]
    parts += [
        f"{voxels:,} voxels kept by {other!r}, {_WHY[done['refused_why'].get(other, 'later')]}"
        for other, voxels in done["refused_by"].items()
    ]
    if done["unfollowed"]:
        clicks = ", ".join(str(tuple(each)) for each in done["unfollowed"])
        parts.append(f"the model did not follow the click at {clicks}")
    return f"{done['option']} (edit {done['number']} of {done['name']!r}): {', '.join(parts)}."


def spans(indices: Sequence[int]) -> str:
    """Write a sorted list of slices as ranges: "30, 35, 40 to 44"."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def edit_list(session: Session) -> list[dict[str, Any]]:
    """Return the edits of all objects for JSON, in the order of their numbers."""
    found = [
        {"number": edit.number, "name": each.name, "edit": edit.kind, "slices": list(edit.slices)}
        for each in session.objects.values()
        for edit in each.edits
    ]
    return sorted(found, key=lambda edit: int(edit["number"]))


def show_edit_list(session: Session) -> None:
    """Show the edits of all objects as a table."""
    table = Table("number", "object", "edit", "slices", box=None)
    for each in edit_list(session):
        where = spans(each["slices"]) or "all"
        table.add_row(str(each["number"]), escape(each["name"]), each["edit"].replace("_", " "), where)
    out.print(table)
    undone = len(session.history.edits) - session.history.cursor
    if undone:
        out.print(f"{undone} undone; --redo does {'it' if undone == 1 else 'them'} again.")
