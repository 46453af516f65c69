"""Routes of mask files: look into one, and open its objects."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from radsam.errors import RequestError
from radsam.server.api_schemas import Name, State
from radsam.server.mask_uploads import mask_suffix
from radsam.server.route_dependencies import Id, Served, User, error_responses
from radsam.server.routes_volumes import FILE_BODY, receive
from radsam.server.service import Service
from radsam.server.uploads import IncomingFile

router = APIRouter(prefix="/api/sessions/{session}", tags=["masks"])

FileName = Annotated[str, Query(min_length=1, max_length=255, examples=["organs.nii.gz"])]
_ERRORS = error_responses(409, 413, 415, 507)


class MaskObject(BaseModel):
    """An object of a mask file, on the grid of the volume; `suggested` is the name that it may get."""

    number: int
    name: str
    suggested: str
    color: str | None
    voxels: int
    volume_ml: float


class MaskContents(BaseModel):
    """The objects of a mask file; `resampled` tells what becomes of them where the file lies on another grid."""

    objects: list[MaskObject]
    resampled: str | None
    notes: list[str]


@router.post("/look-into-masks", responses=_ERRORS, openapi_extra={"requestBody": FILE_BODY})
async def look_into_masks(
    session: Id, request: Request, service: Served, user: User, filename: FileName
) -> MaskContents:
    """List the objects of a label map, DICOM SEG or RTSTRUCT, the body; open nothing."""
    async with _received(request, service, filename) as file:
        return MaskContents(**await run_in_threadpool(service.look_into_masks, user, session, file, filename))


@router.post("/objects", status_code=201, responses=_ERRORS, openapi_extra={"requestBody": FILE_BODY})
async def import_objects(
    session: Id,
    request: Request,
    service: Served,
    user: User,
    filename: FileName,
    roi: Annotated[list[Annotated[str, Query(max_length=64)]] | None, Query(max_length=255)] = None,
    resample: bool = False,
    objects: Annotated[list[Annotated[str, Query(max_length=1024)]] | None, Query(max_length=255)] = None,
    names: Annotated[list[Name] | None, Query(max_length=255)] = None,
) -> State:
    """Open the objects of a label map, DICOM SEG or RTSTRUCT as they are; the file is the body.

    `roi` chooses objects by name or number in the file; `objects` by the names that look-into-masks lists, and `names`
    are then their names here, one for each. `resample` takes masks of another extent or spacing in the same space.
    The model predicts nothing. The state's `notes` end with those about the file.
    """
    if names is not None and len(names) != len(objects or ()):
        raise RequestError(
            f"There are {len(names)} names for {len(objects or ())} objects: give a name for each of them."
        )
    chosen = tuple(zip(objects or (), names or objects or (), strict=True))
    async with _received(request, service, filename) as file:
        done, notes = await run_in_threadpool(
            service.add_objects, user, session, file, filename, names=roi or (), resample=resample, chosen=chosen
        )
        state = await asyncio.wrap_future(done)
        return State(**state | {"notes": [*state["notes"], *notes]})


@asynccontextmanager
async def _received(request: Request, service: Service, filename: str) -> AsyncIterator[Path]:
    """Receive the body as a file with the suffix of its name; it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="radsam-"))
    try:
        incoming = IncomingFile(folder / f"masks{mask_suffix(filename)}", service.limits.upload_bytes)
        try:
            await receive(request, incoming)
        finally:
            incoming.close()
        yield incoming.path
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
