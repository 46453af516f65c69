"""Routes of volumes: list, upload, describe, delete, and their voxels."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from radsam.server.api_schemas import UploadListed, VolumeChange, VolumeDetails, VolumeRow
from radsam.server.route_dependencies import Id, Served, User, error_responses
from radsam.server.state_json import volume_row
from radsam.server.uploads import IncomingFile

router = APIRouter(prefix="/api/volumes", tags=["volumes"])
uploads = APIRouter(prefix="/api/uploads", tags=["volumes"])

#: Received bytes are written to disk in pieces of this size.
_PIECE_BYTES = 1 << 20
_BYTES = "application/octet-stream"
#: The documentation of a body that is a file.
FILE_BODY = {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}, "required": True}


@router.get("", responses=error_responses())
def list_volumes(service: Served, user: User) -> list[VolumeRow]:
    """List the volumes that this user may open. Reads headers only."""
    return [VolumeRow(**each) for each in service.volume_rows(user)]


@router.post(
    "",
    status_code=201,
    responses=error_responses(413, 415, 507),
    openapi_extra={"requestBody": FILE_BODY},
)
async def upload_volume(
    request: Request,
    service: Served,
    user: User,
    filename: Annotated[str, Query(min_length=1, max_length=255, examples=["ct.nii.gz"])],
) -> VolumeRow:
    """Upload a .nii, .nii.gz, .nrrd, .mha or a .zip with a DICOM series; the file is the body."""
    announced = request.headers.get("content-length")
    with service.uploads.receive(user, filename, int(announced) if announced else None) as incoming:
        await receive(request, incoming)
        entry = await run_in_threadpool(service.uploads.register, user, filename, incoming)
    return VolumeRow(**volume_row(entry))


@router.get("/{volume}", responses=error_responses(413))
def show_volume(volume: Id, service: Served, user: User) -> VolumeDetails:
    """Describe a volume: its grid, and the layout of each plane in the stored array."""
    return VolumeDetails(**service.volume_details(user, volume))


@router.patch("/{volume}", responses=error_responses(413))
def change_volume(volume: Id, change: VolumeChange, service: Served, user: User) -> VolumeDetails:
    """Say what a volume is, where its file or the guess from its values is wrong; it holds for all of its users.

    Sessions on it follow: their objects stay as they are, new ones are seen as the model sees this modality.
    """
    return VolumeDetails(**service.set_modality(user, volume, change.modality))


@router.delete("/{volume}", status_code=204, responses=error_responses(409))
def delete_volume(volume: Id, service: Served, user: User) -> None:
    """Remove the upload of this user that the volume belongs to, with all its series and the sessions on them."""
    service.delete_volume(user, volume)


@router.get(
    "/{volume}/image.nii",
    response_class=Response,
    responses=error_responses(413)
    | {200: {"content": {"application/octet-stream": {}}}, 304: {"description": "Unchanged."}},
)
def read_image(volume: Id, request: Request, service: Served, user: User) -> Response:
    """Return the voxels as uncompressed NIfTI on the stored grid."""
    etag = service.volumes.entry(volume, user).etag
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    length, chunks = service.image(user, volume)
    headers["content-length"] = str(length)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


@router.get(
    "/{volume}/thumbnail.webp",
    response_class=Response,
    responses=error_responses() | {200: {"content": {"image/webp": {}}}, 304: {"description": "Unchanged."}},
)
async def read_thumbnail(volume: Id, request: Request, service: Served, user: User) -> Response:
    """Return a small picture of the slice in the middle."""
    entry = await run_in_threadpool(service.volumes.entry, volume, user)
    etag = service.thumbnails.etag(entry)
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    drawn = await run_in_threadpool(service.thumbnails.stored, entry)
    if drawn is None:
        async with request.app.state.drawing:  # one at a time; the others wait without a thread
            drawn = await run_in_threadpool(service.thumbnails.draw, entry)
    return Response(drawn, media_type="image/webp", headers=headers)


@uploads.get("", responses=error_responses())
def list_uploads(service: Served, user: User) -> list[UploadListed]:
    """List this user's uploads, the oldest first; one whose files can no longer be read has no volumes."""
    return [UploadListed(**each) for each in service.upload_rows(user)]


@uploads.delete("/{upload}", status_code=204, responses=error_responses())
def delete_upload(upload: Id, service: Served, user: User) -> None:
    """Remove an upload of this user, with all its series and the sessions on them."""
    service.delete_upload(user, upload)


async def receive(request: Request, incoming: IncomingFile) -> None:
    """Write the body of a request to disk while it arrives."""
    pending: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        pending.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            await run_in_threadpool(incoming.write, b"".join(pending))
            pending, size = [], 0
    await run_in_threadpool(incoming.write, b"".join(pending))


def binary(description: str, *types: str) -> dict[int | str, dict[str, Any]]:
    """Document a binary response."""
    return {200: {"description": description, "content": {each: {} for each in types or (_BYTES,)}}}
