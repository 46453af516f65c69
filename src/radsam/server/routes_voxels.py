"""Routes of voxels for pages that show a volume while it arrives: slices near the one in view, and a coarse copy."""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from radsam.server.packed_answers import packed_answer
from radsam.server.route_dependencies import Id, Served, User, error_responses
from radsam.server.voxel_blocks import slice_block

router = APIRouter(prefix="/api/volumes", tags=["volumes"])

_BLOCK: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A voxel block: `RSB1`, as `server/voxel_blocks.py` describes it; gzip if the client takes it.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/{volume}/slices", response_class=Response, responses=error_responses(413) | _BLOCK)
def read_slices(
    volume: Id,
    request: Request,
    service: Served,
    user: User,
    axis: Annotated[Literal["i", "j", "k"], Query(description="The stored axis that the slices cut across.")],
    first: Annotated[int, Query(ge=0, le=1 << 20, description="The first slice.", examples=[40])],
    count: Annotated[int, Query(ge=1, le=64, description="How many; fewer come where the volume ends.")] = 1,
) -> Response:
    """Return the voxels of some slices, compressed without loss."""
    loaded = service.volumes.load(service.volumes.entry(volume, user))
    # Not stored by the browser: a patient's images stay off the disks of users' computers.
    block = slice_block(loaded, axis, first, count)
    return packed_answer(request, block, zlib.Z_RLE, {"cache-control": "private, no-store"})


@router.get("/{volume}/coarse", response_class=Response, responses=error_responses(413) | _BLOCK)
def read_coarse_copy(
    volume: Id,
    request: Request,
    service: Served,
    user: User,
    cells: Annotated[int, Query(ge=4, le=256, description="Cells along the longest side, at most.")] = 96,
) -> Response:
    """Return a coarse copy of the volume: the means of cells with about equal sides in mm."""
    loaded = service.volumes.load(service.volumes.entry(volume, user))
    block = service.coarse_copies.block(loaded, cells)
    return packed_answer(request, block, zlib.Z_RLE, {"cache-control": "private, no-store"})
