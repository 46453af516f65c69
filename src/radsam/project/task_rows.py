"""Cases and tasks in a project's database: reading them, and the changes from one state to the next.

A key of a task is (case, label, reading).
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

import numpy as np

from radsam.errors import GridMismatchError, InputError
from radsam.project.project_database import Change
from radsam.project.task_state import (
    LOCAL_USER,
    Case,
    CurvePoint,
    NewCase,
    Progress,
    ProjectSettings,
    Review,
    StartedFrom,
    Task,
    TaskState,
)
from radsam.volume import Geometry, SparseMask

Key = tuple[str, str, int]
_CASE = "id, source, series, patient, modality, position, excluded, note, assigned, teaches, readings"
_TASK = (
    'tasks."case", label, reading, state, annotator, session, object, actions, seconds, absent, certainty, '
    "proposed_by, started_from, tasks.note, reviewer, review, finished"
)


def check_cases(cases: Sequence[NewCase]) -> None:
    """Refuse an empty list, empty ids, and ids that are there twice.

    Raises:
        InputError: One of those.
    """
    if not cases:
        raise InputError("A project needs at least one case, and none was given.")
    if any(not each.id.strip() for each in cases):
        raise InputError("Each case needs an id, and one has none.")
    plain = [each.id.casefold() for each in cases]
    if len(set(plain)) < len(plain):
        twice = sorted({each.id for each in cases if plain.count(each.id.casefold()) > 1})
        raise InputError(
            f"Each case needs an id of its own (upper and lower case count as the same), and {', '.join(twice[:5])} is "
            "there more than once."
        )


def with_own_ids(groups: Sequence[Sequence[NewCase]]) -> list[NewCase]:
    """Put cases of several places into one list; numbered ones of later places go on counting, with their patients."""
    listed: list[NewCase] = []
    for cases in groups:
        taken = {each.id for each in listed}
        if taken.isdisjoint(each.id for each in cases) or not listed:
            listed += cases
            continue
        start, patients = len(listed), len({each.patient for each in listed})
        listed += [
            replace(each, id=_counted(each.id, start), patient=_counted(each.patient, patients)) for each in cases
        ]
    return listed


def _counted(name: str, start: int) -> str:
    """Add to the number of a numbered name; others stay as they are."""
    kind, _, number = name.rpartition("-")
    return f"{kind}-{int(number) + start:03d}" if kind in ("case", "patient") and number.isdigit() else name


# Settings


def insert_settings(change: Change, settings: ProjectSettings) -> None:
    """Write all settings."""
    for key, value in asdict(settings).items():
        change.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", key, json.dumps(value))


def read_settings(change: Change) -> ProjectSettings:
    """Read the settings."""
    return ProjectSettings(**{row["key"]: json.loads(row["value"]) for row in change.rows("SELECT * FROM settings")})


# Cases


def insert_cases(change: Change, cases: Sequence[NewCase], labels: Sequence[str], settings: ProjectSettings) -> None:
    """Write cases with their tasks; which ones two annotators do follows from the seed."""
    twice = round(settings.double_read * len(cases))
    double = set(random.Random(settings.seed).sample(range(len(cases)), twice))
    for position, case in enumerate(cases):
        readings = 2 if position in double else 1
        change.insert("cases", **asdict(case), position=position, readings=readings)
        for reading in range(1, readings + 1):
            for place, label in enumerate(labels):
                change.insert("tasks", case=case.id, label=label, reading=reading, position=place)


def list_cases(change: Change) -> list[Case]:
    """Return all cases as listed."""
    return [Case(*row) for row in change.rows(f"SELECT {_CASE} FROM cases ORDER BY position")]


def find_case(change: Change, case: str) -> Case:
    """Return a case.

    Raises:
        InputError: There is none of this id.
    """
    row = change.row(f"SELECT {_CASE} FROM cases WHERE id = ?", case)
    if row is None or row["id"] != case:
        raise InputError(f"The project has no case {case!r}. See its cases with `radsam project status`.")
    return Case(*row)


def set_of_case(change: Change, case: str, by: str, what: str, **values: str) -> None:
    """Set columns of a case, and log it."""
    find_case(change, case)
    change.update("cases", {"id": case}, **values)
    change.log(by, what, case, **values)


def read_grid(change: Change, case: str) -> Geometry | None:
    """Return the grid of a case's volume; None if it was never read."""
    find_case(change, case)
    row = change.row("SELECT grid FROM cases WHERE id = ?", case)
    if row is None or row["grid"] is None:
        return None
    shape, affine = json.loads(row["grid"])
    k, j, i = shape
    return Geometry((k, j, i), np.array(affine, dtype=np.float64))


def write_grid(change: Change, case: str, geometry: Geometry) -> None:
    """Keep the grid of a case's volume."""
    grid = json.dumps([list(geometry.shape_kji), np.asarray(geometry.affine_lps).tolist()])
    change.run("UPDATE cases SET grid = ? WHERE id = ? AND grid IS NULL", grid, case)


# Tasks


