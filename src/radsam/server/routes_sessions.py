"""Routes of sessions: list, start, import, show, review, export, masks and events."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from radsam.server.api_schemas import NewSession, SessionChange, SessionListed, SliceToReview, State
from radsam.server.event_channel import Subscription
from radsam.server.packed_answers import packed_answer
from radsam.server.result_export import EXPORT_TYPES
from radsam.server.route_dependencies import Id, Served, User, error_responses
from radsam.server.routes_volumes import FILE_BODY, binary, receive
from radsam.server.uploads import IncomingFile

router = APIRouter(prefix="/api/sessions", tags=["sessions"])

_KEEP_ALIVE_SECONDS = 15.0


@router.get("", responses=error_responses())
def list_sessions(service: Served, user: User) -> list[SessionListed]:
    """List this user's sessions, the latest change first."""
    return [SessionListed(**each) for each in service.session_rows(user)]


@router.post("", status_code=201, responses=error_responses(413))
def create_session(new: NewSession, service: Served, user: User) -> State:
    """Start a session on a volume."""
    return State(**service.create(user, new.volume, new.window))


@router.post(
    "/import",
    status_code=201,
    responses=error_responses(409, 413, 507),
    openapi_extra={"requestBody": FILE_BODY},
)
async def import_session(
    request: Request, service: Served, user: User, volume: Annotated[str, Query(max_length=64)]
) -> State:
    """Start a session from a .radsam file, sent as the body, on the volume that it belongs to."""
    folder = Path(tempfile.mkdtemp(prefix="radsam-"))
    try:
        incoming = IncomingFile(folder / "session.radsam", service.limits.session_file_bytes)
        try:
            await receive(request, incoming)
        finally:
            incoming.close()
        return State(**await run_in_threadpool(service.import_session, user, volume, incoming.path))
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)


@router.get("/{session}", responses=error_responses(409, 413))
def show_session(session: Id, service: Served, user: User) -> State:
    """Return the state of a session."""
    return State(**service.state(user, session))


@router.delete("/{session}", status_code=204, responses=error_responses(409, 413))
def delete_session(session: Id, service: Served, user: User) -> None:
    """Remove a session from memory and disk."""
    service.delete_session(user, session)


@router.patch("/{session}", responses=error_responses(409, 413, 507))
async def change_session(session: Id, change: SessionChange, service: Served, user: User) -> State:
    """Set which object has a voxel that two objects claim: the priority order, and the overlap policy of the others."""
    for edit in change.to_edits():
        state = await asyncio.wrap_future(await run_in_threadpool(service.change, user, session, edit))
    return State(**state)


@router.get("/{session}/next", responses=error_responses(409, 413))
def review_next(
    session: Id,
    service: Served,
    user: User,
    name: Annotated[str | None, Query(max_length=64)] = None,
    after: Annotated[str | None, Query(max_length=128, examples=["0.8482:16:liver"])] = None,
) -> SliceToReview:
    """Return the slice with the lowest expected Dice; `after` is the `cursor` of the previous one."""
    return SliceToReview(**service.slice_to_review(user, session, name, after))


@router.get("/{session}/masks", response_class=Response, responses=error_responses(409, 413) | binary("RSM1"))
def read_masks(
    session: Id,
    request: Request,
    service: Served,
    user: User,
    since: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    part: Literal["done", "interrupted"] = "done",
) -> Response:
    """Return the slices of the label map that changed after a revision, or those of an interrupted edit."""
    packed = service.masks(user, session, since) if part == "done" else service.interrupted_masks(user, session)
    return packed_answer(request, packed)


@router.get(
    "/{session}/export",
    response_class=Response,
    responses=error_responses(409, 413, 507) | binary("The file.", *EXPORT_TYPES),
)
def export_session(
    session: Id,
    service: Served,
    user: User,
    format: Annotated[Literal["nii.gz", "nrrd", "seg", "rtstruct", "session"], Query()],
    objects: Annotated[list[str] | None, Query(max_length=1000)] = None,
    legend: bool = False,
) -> Response:
    """Export the label map or the session; `objects`, repeated or with commas, selects objects by name.

    NRRD, SEG and RTSTRUCT hold names and colours. `legend` puts NIfTI into a zip with both beside it, for ITK-SNAP
    (.labels.txt) and for programs (.json).
    """
    known = {each["name"] for each in service.state(user, session)["objects"]}
    # A value is split at commas, unless it is itself the name of an object.
    names = [name for each in objects or () for name in ([each] if each in known else each.split(",")) if name]
    selected = None if objects is None else names
    folder = Path(tempfile.mkdtemp(prefix="radsam-"))
    try:
        written = service.export(user, session, format, selected, folder, legend=legend)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        written.path,
        media_type=written.media_type,
        filename=written.name,
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@router.get(
    "/{session}/events",
    response_class=StreamingResponse,
    responses=error_responses(409, 413)
    | {200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
)
async def listen(
    session: Id,
    service: Served,
    user: User,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> StreamingResponse:
    """Stream the events of a session; `Last-Event-ID` resumes after an event."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    subscription, leave = await run_in_threadpool(service.subscribe, user, session, wake, last_event_id)
    return StreamingResponse(
        _frames(subscription, woken, leave), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


async def _frames(subscription: Subscription, woken: asyncio.Event, leave: Callable[[], None]) -> AsyncIterator[bytes]:
    try:
        while True:
            try:
                await asyncio.wait_for(woken.wait(), _KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield b": keep-alive\n\n"
            woken.clear()
            frames = subscription.take()
            if frames:
                yield b"".join(frames)
            elif subscription.closed:
                return
    finally:
        leave()
