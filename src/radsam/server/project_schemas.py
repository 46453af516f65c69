"""JSON bodies of requests and answers about a project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool

from radsam.project.task_state import Order, Review, Role, RoundState, TaskState
from radsam.session.edit_request import Request

_Id = Annotated[str, Field(min_length=1, max_length=64)]
_Note = Annotated[str, Field(max_length=2000)]
_User = Annotated[str, Field(max_length=64)]
Label = Annotated[str, Field(min_length=1, max_length=64)]


class ProjectLabel(BaseModel):
    """A label of the project."""

    name: str
    value: int
    color: str


class ProjectProgress(BaseModel):
    """How far the project is, in cases."""

    cases: int
    done: int
    checked: int
    excluded: int


class Weights(BaseModel):
    """The round whose weights new sessions use; null for those that the project began with."""

    round: int | None


class Learning(BaseModel):
    """Whether the project learns: `next_after` is the number of cases to finish before it does so by itself."""

    state: Literal["idle", "waiting", "running", "paused", "unavailable"]
    progress: float
    message: str
    next_after: int


class Offer(BaseModel):
    """New weights that an owner may accept: actions per object before and with them, and the interval of the change."""

    round: int
    trained_on: int
    compared_on: int
    actions_before: float | None
    actions_after: float | None
    difference: float | None
    low: float | None
    high: float | None


class ProjectInfo(BaseModel):
    """The project and the user's role in it."""

    name: str
    user: str
    role: Role
    labels: list[ProjectLabel]
    order: Order
    goal_dice: float
    progress: ProjectProgress
    weights: Weights
    learning: Learning
    offer: Offer | None


class CaseLabel(BaseModel):
    """A label of a case."""

    name: str
    state: TaskState
    annotator: str
    actions: int
    seconds: float
    certainty: float | None
    absent: bool
    note: str
    review: Review


class ProjectCase(BaseModel):
    """A case, as the user may see it."""

    id: str
    volume: str
    state: TaskState | Literal["excluded"]
    reading: int
    position: int
    assigned: str
    excluded: str
    note: str
    locked_by: str | None
    locked_until: str | None
    mine: bool
    teaches: float | None
    labels: list[CaseLabel]


class OpenedCase(BaseModel):
    """A case that is open for the user, and the session to work in."""

    case: str
    volume: str
    session: str


class LockedUntil(BaseModel):
    """When the case becomes free unless the user goes on; ISO time."""

    locked_until: str


class CurvePointListed(BaseModel):
    """What a finished case took."""

    case: str
    order: int
    labels: int
    actions: int
    seconds: float
    round: int | None


class RoundListed(BaseModel):
    """A learning round."""

    number: int
    state: RoundState
    started: str
    ended: str
    trained_on: list[str]
    compared_on: list[str]
    scores: dict[str, object]
    progress: float
    message: str


class Agreement(BaseModel):
    """Mean Dice of the two readings of a label, over the cases that two annotators have done."""

    label: str
    cases: int
    dice: float | None


class LogLine(BaseModel):
    """A line of the log."""

    time: str
    by: str
    what: str
    case: str
    label: str
    detail: str


class NextRequest(Request):
    """Which case comes before the next one: it is not offered again now."""

    after: _Id | None = None


class OpenRequest(Request):
    """How to open a case: to annotate it, or to check it."""

    to_check: Annotated[StrictBool, Field(alias="check")] = False


class Heartbeat(Request):
    """Seconds of work since the last heartbeat; they count for the label."""

    session: _Id
    label: Label | None = None
    seconds: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 0.0


class DoneRequest(Request):
    """The session that a label is done in; `absent` says that the case does not have it."""

    session: _Id
    absent: StrictBool = False


class ReopenRequest(Request):
    """Why a label goes back to work."""

    note: _Note = ""


class CheckRequest(Request):
    """What a second reader found; a correction is taken from the reader's session, unless the label is absent."""

    outcome: Literal["agreed", "corrected", "sent back"]
    session: _Id | None = None
    absent: StrictBool = False
    note: _Note = ""


class CaseChange(Request):
    """A change of a case: its note, the reason why it is excluded ("" includes it), and whom it is for ("" anybody)."""

    note: _Note | None = None
    excluded: _Note | None = None
    assigned: _User | None = None


class RoleChange(Request):
    """The role of a user; null takes it away."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role | None
