"""A project as JSON values, as one user may see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from radsam.project.project import Project
from radsam.project.task_state import Case, Lock, LogEntry, Role, Round, Task, TaskState
from radsam.server.case_volumes import CaseVolumes
from radsam.session.label_set import LabelSet
from radsam.volume.object_colours import hex_of, object_colour

_SCORES = ("actions_before", "actions_after", "difference", "low", "high")


def label_rows(labels: LabelSet) -> list[dict[str, Any]]:
    """Describe the labels of a project."""
    return [
        {
            "name": each.name,
            "value": each.value,
            "color": hex_of(object_colour(each.value) if each.rgb is None else each.rgb),
        }
        for each in labels.label
    ]


def case_rows(project: Project, user: str, role: Role, only: str | None = None) -> list[dict[str, Any]]:
    """Describe the cases as listed, each with the reading that a user has, may do or may check."""
    tasks: dict[tuple[str, int], list[Task]] = defaultdict(list)
    for task in project.tasks(only):
        tasks[task.case, task.reading].append(task)
    locks = project.locks()
    cases = project.cases()
    if project.settings.order == "teaching":
        offered = sorted(
            cases, key=lambda each: (-(each.teaches if each.teaches is not None else float("-inf")), each.position)
        )
    else:
        offered = cases
    places = {each.id: place for place, each in enumerate(offered)}
    rows = []
    for case in cases:
        if only is None or case.id == only:
            reading = shown_reading(case, user, role, tasks, locks)
            row = _case_row(case, reading, tasks[case.id, reading], locks.get((case.id, reading)), user)
            rows.append(row | {"position": places[case.id]})
    return rows


def shown_reading(
    case: Case,
    user: str,
    role: Role,
    tasks: Mapping[tuple[str, int], Sequence[Task]],
    locks: Mapping[tuple[str, int], Lock],
) -> int:
    """Return the reading of a case that a user sees: the own one; else the first, or for an annotator one to do."""
    readings = range(1, case.readings + 1)
    for reading in readings:
        lock = locks.get((case.id, reading))
        if (lock is not None and lock.user == user) or any(each.annotator == user for each in tasks[case.id, reading]):
            return reading
    if role.may(Role.REVIEWER):
        return 1
    free = (
        reading
        for reading in readings
        if (case.id, reading) not in locks
        and not any(each.annotator or each.state.is_finished for each in tasks[case.id, reading])
    )
    return next(free, 1)


def _case_row(case: Case, reading: int, tasks: Sequence[Task], lock: Lock | None, user: str) -> dict[str, Any]:
    return {
        "id": case.id,
        "volume": CaseVolumes.id_of(case),
        "state": "excluded" if case.excluded else case_state(tasks).value,
        "reading": reading,
        "assigned": case.assigned,
        "excluded": case.excluded,
        "note": case.note,
        "locked_by": None if lock is None else lock.user,
        "locked_until": None if lock is None else lock.until,
        "mine": lock is not None and lock.user == user,
        "teaches": case.teaches,
        "labels": [
            {
                "name": each.label,
                "state": each.state.value,
                "annotator": each.annotator,
                "actions": each.actions,
                "seconds": round(each.seconds, 1),
                "certainty": each.certainty,
                "absent": each.absent,
                "note": each.note,
                "review": each.review,
            }
            for each in tasks
        ],
    }


def case_state(tasks: Sequence[Task]) -> TaskState:
    """Return how far a case is: checked or done if all of its labels are, in progress if one is begun."""
    states = {each.state for each in tasks}
    if states <= {TaskState.CHECKED}:
        return TaskState.CHECKED
    if all(each.is_finished for each in states):
        return TaskState.DONE
    if any(each.is_finished for each in states) or TaskState.IN_PROGRESS in states:
        return TaskState.IN_PROGRESS
    return TaskState.PROPOSED if TaskState.PROPOSED in states else TaskState.NEW


def round_row(found: Round) -> dict[str, Any]:
    """Describe a learning round."""
    lists = {"trained_on": list(found.trained_on), "compared_on": list(found.compared_on)}
    return asdict(found) | lists | {"scores": dict(found.scores)}


def offer_of(rounds: Sequence[Round]) -> dict[str, Any] | None:
    """Describe the weights that are offered; None without an offer."""
    offered = next((each for each in reversed(rounds) if each.state == "offered"), None)
    if offered is None:
        return None
    counts = {"trained_on": len(offered.trained_on), "compared_on": len(offered.compared_on)}
    return {"round": offered.number, **counts, **{name: offered.scores.get(name) for name in _SCORES}}


def log_row(entry: LogEntry) -> dict[str, Any]:
    """Describe a line of the log."""
    detail = ", ".join(f"{name}: {each}" for name, each in entry.details.items() if each not in ("", None))
    return {
        "time": entry.at,
        "by": entry.user,
        "what": entry.what,
        "case": entry.case,
        "label": entry.label,
        "detail": detail,
    }
