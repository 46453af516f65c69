"""The table of a simulation: what each object has cost in each arm, one row each.

The file is written anew after each object, so that it is whole after a kill at any moment.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.project.simulated_annotator import Effort

#: The two arms do the same cases: with what the project learns, and with the default weights from a box.
Arm = Literal["learning", "without"]
ARMS: tuple[Arm, ...] = ("without", "learning")


@dataclass(frozen=True)
class EffortRow:
    """What one object has cost in one arm.

    Args:
        arm: The arm.
        order: The how manieth case it was, from 1.
        case: The case.
        patient: Its patient.
        label: The label.
        voxels: Size of the true object; 0 where it is absent.
        slices: Its slices.
        actions: Actions until the mask was good enough, or until the annotator gave up.
        strokes: All actions, those that finished the mask to be handed in included.
        human_seconds: Seconds of a person for `actions`, as assumed by kind of action.
        finishing_seconds: The same for the other strokes.
        machine_seconds: Seconds that the session computed.
        dice_proposal: Dice of the proposal; -1 without one.
        certainty: What the proposal says of itself; -1 without one.
        dice: Dice in the end.
        reached: Whether the goal was reached before the annotator gave up.
        started_from: What the annotator began with.
        round: The round whose weights were used; 0 for the default ones.
        kinds: The kinds of all actions, separated by spaces.
        dice_after: Dice before the first action and after each, separated by spaces.
    """

    arm: Arm
    order: int
    case: str
    patient: str
    label: str
    voxels: int
    slices: int
    actions: int
    strokes: int
    human_seconds: float
    finishing_seconds: float
    machine_seconds: float
    dice_proposal: float
    certainty: float
    dice: float
    reached: bool
    started_from: str
    round: int
    kinds: str
    dice_after: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What the row is of: arm, case and label."""
        return self.arm, self.case, self.label

    @property
    def is_untouched(self) -> bool:
        """Whether a proposal was good enough as it was."""
        return self.dice_proposal >= 0 and not self.actions


def effort_columns(effort: Effort, goal: float) -> dict[str, Any]:
    """Return the columns of a row that say what an effort was."""
    given_up = effort.dice[min(effort.actions, len(effort.dice) - 1)]
    return {
        "actions": effort.actions,
        "strokes": len(effort.kinds),
        "human_seconds": round(effort.human_seconds, 2),
        "finishing_seconds": round(effort.finishing_seconds, 2),
        "machine_seconds": round(effort.machine_seconds, 2),
        "dice": round(effort.final_dice, 4),
        "reached": given_up >= goal,
        "started_from": effort.started_from,
        "kinds": " ".join(effort.kinds),
        "dice_after": " ".join(f"{each:.3f}" for each in effort.dice),
    }


def read_rows(path: Path) -> list[EffortRow]:
    """Read the table; no rows where there is none yet.

    Raises:
        InputError: It is not such a table.
    """
    if not path.exists():
        return []
    kinds = {each.name: each.type for each in fields(EffortRow)}
    convert: dict[str, Callable[[str], Any]] = {
        "int": int,
        "float": float,
        "bool": lambda text: {"True": True, "False": False}[text],
    }
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                EffortRow(**{name: convert.get(str(kinds[name]), str)(row[name]) for name in kinds})
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not a table of a simulation: {error!r}. Give another folder, or remove it."
        ) from error


def write_rows(path: Path, rows: Sequence[EffortRow]) -> None:
    """Write the table, whole or not at all."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(EffortRow)])
        writer.writeheader()
        writer.writerows(asdict(each) for each in rows)


def with_row(rows: Iterable[EffortRow], row: EffortRow) -> list[EffortRow]:
    """Return the rows with one more, which takes the place of a row of the same object in the same arm."""
    return [*(each for each in rows if each.key != row.key), row]