def list_tasks(change: Change, case: str | None) -> list[Task]:
    """Return the tasks of a case, or of all."""
    rows = change.rows(
        f'SELECT {_TASK} FROM tasks JOIN cases ON cases.id = tasks."case" WHERE ? IS NULL OR id = ? '
        "ORDER BY cases.position, reading, tasks.position",
        case,
        case,
    )
    return [_task(row) for row in rows]


def find_task(change: Change, key: Key) -> Task:
    """Return a task.

    Raises:
        InputError: There is no such case, label or reading.
    """
    case, label, reading = key
    found = find_case(change, case)
    row = change.row(f'SELECT {_TASK} FROM tasks WHERE "case" = ? AND label = ? AND reading = ?', case, label, reading)
    if row is not None:
        return _task(row)
    labels = [
        row["label"]
        for row in change.rows('SELECT label FROM tasks WHERE "case" = ? AND reading = 1 ORDER BY position', case)
    ]
    if label not in labels:
        raise InputError(f"The project has no label {label!r}; it has {', '.join(labels)}.")
    raise InputError(f"The case {case} has {found.readings} reading{'s' * (found.readings > 1)}, not {reading}.")


def begin(change: Change, key: Key, user: str, session: str, name: str, started_from: StartedFrom) -> Task:
    """Set a task in progress; one that is so already gets a new session, object and start only."""
    task = find_task(change, key)
    refuse_done(task)
    values = {"session": session or task.session, "object": name or task.object, "annotator": user}
    if started_from:  # a proposal, until the user draws another object
        values["started_from"] = started_from
    change.update("tasks", _where(key), state=TaskState.IN_PROGRESS.value, **values)
    if task.state is not TaskState.IN_PROGRESS or task.annotator != user:
        change.log(user, "begin", key[0], key[1], reading=key[2], started_from=started_from)
    return find_task(change, key)


def add_work(change: Change, key: Key, actions: int, seconds: float) -> None:
    """Add edits and time to a task."""
    case, label, reading = key
    change.run(
        'UPDATE tasks SET actions = actions + ?, seconds = seconds + ? WHERE "case" = ? AND label = ? AND reading = ?',
        actions,
        float(seconds),
        case,
        label,
        reading,
    )


def refuse_done(task: Task) -> None:
    """Refuse to work on a label that is done.

    Raises:
        InputError: It is done.
    """
    if task.state.is_finished:
        raise InputError(
            f"{task.label} of the case {task.case} is {task.state.value} already, by {task.annotator}. Reopen it to "
            "change it."
        )


def check_mask(key: Key, mask: Any, grid: Geometry) -> None:
    """Refuse an empty mask, and one of another shape than the volume.

    Raises:
        InputError: It is empty.
        GridMismatchError: It has another shape.
    """
    if mask is None:
        return
    shape = mask.shape_kji if isinstance(mask, SparseMask) else mask.shape
    if tuple(shape) != grid.shape_kji:
        given, needed = ("×".join(map(str, reversed(each))) for each in (shape, grid.shape_kji))
        raise GridMismatchError(f"The mask of {key[1]} is {given} voxels, the volume of the case {key[0]} is {needed}.")
    if not (bool(mask) if isinstance(mask, SparseMask) else mask.any()):
        raise InputError(f"The mask of {key[1]} is empty. Segment it, or say that it is absent in the case {key[0]}.")


def new_version(change: Change, key: Key) -> int:
    """Return a number that no mask of a task has, from 1; it is used up even if the mask is then not written."""
    change.run('UPDATE tasks SET masks = masks + 1 WHERE "case" = ? AND label = ? AND reading = ?', *key)
    row = change.row('SELECT masks FROM tasks WHERE "case" = ? AND label = ? AND reading = ?', *key)
    return 1 if row is None else int(row["masks"])


def finish(change: Change, key: Key, user: str, file: str, absent: bool, weights: int | None) -> None:
    """Set a task done; with the last one of a reading, the lock of its annotator ends."""
    refuse_done(find_task(change, key))
    values = {
        "annotator": user,
        "mask": file,
        "annotated": file,
        "absent": absent,
        "weights": weights,
        "finished": change.now,
    }
    change.update("tasks", _where(key), state=TaskState.DONE.value, reviewer="", review="", note="", **values)
    change.log(user, "finish", key[0], key[1], reading=key[2], absent=absent, mask=file)
    rest = change.row(
        "SELECT 1 FROM tasks WHERE \"case\" = ? AND reading = ? AND state NOT IN ('done', 'checked')", key[0], key[2]
    )
    if rest is None:
        change.run('DELETE FROM locks WHERE "case" = ? AND reading = ?', key[0], key[2])


def reopen(change: Change, key: Key, by: str, note: str) -> None:
    """Set a done task in progress again."""
    task = find_task(change, key)
    if not task.state.is_finished:
        raise InputError(
            f"{task.label} of the case {task.case} is {task.state.value}; only a done one can be reopened."
        )
    values = {"note": note, "reviewer": "", "review": "", "finished": ""}
    change.update("tasks", _where(key), state=TaskState.IN_PROGRESS.value, **values)
    change.log(by, "reopen", key[0], key[1], reading=key[2], note=note)


