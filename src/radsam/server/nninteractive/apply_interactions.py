"""Applies interactions to the session as edits, and returns the part of the mask that changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from radsam.predictor import SlicePrompt
from radsam.server.nninteractive.interactions import Change, Interactions, Voxels
from radsam.server.nninteractive.leases import Lease, LeasedImage, UndoStep
from radsam.server.service import Service
from radsam.session.edit_request import SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, PaintRequest
from radsam.session.requests import ObjectRequest
from radsam.volume import Plane, SliceGrid, SparseMask

#: Name of the object that a preview of a box in another plane would start.
_PREVIEWED = "slice in another plane"


async def add(service: Service, lease: Lease, interactions: Interactions, *, run: bool) -> bool:
    """Store the interactions with a new one; return whether the session applied them.

    Args:
        service: The service.
        lease: The lease.
        interactions: The interactions, the new one included.
        run: Whether to apply them now; otherwise `apply_all` does it later.

    Raises:
        RadsamError: They cannot be applied; everything stays as it was.
    """
    image = lease.require_image()
    image.steps.append(UndoStep(image.interactions, image.applied))
    before, image.interactions = image.interactions, interactions
    if not run:
        return False
    try:
        return await apply_all(service, lease)
    except BaseException:
        image.steps.pop()
        image.interactions = before
        raise


async def apply_all(service: Service, lease: Lease) -> bool:
    """Apply the interactions that the session has not applied yet; return whether there were any.

    Raises:
        RadsamError: They cannot be applied; the session stays as it was.
    """
    image = lease.require_image()
    wanted, applied = image.interactions, image.applied
    if wanted == applied or wanted.start is None:
        return False
    count = 0
    try:
        known = len(applied.changes)
        if not (wanted.start is applied.start and wanted.changes[:known] == applied.changes):
            known = 0
            await _do(service, lease, image, wanted.start)
            count += 1
        for change in wanted.changes[known:]:
            for request in await _requests(service, lease, image, change):
                await _do(service, lease, image, request)
                count += 1
    except Exception:
        await _undo_edits(service, lease, image, count)
        raise
    image.applied = wanted
    if image.steps:
        last = image.steps[-1]
        image.steps[-1] = replace(last, edits=last.edits + count)
    return True


async def undo(service: Service, lease: Lease) -> bool:
    """Undo the last interaction; return whether there was one."""
    image = lease.require_image()
    if not image.steps:
        return False
    last = image.steps[-1]
    await _undo_edits(service, lease, image, last.edits)
    image.steps.pop()
    image.interactions, image.applied = last.interactions, last.applied
    return True


async def current_mask(service: Service, lease: Lease) -> Voxels:
    """Return the mask of the object in the session."""
    image = lease.require_image()
    return await asyncio.wrap_future(service.object_mask(lease.user, image.session, image.name))


def changed_part(image: LeasedImage, mask: Voxels) -> tuple[Bool[np.ndarray, "depth height width"], list[list[int]]]:
    """Return the part of a mask that differs from the program's buffer, and its half-open ranges; none if equal."""
    differs = mask != image.shown
    image.shown = mask
    ranges = []
    for axis in range(3):
        used = np.flatnonzero(differs.any(axis=tuple(each for each in range(3) if each != axis)))
        if not used.size:
            return mask[:0, :0, :0], []
        ranges.append([int(used[0]), int(used[-1]) + 1])
    return mask[tuple(slice(*each) for each in ranges)], ranges


async def _do(service: Service, lease: Lease, image: LeasedImage, request: ObjectRequest) -> None:
    """Carry out a request on the image's object."""
    named: dict[str, Any] = {"name": image.name}
    if isinstance(request, SegmentRequest | StartFromMaskRequest) and not lease.zoom:
        named["zoom"] = False
    await asyncio.wrap_future(service.edit(lease.user, image.session, request.model_copy(update=named)).future)


async def _requests(service: Service, lease: Lease, image: LeasedImage, change: Change) -> Sequence[ObjectRequest]:
    """Return the requests of a change: what the object is now decides some of them."""
    if isinstance(change, SegmentRequest):
        zoom = None if lease.zoom else False
        request = change.model_copy(update={"name": _PREVIEWED, "zoom": zoom})
        found = (await asyncio.wrap_future(service.preview(lease.user, image.session, request))).masks[0]
        voxels = SparseMask(
            SliceGrid.of(image.geometry, change.plane).axis, image.geometry.shape_kji, {found.index: found.mask}
        )
        return [PaintRequest(shape=voxels)] if found.mask.area else []
    objects = service.state(lease.user, image.session)["objects"]
    now = next((each for each in objects if each["name"] == image.name), None)
    if isinstance(change, PaintRequest) or now is None or now["bounds"] is None:
        return [change]
    grid, (low, high) = SliceGrid.of(image.geometry, Plane(now["plane"])), now["bounds"]
    slices = {index for prompt in change.points for index in SlicePrompt.by_slice(prompt, grid)}
    first, last = min(slices), max(slices)
    if low <= first and last <= high:
        return [change]
    if any(prompt.positive for prompt in change.points):
        return [BoundsRequest(low=min(low, first), high=max(high, last)), change]
    return []  # there is nothing to take away


async def _undo_edits(service: Service, lease: Lease, image: LeasedImage, edits: int) -> None:
    for _ in range(edits):
        await asyncio.wrap_future(service.undo(lease.user, image.session))
