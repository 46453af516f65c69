"""How far a project is, for people and as JSON: a line per case, a summary, and the effort over the cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from radsam.project.project import Case, CurvePoint, Lock, Project, Task, TaskState

_LETTERS = {
    TaskState.NEW: ".",
    TaskState.PROPOSED: "p",
    TaskState.IN_PROGRESS: "w",
    TaskState.DONE: "d",
    TaskState.CHECKED: "C",
}
#: Heights of the bars of a curve in text.
_BARS = "▁▂▃▄▅▆▇█"
#: Cases that one mean of the summary is of.
_SOME = 5


@dataclass(frozen=True)
class CaseStatus:
    """How far a reading of a case is.

    Args:
        case: The case.
        reading: Which reading.
        tasks: Its labels.
        lock: Who works on it.
    """

    case: Case
    reading: int
    tasks: tuple[Task, ...]
    lock: Lock | None

    @property
    def state(self) -> str:
        """The state of the least advanced label, "excluded", or "in progress" where some labels are begun."""
        if self.case.excluded:
            return "excluded"
        order = list(TaskState)
        states = {each.state for each in self.tasks}
        least = min(states, key=order.index)
        begun = any(order.index(each) >= order.index(TaskState.IN_PROGRESS) for each in states)
        return (TaskState.IN_PROGRESS if begun and not least.is_finished else least).value

    @property
    def letters(self) -> list[str]:
        """A letter per label."""
        return ["a" if each.absent and each.state.is_finished else _LETTERS[each.state] for each in self.tasks]

    @property
    def user(self) -> str:
        """Who did it, has it open, or is to do it."""
        did = dict.fromkeys(each.annotator for each in self.tasks if each.annotator)
        if self.lock is not None:
            return ", ".join([*(each for each in did if each != self.lock.user), f"{self.lock.user} (open)"])
        return ", ".join(did) or (f"for {self.case.assigned}" if self.case.assigned and self.reading == 1 else "")

    @property
    def actions(self) -> int:
        """Actions of all labels."""
        return sum(each.actions for each in self.tasks)

    @property
    def seconds(self) -> float:
        """Time of all labels."""
        return sum(each.seconds for each in self.tasks)

    @property
    def about(self) -> str:
        """Why it is excluded, and notes."""
        sent_back = [f"{each.label}: {each.note}" for each in self.tasks if each.note]
        return "; ".join(filter(None, (self.case.excluded, self.case.note, *sent_back)))


def case_statuses(project: Project) -> list[CaseStatus]:
    """Return how far each reading of each case is, as listed."""
    tasks: dict[tuple[str, int], list[Task]] = {}
    for each in project.tasks():
        tasks.setdefault((each.case, each.reading), []).append(each)
    cases, locks = {each.id: each for each in project.cases()}, project.locks()
    return [CaseStatus(cases[key[0]], key[1], tuple(found), locks.get(key)) for key, found in tasks.items()]


def summary_lines(project: Project) -> list[str]:
    """Return a few sentences: progress, weights, and the effort of the first and last cases."""
    found = project.progress()
    excluded = f", {found.excluded} excluded" if found.excluded else ""
    lines = [f"{found.done} of {found.cases} cases done, {found.checked} checked{excluded}."]
    current = project.current_round()
    rounds = project.rounds()
    running = [f"round {each.number} runs ({each.progress:.0%})" for each in rounds if each.state == "running"]
    offered = [f"those of round {each.number} are offered" for each in rounds if each.state == "offered"]
    weights = "the default ones" if current is None else f"those of round {current}"
    lines.append(f"Weights: {', '.join([weights, *running, *offered])}.")
    points = project.curve()
    if points:
        lines.append(f"Actions per case: {_mean(points)} on average{_first_and_last(points)}.")
    return lines


def effort_curve(points: Sequence[CurvePoint], width: int = 60) -> list[str]:
    """Draw actions per case over the finished cases as bars of text; of many cases, means of several."""
    if len(points) < 2:
        return []
    per_bar = -(-len(points) // width)
    groups = [points[at : at + per_bar] for at in range(0, len(points), per_bar)]
    values = [fmean(each.actions for each in group) for group in groups]
    most = max(values) or 1.0
    bars = "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in values)
    unit = "a case" if per_bar == 1 else f"{per_bar} cases"
    return [f"Actions, {unit} a bar, up to {most:.3g}: {bars}"]


def status_json(project: Project, rows: Sequence[CaseStatus]) -> dict[str, Any]:
    """Return the whole state as JSON."""
    return {
        "project": project.settings.name,
        "progress": asdict(project.progress()),
        "weights": project.current_round(),
        "rounds": [asdict(each) for each in project.rounds()],
        "curve": [asdict(each) for each in project.curve()],
        "cases": [
            {
                "id": each.case.id,
                "reading": each.reading,
                "patient": each.case.patient,
                "state": each.state,
                "assigned": each.case.assigned,
                "excluded": each.case.excluded,
                "note": each.case.note,
                "teaches": each.case.teaches,
                "locked_by": each.lock.user if each.lock else None,
                "locked_until": each.lock.until if each.lock else None,
                "labels": [asdict(task) for task in each.tasks],
            }
            for each in rows
        ],
    }


def _mean(points: Sequence[CurvePoint]) -> str:
    return f"{fmean(each.actions for each in points):.1f} and {fmean(each.seconds for each in points) / 60:.1f} min"


def _first_and_last(points: Sequence[CurvePoint]) -> str:
    if len(points) < 2 * _SOME:
        return ""
    return f"; of the first {_SOME} cases {_mean(points[:_SOME])}, of the last {_SOME} {_mean(points[-_SOME:])}"
