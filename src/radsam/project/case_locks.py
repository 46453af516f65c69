"""Who works on which case: locks that end by themselves, and the choice of the next case.

A reading of a case has one lock at most. All of it happens in the transaction of its caller, so that two annotators
never get the same reading of a case.
"""

from __future__ import annotations

import sqlite3

from radsam.errors import InputError, InUseError
from radsam.project.project_database import Change, iso_in
from radsam.project.task_state import Lock, Order


def lock_of(change: Change, case: str, reading: int) -> Lock | None:
    """Return who has a reading of a case; None if it is free."""
    row = change.row('SELECT * FROM locks WHERE "case" = ? AND reading = ? AND until > ?', case, reading, change.now)
    return None if row is None else Lock(row["case"], row["reading"], row["user"], row["until"])


def locks(change: Change) -> dict[tuple[str, int], Lock]:
    """Return the locks that count, by case and reading."""
    rows = change.rows("SELECT * FROM locks WHERE until > ?", change.now)
    return {(row["case"], row["reading"]): Lock(row["case"], row["reading"], row["user"], row["until"]) for row in rows}


def hold(change: Change, case: str, user: str, minutes: float, reading: int | None = None) -> Lock:
    """Give a case to a user, or let the user keep it for longer.

    Args:
        change: The transaction.
        case: The case.
        user: The user.
        minutes: How long the lock holds.
        reading: Which reading; None for the one that is the user's to do.

    Raises:
        InputError: The case is excluded.
        InUseError: Another user has it.
    """
    row = change.row("SELECT excluded FROM cases WHERE id = ?", case)
    if row is not None and row["excluded"]:
        raise InputError(f"The case {case} is excluded: {row['excluded']}. Include it again to work on it.")
    chosen = reading_of(change, case, user) if reading is None else reading
    present = lock_of(change, case, chosen)
    if present is not None and present.user != user:
        raise InUseError(f"The case {case}", f"{present.user} until {present.until}")
    until = iso_in(minutes)
    change.run("INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?)", case, chosen, user, until)
    if present is None:
        change.log(user, "open", case, reading=chosen)
    return Lock(case, chosen, user, until)


def reading_of(change: Change, case: str, user: str) -> int:
    """Return which reading of a case is a user's: the one that the user works on or did, else one that is free."""
    rows = change.rows(
        "SELECT reading, SUM(annotator = ?) AS mine, SUM(annotator NOT IN ('', ?)) AS others, "
        "SUM(state NOT IN ('done', 'checked')) AS open FROM tasks WHERE \"case\" = ? GROUP BY reading ORDER BY reading",
        user,
        user,
        case,
    )
    held = {row["reading"]: lock_of(change, case, row["reading"]) for row in rows}
    users = {reading: lock.user for reading, lock in held.items() if lock is not None}
    choices = (
        [row for row in rows if users.get(row["reading"]) == user],
        [row for row in rows if row["mine"]],
        [row for row in rows if row["reading"] not in users and row["open"] and not row["others"]],
        [row for row in rows if row["reading"] not in users and row["open"]],
    )
    return next((int(each[0]["reading"]) for each in choices if each), 1)


def choose_next(change: Change, user: str, order: Order, after: str | None) -> tuple[str, int] | None:
    """Choose the next case for a user, and which reading of it; None if none is left.

    Cases come first that the user has begun, then those assigned to the user, then those that nobody has begun.

    Args:
        change: The transaction.
        user: The user.
        order: The order of the others.
        after: A case that the user does not want now.
    """
    rows = change.rows(
        "SELECT cases.id, position, assigned, teaches, reading, mine, others, open FROM cases JOIN ("
        "SELECT \"case\", reading, SUM(annotator = ?) AS mine, SUM(annotator NOT IN ('', ?)) AS others, "
        "SUM(state NOT IN ('done', 'checked')) AS open FROM tasks GROUP BY \"case\", reading"
        ") AS work ON work.\"case\" = cases.id WHERE excluded = ''",
        user,
        user,
    )
    held = locks(change)
    mine = {(row["id"], row["reading"]) for row in rows if row["mine"]}
    mine |= {key for key, lock in held.items() if lock.user == user}
    rest = [row for row in rows if row["open"] and row["id"] != after and _may_do(row, user, held, mine)]
    if not rest:
        return None
    first = min(rest, key=lambda row: _rank(row, user, order, mine))
    return str(first["id"]), int(first["reading"])


def _may_do(row: sqlite3.Row, user: str, held: dict[tuple[str, int], Lock], mine: set[tuple[str, int]]) -> bool:
    """Whether a reading of a case is free for a user who does not do the other reading of it."""
    case, reading = row["id"], row["reading"]
    lock = held.get((case, reading))
    if (lock is not None and lock.user != user) or (case, 3 - reading) in mine:
        return False
    return reading != 1 or row["assigned"] in ("", user)


def _rank(row: sqlite3.Row, user: str, order: Order, mine: set[tuple[str, int]]) -> tuple[int, float, int, int]:
    begun = (row["id"], row["reading"]) in mine
    kind = 0 if begun else 1 if row["assigned"] == user else 2 if not row["others"] else 3
    teaches = row["teaches"] if order == "teaching" and row["teaches"] is not None else float("-inf")
    return kind, -teaches, row["position"], row["reading"]
