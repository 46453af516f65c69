"""The values of a project: cases, tasks, locks, rounds, roles and log lines, as its database holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from radsam.errors import InputError

#: The user without access tokens, and of the command line.
LOCAL_USER = "local"


class TaskState(StrEnum):
    """How far a label of a case is."""

    NEW = "new"
    PROPOSED = "proposed"
    IN_PROGRESS = "in progress"
    DONE = "done"
    CHECKED = "checked"

    @property
    def is_finished(self) -> bool:
        """Whether it has a finished mask."""
        return self in (TaskState.DONE, TaskState.CHECKED)


class Role(StrEnum):
    """What a user may do in a project; each may do what the ones before it may."""

    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    OWNER = "owner"

    def may(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


Order = Literal["teaching", "listed"]
StartedFrom = Literal["proposal", "prompt", ""]
Review = Literal["", "agreed", "corrected", "sent back"]
RoundState = Literal["running", "offered", "accepted", "declined", "dropped"]


@dataclass(frozen=True)
class ProjectSettings:
    """What a project is made with.

    Args:
        name: Its name.
        learn_every: Finished cases after which it learns again; 0 for on request only.
        learn_minutes: The longest that a learning round takes.
        learn_threads: Processor cores that learning uses at most.
        learn_memory_gb: Memory that learning uses at most.
        order: The order in which cases are offered: those first that teach most, or as listed.
        double_read: The share of cases that two annotators do, each without seeing the other's masks.
        lock_minutes: How long a case stays with an annotator who does not go on.
        goal_dice: The Dice at which a simulated annotator is content, when weights are compared.
        seed: Of everything random.

    Raises:
        InputError: A value is out of its range.
    """

    name: str
    learn_every: int = 5
    learn_minutes: float = 8.0
    learn_threads: int = 1
    learn_memory_gb: float = 4.0
    order: Order = "teaching"
    double_read: float = 0.0
    lock_minutes: float = 15.0
    goal_dice: float = 0.85
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            (bool(self.name.strip()), "name must not be empty"),
            (self.learn_every >= 0, f"learn_every is 0 or more cases, not {self.learn_every}"),
            (self.learn_minutes > 0, f"learn_minutes is more than 0, not {self.learn_minutes:g}"),
            (self.learn_threads >= 1, f"learn_threads is 1 or more, not {self.learn_threads}"),
            (self.learn_memory_gb > 0, f"learn_memory_gb is more than 0, not {self.learn_memory_gb:g}"),
            (self.order in ("teaching", "listed"), f"order is teaching or listed, not {self.order!r}"),
            (0 <= self.double_read <= 1, f"double_read is a share from 0 to 1, not {self.double_read:g}"),
            (self.lock_minutes > 0, f"lock_minutes is more than 0, not {self.lock_minutes:g}"),
            (0 < self.goal_dice <= 1, f"goal_dice is above 0 and at most 1, not {self.goal_dice:g}"),
        )
        wrong = [message for holds, message in checks if not holds]
        if wrong:
            raise InputError(f"The settings of the project cannot be used: {'; '.join(wrong)}.")


@dataclass(frozen=True)
class NewCase:
    """A case to put into a project.

    Args:
        id: Names it; unique in the project, upper and lower case counting as the same.
        source: Path of a file, DICOM folder or zip, or the URL of a series in a PACS.
        series: Which series of a DICOM folder; None for a file, or where there is one.
        patient: Cases of one patient have the same; never split between learning and comparison.
        modality: What it is, for files that do not say; None takes their own statement.
    """

    id: str
    source: str
    series: str | None
    patient: str
    modality: str | None


@dataclass(frozen=True)
class Case:
    """A case of a project.

    Args:
        id: Names it.
        source: Path or URL of its volume.
        series: Which series of a DICOM folder.
        patient: Whose it is.
        modality: What it was given as.
        position: Its place in the list, from 0.
        excluded: Why it does not count; empty if it does.
        note: What annotators wrote of it.
        assigned: The user that it is for; empty for anybody.
        teaches: How much it would teach, relative to others; None before the first round.
        readings: 2 if two annotators do it, else 1.
    """

    id: str
    source: str
    series: str | None
    patient: str
    modality: str | None
    position: int
    excluded: str = ""
    note: str = ""
    assigned: str = ""
    teaches: float | None = None
    readings: int = 1


@dataclass(frozen=True)
class Task:
    """A label of a case, in one reading.

    Args:
        case: The case.
        label: The label.
        reading: 1, or 2 for the second annotator of a case that two do.
        state: How far it is.
        annotator: Who works on it, or did it.
        session: The session that it is done in.
        object: The object of that session.
        actions: Edits so far.
        seconds: Time so far.
        absent: Whether the case does not have what the label means; its finished mask is empty.
        certainty: Of the proposal, 0 to 1; without a proposal, that the label is absent.
        proposed_by: The round whose weights proposed.
        started_from: What the annotator began with.
        note: What a reviewer wrote when sending it back.
        reviewer: Who checked it.
        review: How the check ended.
        finished: ISO time at which it was done; empty before.
    """

    case: str
    label: str
    reading: int
    state: TaskState
    annotator: str = ""
    session: str = ""
    object: str = ""
    actions: int = 0
    seconds: float = 0.0
    absent: bool = False
    certainty: float | None = None
    proposed_by: int | None = None
    started_from: StartedFrom = ""
    note: str = ""
    reviewer: str = ""
    review: Review = ""
    finished: str = ""


@dataclass(frozen=True)
class Lock:
    """A case that a user works on.

    Args:
        case: The case.
        reading: Which reading of it.
        user: Who works on it.
        until: ISO time at which it becomes free unless the user goes on.
    """

    case: str
    reading: int
    user: str
    until: str


@dataclass(frozen=True)
class Round:
    """A learning round.

    Args:
        number: From 1.
        state: How far it is.
        started: ISO time.
        ended: ISO time; empty while it runs.
        trained_on: Cases that it learned from.
        compared_on: Cases on which its weights were compared with those in use.
        scores: Figures of the comparison.
        progress: From 0 to 1.
        message: What it does, or why it ended so.
    """

    number: int
    state: RoundState
    started: str
    ended: str = ""
    trained_on: tuple[str, ...] = ()
    compared_on: tuple[str, ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    progress: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class LogEntry:
    """A line of the log.

    Args:
        number: From 1; ascending in time.
        at: ISO time.
        user: Who did it.
        what: What was done: "finish", "check", "exclude", …
        case: The case; empty if it is not about one.
        label: The label; empty if it is not about one.
        details: More about it.
    """

    number: int
    at: str
    user: str
    what: str
    case: str = ""
    label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CurvePoint:
    """What a finished case took.

    Args:
        case: The case.
        order: Its place among the finished cases, from 1, in the order in which they were finished.
        labels: Its labels, without those that are absent in it.
        actions: Edits of all its labels.
        seconds: Time of all its labels.
        round: The round whose weights were in use; None for the default weights.
    """

    case: str
    order: int
    labels: int
    actions: int
    seconds: float
    round: int | None


@dataclass(frozen=True)
class Progress:
    """How far a project is, in cases; a case is done when all its labels are, in all readings.

    Args:
        cases: Cases that count.
        done: Those that are done, checked ones among them.
        checked: Those of which every label is checked.
        excluded: Cases that do not count.
    """

    cases: int
    done: int
    checked: int
    excluded: int
