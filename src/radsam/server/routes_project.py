"""Routes of a project of many cases (`radsam serve --project DIR`); without one, all of them answer 404."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from radsam.server.project_schemas import (
    Agreement,
    CaseChange,
    CheckRequest,
    CurvePointListed,
    DoneRequest,
    Heartbeat,
    Learning,
    LockedUntil,
    LogLine,
    NextRequest,
    OpenedCase,
    OpenRequest,
    ProjectCase,
    ProjectInfo,
    ReopenRequest,
    RoleChange,
    RoundListed,
    Weights,
)
from radsam.server.project_service import ProjectService, require_project
from radsam.server.route_dependencies import Served, User, error_responses

router = APIRouter(prefix="/api/project", tags=["project"])


def _project(service: Served) -> ProjectService:
    return require_project(service.project)


Opened = Annotated[ProjectService, Depends(_project)]
# A case may have a name with slashes; what follows it in an address tells where it ends.
Case = Annotated[str, Path(min_length=1, max_length=200, examples=["case-017"])]
Label = Annotated[str, Path(min_length=1, max_length=64, examples=["liver"])]
Round = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", responses=error_responses())
def show_project(project: Opened, user: User) -> ProjectInfo:
    """Describe the project: labels, progress, the weights in use, what is learned and offered, the user's role."""
    return ProjectInfo(**project.info(user))


@router.get("/cases", responses=error_responses())
def list_cases(project: Opened, user: User) -> list[ProjectCase]:
    """List the cases with the state of each label, and who works on them."""
    return [ProjectCase(**each) for each in project.cases(user)]


@router.post("/next", responses=error_responses(409, 413, 507))
def open_next_case(request: NextRequest, project: Opened, user: User) -> OpenedCase:
    """Open the user's next case: one that the user has begun, else the one that teaches most, or as listed."""
    return OpenedCase(**project.open_next(user, request.after))


@router.post("/cases/{case:path}/open", responses=error_responses(409, 413, 507))
def open_case(case: Case, request: OpenRequest, project: Opened, user: User) -> OpenedCase:
    """Open a case: its session has the proposals as objects; with `check`, it is a copy of the annotator's."""
    return OpenedCase(**project.open(user, case, check=request.to_check))


@router.post("/cases/{case:path}/heartbeat", responses=error_responses(409))
def send_heartbeat(case: Case, beat: Heartbeat, project: Opened, user: User) -> LockedUntil:
    """Keep a case for longer, and count seconds of work for a label; not more than have passed."""
    return LockedUntil(**project.heartbeat(user, case, beat.session, beat.label, beat.seconds))


@router.post("/cases/{case:path}/release", status_code=204, responses=error_responses(409))
def release_case(case: Case, project: Opened, user: User) -> None:
    """Give a case back, so that others may have it."""
    project.release(user, case)


@router.post("/cases/{case:path}/labels/{label:path}/done", responses=error_responses(409, 413, 507))
def finish_label(case: Case, label: Label, request: DoneRequest, project: Opened, user: User) -> ProjectCase:
    """Finish a label with its object in the session, or as absent; the answer comes once the mask is on disk."""
    return ProjectCase(**project.done(user, case, label, request.session, absent=request.absent))


@router.post("/cases/{case:path}/labels/{label:path}/reopen", responses=error_responses(409))
def reopen_label(case: Case, label: Label, request: ReopenRequest, project: Opened, user: User) -> ProjectCase:
    """Take a label that is done back to work."""
    return ProjectCase(**project.reopen(user, case, label, request.note))


@router.post("/cases/{case:path}/labels/{label:path}/check", responses=error_responses(409, 413, 507))
def check_label(case: Case, label: Label, request: CheckRequest, project: Opened, user: User) -> ProjectCase:
    """Say as a second reader that a label is right, or corrected in one's own session, or send it back."""
    return ProjectCase(**project.check(user, case, label, request))


@router.patch("/cases/{case:path}", responses=error_responses(409))
def change_case(case: Case, change: CaseChange, project: Opened, user: User) -> ProjectCase:
    """Change the note of a case; exclude it with a reason or include it; assign it to a user or to anybody."""
    return ProjectCase(**project.change_case(user, case, change))


@router.get("/curve", responses=error_responses())
def show_curve(project: Opened, user: User) -> list[CurvePointListed]:
    """List actions and seconds of each finished case, in the order in which they were finished."""
    return [CurvePointListed(**each) for each in project.curve(user)]


@router.get("/rounds", responses=error_responses())
def list_rounds(project: Opened, user: User) -> list[RoundListed]:
    """List the learning rounds, with the comparison of their weights."""
    return [RoundListed(**each) for each in project.rounds(user)]


@router.post("/learn", status_code=202, responses=error_responses(409))
def request_round(project: Opened, user: User) -> Learning:
    """Request a learning round now."""
    return Learning(**project.learn(user))


@router.post("/rounds/{number}/accept", responses=error_responses(409))
def accept_round(number: Round, project: Opened, user: User) -> Weights:
    """Use the weights of a round for new sessions; open ones keep theirs."""
    return Weights(**project.accept(user, number))


@router.post("/rounds/{number}/decline", responses=error_responses(409))
def decline_round(number: Round, project: Opened, user: User) -> Weights:
    """Decline the weights of a round."""
    return Weights(**project.decline(user, number))


@router.post("/weights/back", responses=error_responses(409))
def go_back(project: Opened, user: User) -> Weights:
    """Use the weights before those in use."""
    return Weights(**project.go_back(user))


@router.get("/agreement", responses=error_responses(409))
def show_agreement(project: Opened, user: User) -> list[Agreement]:
    """Return the mean Dice between the two readings of each label."""
    return [Agreement(**each) for each in project.agreement(user)]


@router.get("/log", responses=error_responses())
def show_log(
    project: Opened,
    user: User,
    case: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> list[LogLine]:
    """List the latest lines of the log, the latest first: who did what, and when."""
    return [LogLine(**each) for each in project.log(user, case, limit)]


@router.get("/roles", responses=error_responses())
def list_roles(project: Opened, user: User) -> dict[str, str]:
    """Return the roles of users, by their names."""
    return project.roles(user)


@router.put("/roles", responses=error_responses(409))
def set_role(change: RoleChange, project: Opened, user: User) -> dict[str, str]:
    """Give a user a role, or with null take it away."""
    return project.set_role(user, change.user, change.role)
