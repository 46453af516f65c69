"""Routes of edits: prompts, corrections, undo, redo, and changes of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from radsam.server.api_schemas import JobStarted, ObjectChange, PreviewAnswer, StartOfObject, State, View
from radsam.server.edit_bodies import (
    BoundsRequest,
    CleanUpRequest,
    ConfirmRequest,
    ContinueRequest,
    CorrectRequest,
    DeleteSlicesRequest,
    PaintRequest,
    PreviewRequest,
    SegmentRequest,
    StartFromMaskRequest,
)
from radsam.server.route_dependencies import Id, ObjectName, Served, User, error_responses
from radsam.session import edit_request
from radsam.session.edit import Delete, Remove

router = APIRouter(prefix="/api/sessions/{session}", tags=["edits"])

EditNumber = Annotated[int, Path(ge=0, le=2**31 - 1)]
_ALL = error_responses(409, 413, 507)


@router.post("/view", status_code=204, responses=_ALL)
def view(session: Id, seen: View, service: Served, user: User) -> None:
    """Set the slice in view: it and the slices around it are encoded ahead."""
    zoom_request = None
    if seen.zoom_prompt is not None:
        zoom_request = edit_request.SegmentRequest(name="preview", prompt=seen.zoom_prompt, plane=seen.plane)
    service.view(user, session, seen.plane, seen.index, zoom_request)


@router.post("/preview", response_model=PreviewAnswer, responses=_ALL)
async def preview(session: Id, request: PreviewRequest, service: Served, user: User) -> Response:
    """Predict the slice of a prompt or of a correction, or the slices that another edit changes. Changes nothing.

    Of an edit by hand, the slices that it changes by itself, without a propagation; the model predicts nothing.
    """
    waiting = await run_in_threadpool(service.preview, user, session, *request.to_requests())
    found = await asyncio.wrap_future(waiting)
    masks = [
        {
            "index": each.index,
            "shape": list(each.mask.shape),
            "runs": each.mask.runs.tolist(),
            "score": each.score,
        }
        for each in found.masks
    ]
    reach = None if found.reach is None else [found.reach.low, found.reach.high]
    # Without the pydantic model: validating thousands of run lengths takes longer than sending them.
    index = found.masks[0].index if masks else None
    return JSONResponse({"index": index, "masks": masks, "reach": reach, "ms": round(found.seconds * 1000, 1)})


@router.post("/segment", status_code=202, responses=_ALL)
def segment(session: Id, request: SegmentRequest, service: Served, user: User) -> JobStarted:
    """Segment an object through the volume; its slices are sent as events."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/correct", status_code=202, responses=_ALL)
def correct(session: Id, request: CorrectRequest, service: Served, user: User) -> JobStarted:
    """Correct an object with prompts of any kind on one slice, and propagate from there as far as `reach` says."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/start-from-mask", status_code=202, responses=_ALL)
def start_from_mask(session: Id, request: StartFromMaskRequest, service: Served, user: User) -> JobStarted:
    """Start an object from a mask of the whole object: as it is, or each slice predicted from its own one."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/paint", status_code=202, responses=_ALL)
def paint(session: Id, request: PaintRequest, service: Served, user: User) -> JobStarted:
    """Paint or erase voxels by hand: no propagation changes them. Painting starts an object that does not exist."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/delete-slices", status_code=202, responses=_ALL)
def delete_slices(session: Id, request: DeleteSlicesRequest, service: Served, user: User) -> JobStarted:
    """Delete an object's mask on slices of its plane: it is not there, and no propagation puts it there again."""
    return JobStarted(job=service.delete_slices(user, session, request.name, request.slices).id)


@router.post("/bounds", status_code=202, responses=_ALL)
def bounds(session: Id, request: BoundsRequest, service: Served, user: User) -> JobStarted:
    """Trim or extend an object to new ends; only new slices are predicted."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/confirm", status_code=202, responses=_ALL)
def confirm(session: Id, request: ConfirmRequest, service: Served, user: User) -> JobStarted:
    """Mark slices of an object as right: no propagation changes them. Or open them again."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/clean-up", status_code=202, responses=_ALL)
def clean_up(session: Id, request: CleanUpRequest, service: Served, user: User) -> JobStarted:
    """Clean up an object's mask: its largest part, islands, holes, its surface, slices between others."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/continue", status_code=202, responses=_ALL)
def continue_object(session: Id, request: ContinueRequest, service: Served, user: User) -> JobStarted:
    """Continue a propagation that was stopped and kept: to its bounds, or until the stop rule ends it."""
    return JobStarted(job=service.edit(user, session, request).id)


@router.post("/cancel", responses=_ALL)
def cancel(session: Id, service: Served, user: User, keep: bool = False) -> State:
    """Cancel the running and waiting edits of a session; without any, give up an interrupted edit.

    With `keep=true`, what is done of the running edit stays, as an edit that can be undone and continued, and so does
    what is done of an interrupted one; waiting edits are cancelled.
    """
    return State(**service.cancel(user, session, keep=keep))


@router.post("/resume", status_code=202, responses=_ALL)
def resume(session: Id, service: Served, user: User) -> JobStarted:
    """Run the interrupted edit again; encoded slices are not encoded again."""
    return JobStarted(job=service.resume(user, session).id)


@router.post("/undo", responses=_ALL)
async def undo(session: Id, service: Served, user: User) -> State:
    """Undo the last edit."""
    return await _state(service.undo, user, session)


@router.post("/redo", responses=_ALL)
async def redo(session: Id, service: Served, user: User) -> State:
    """Redo the last undone edit."""
    return await _state(service.redo, user, session)


@router.delete("/edits/{number}", responses=_ALL)
async def delete_edit(session: Id, number: EditNumber, service: Served, user: User) -> State:
    """Delete one edit of an object by its number in the state's `edits`; the later ones are replayed."""
    return await _state(service.change, user, session, Delete(number))


@router.delete("/prompts/{number}", responses=_ALL)
async def delete_prompt(session: Id, number: EditNumber, service: Served, user: User) -> State:
    """Delete one edit, as `DELETE …/edits/{number}` does: the older name of that route."""
    return await _state(service.change, user, session, Delete(number))


@router.get("/objects/{name:path}/start", responses=_ALL)
async def show_start(session: Id, name: ObjectName, service: Served, user: User) -> StartOfObject:
    """Return the prompt that started an object last, its slice and bounds: to start it again from there."""
    return StartOfObject(**await asyncio.wrap_future(await run_in_threadpool(service.start_of, user, session, name)))


@router.delete("/objects/{name:path}", responses=_ALL)
async def remove_object(session: Id, name: ObjectName, service: Served, user: User) -> State:
    """Remove an object; undo restores it."""
    return await _state(service.change, user, session, Remove(name))


@router.patch("/objects/{name:path}", responses=_ALL)
async def change_object(session: Id, name: ObjectName, change: ObjectChange, service: Served, user: User) -> State:
    """Change the colour and visibility of an object, lock or rename it, or change its value in the label map."""
    shown = change.model_dump(include={"color", "visible"}, exclude_none=True)
    done = await run_in_threadpool(
        service.change_object,
        user,
        session,
        name,
        shown=shown,
        locked=change.locked,
        new_name=change.new_name,
        new_id=change.id,
    )
    return State(**await asyncio.wrap_future(done))


async def _state(do: Callable[..., Future[dict[str, Any]]], *args: Any) -> State:
    return State(**await asyncio.wrap_future(await run_in_threadpool(do, *args)))
