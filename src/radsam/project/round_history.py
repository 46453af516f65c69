"""Learning rounds and the weights in use: one round runs at a time, and accepted ones are a history to go back in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from radsam.errors import InputError
from radsam.project.project_database import Change
from radsam.project.task_state import Round


def list_rounds(change: Change) -> list[Round]:
    """Return all rounds, the first one first."""
    return [_round(row) for row in change.rows("SELECT * FROM rounds ORDER BY number")]


def find_round(change: Change, number: int) -> Round:
    """Return a round.

    Raises:
        InputError: There is none of this number.
    """
    row = change.row("SELECT * FROM rounds WHERE number = ?", number)
    if row is None:
        raise InputError(f"The project has no round {number}. See its rounds with `radsam project status`.")
    return _round(row)


def begin(change: Change, by: str, trained_on: Sequence[str], compared_on: Sequence[str]) -> Round:
    """Begin a round.

    Raises:
        InputError: Another one runs.
    """
    if (running := change.row("SELECT number FROM rounds WHERE state = 'running'")) is not None:
        raise InputError(f"Round {running['number']} runs already. Wait until it ends, or drop it.")
    trained, compared = json.dumps([*trained_on]), json.dumps([*compared_on])
    number = change.insert("rounds", state="running", started=change.now, trained_on=trained, compared_on=compared)
    change.log(by, "begin round", round=number, trained_on=[*trained_on], compared_on=[*compared_on])
    return find_round(change, number)


def end(
    change: Change,
    number: int,
    state: str,
    by: str,
    *,
    only: Sequence[str],
    message: str | None = None,
    scores: Mapping[str, Any] | None = None,
) -> Round:
    """Set the state of a round, and log it.

    Args:
        change: The transaction.
        number: The round.
        state: Its new state.
        by: Who decides.
        only: States in which that is possible.
        message: Why; None leaves it.
        scores: Figures of its comparison; None leaves them.

    Raises:
        InputError: It is in another state.
    """
    found = find_round(change, number)
    if found.state not in only:
        raise InputError(f"Round {number} is {found.state}; only one that is {' or '.join(only)} can be {state}.")
    change.update(
        "rounds",
        {"number": number},
        state=state,
        ended=found.ended or change.now,
        message=found.message if message is None else message,
        scores=json.dumps(dict(found.scores if scores is None else scores)),
    )
    change.log(by, _WORDS[state], round=number, **({} if not message else {"message": message}))
    return find_round(change, number)


def accept(change: Change, number: int, by: str) -> Round:
    """Use the weights of a round from now on."""
    found = end(change, number, "accepted", by, only=("offered", "declined"))
    change.insert("weights", round=number)
    return found


def in_use(change: Change) -> int | None:
    """Return the round whose weights are in use; None for the default weights."""
    row = change.row("SELECT round FROM weights ORDER BY position DESC LIMIT 1")
    return None if row is None else int(row["round"])


def go_back(change: Change, by: str) -> int | None:
    """Use the weights before those in use.

    Raises:
        InputError: The default weights are in use.
    """
    present = in_use(change)
    if present is None:
        raise InputError("The project uses the default weights already: there are none before them.")
    change.run("DELETE FROM weights WHERE position = (SELECT MAX(position) FROM weights)")
    change.update("rounds", {"number": present}, state="declined", message=f"{by} went back to the weights before.")
    before = in_use(change)
    change.log(by, "go back", round=present, to=before)
    return before


_WORDS = {
    "offered": "offer round",
    "accepted": "accept round",
    "declined": "decline round",
    "dropped": "drop round",
}


def _round(row: sqlite3.Row) -> Round:
    return Round(
        number=row["number"],
        state=row["state"],
        started=row["started"],
        ended=row["ended"],
        trained_on=tuple(json.loads(row["trained_on"])),
        compared_on=tuple(json.loads(row["compared_on"])),
        scores=json.loads(row["scores"]),
        progress=row["progress"],
        message=row["message"],
    )