def check_outcome(outcome: str, note: str, has_mask: bool, absent: bool) -> None:
    """Refuse an unknown outcome of a check, and one that lacks what belongs to it.

    Raises:
        InputError: One of those.
    """
    known = [each for each in get_args(Review) if each]
    if outcome not in known:
        raise InputError(f"A check ends with one of {', '.join(known)}, not {outcome!r}.")
    if outcome == "corrected" and has_mask == absent:
        raise InputError("A correction is either a mask or that the label is absent.")
    if outcome != "corrected" and (has_mask or absent):
        raise InputError(f"Only a correction has a mask, and the outcome is {outcome!r}.")
    if outcome == "sent back" and not note.strip():
        raise InputError("Say in a note what the annotator is to change, when a label is sent back.")


def refuse_check(task: Task, by: str) -> None:
    """Refuse to check a label that is not done, or that the reader did.

    Raises:
        InputError: One of those.
    """
    if not task.state.is_finished:
        raise InputError(f"{task.label} of the case {task.case} is {task.state.value}; only a done one can be checked.")
    if task.annotator == by != LOCAL_USER:
        raise InputError(f"{task.label} of the case {task.case} was done by {by}; another reader has to check it.")


def check(change: Change, key: Key, by: str, outcome: Review, note: str, file: str, absent: bool) -> None:
    """Set the outcome of a check."""
    refuse_check(find_task(change, key), by)
    values: dict[str, Any] = {"reviewer": by, "review": outcome, "note": note}
    if outcome == "corrected":
        values |= {"mask": file, "absent": absent}
    if outcome == "sent back":
        values |= {"state": TaskState.IN_PROGRESS.value, "finished": ""}
    else:
        values |= {"state": TaskState.CHECKED.value}
    change.update("tasks", _where(key), **values)
    change.log(by, "check", key[0], key[1], reading=key[2], outcome=outcome, note=note, mask=file)


def propose(
    change: Change, case: str, round: int | None, certainty: Mapping[str, float], absence: Mapping[str, float]
) -> None:
    """Set the tasks of a case proposed that nobody has begun; those without a proposal get the certainty of absence."""
    change.run(
        "UPDATE tasks SET state = 'new', certainty = NULL, proposed_by = NULL "
        "WHERE \"case\" = ? AND state IN ('new', 'proposed')",
        case,
    )
    states = {**dict.fromkeys(absence, TaskState.NEW), **dict.fromkeys(certainty, TaskState.PROPOSED)}
    for label, state in states.items():
        find_task(change, (case, label, 1))
        change.run(
            "UPDATE tasks SET state = ?, certainty = ?, proposed_by = ? "
            "WHERE \"case\" = ? AND label = ? AND state = 'new'",
            state.value,
            float(certainty[label] if label in certainty else absence[label]),
            round,
            case,
            label,
        )


def finished_rows(change: Change, reading: int) -> list[sqlite3.Row]:
    """Return the rows of finished masks."""
    return change.rows(
        'SELECT tasks."case", label, mask, annotated, absent, finished, state, started_from FROM tasks '
        'JOIN cases ON cases.id = tasks."case" '
        "WHERE state IN ('done', 'checked') AND reading = ? ORDER BY cases.position, tasks.position",
        reading,
    )


def curve(change: Change, reading: int) -> list[CurvePoint]:
    """Return what finished cases that count took, in the order in which they were finished."""
    rows = change.rows(
        'SELECT "case", SUM(NOT absent) AS labels, SUM(actions) AS actions, SUM(seconds) AS seconds, '
        'MAX(weights) AS weights FROM tasks JOIN cases ON cases.id = tasks."case" WHERE reading = ? '
        "AND excluded = '' GROUP BY \"case\" HAVING SUM(state NOT IN ('done', 'checked')) = 0 "
        "ORDER BY MAX(finished), cases.position",
        reading,
    )
    return [
        CurvePoint(row["case"], order, row["labels"], row["actions"], row["seconds"], row["weights"])
        for order, row in enumerate(rows, start=1)
    ]


def progress(change: Change) -> Progress:
    """Count cases."""
    row = change.row(
        "SELECT COUNT(*) AS cases, SUM(open = 0) AS done, SUM(unchecked = 0) AS checked FROM ("
        "SELECT SUM(state NOT IN ('done', 'checked')) AS open, SUM(state != 'checked') AS unchecked "
        'FROM tasks JOIN cases ON cases.id = tasks."case" WHERE excluded = \'\' GROUP BY "case")'
    )
    excluded = change.row("SELECT COUNT(*) AS cases FROM cases WHERE excluded != ''")
    if row is None or excluded is None:
        return Progress(0, 0, 0, 0)
    return Progress(row["cases"], row["done"] or 0, row["checked"] or 0, excluded["cases"])


def _where(key: Key) -> dict[str, Any]:
    return dict(zip(("case", "label", "reading"), key, strict=True))


def _task(row: sqlite3.Row) -> Task:
    values = dict(zip(row.keys(), row, strict=True))
    return Task(**values | {"state": TaskState(values["state"]), "absent": bool(values["absent"])})
