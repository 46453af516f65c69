"""Applies interactions to the session as edits, and returns the part of the mask that changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from radsam.server.nninteractive.interactions import Interactions, Voxels
from radsam.server.nninteractive.leases import Lease, LeasedImage, UndoStep
from radsam.server.service import Service
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.volume import SliceGrid


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
    if wanted == applied or wanted.prompt is None:
        return False
    count = 0
    try:
        known = len(applied.corrections)
        if not (wanted.starts_like(applied) and wanted.corrections[:known] == applied.corrections):
            known = 0
            async for _ in _segment(service, lease, image, wanted):
                count += 1
        for points in wanted.corrections[known:]:
            correction = CorrectionRequest(name=image.name, points=points)
            await asyncio.wrap_future(service.edit(lease.user, image.session, correction).future)
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


async def _segment(service: Service, lease: Lease, image: LeasedImage, wanted: Interactions) -> AsyncIterator[None]:
    """Segment the object; yield after each edit."""
    if wanted.prompt is None:
        return
    grid = SliceGrid.of(image.geometry, wanted.plane)
    started_before = image.applied.prompt is wanted.prompt
    bounds = wanted.bounds(grid, _slices(service, lease, image) if started_before else None)
    request = SegmentRequest(
        name=image.name, prompt=wanted.prompt, plane=wanted.plane, bounds=bounds, zoom=None if lease.zoom else False
    )
    await asyncio.wrap_future(service.edit(lease.user, image.session, request).future)
    yield
    if wanted.bound_slices and bounds is None:
        # One bound was drawn; the stop rule has found the other one now.
        again = request.model_copy(update={"bounds": wanted.bounds(grid, _slices(service, lease, image))})
        await asyncio.wrap_future(service.edit(lease.user, image.session, again).future)
        yield


def _slices(service: Service, lease: Lease, image: LeasedImage) -> tuple[int, int] | None:
    """Return the first and last slice of the object in the session."""
    objects = service.state(lease.user, image.session)["objects"]
    slices = next((each["slices"] for each in objects if each["name"] == image.name), None)
    return None if slices is None else (slices[0], slices[1])


async def _undo_edits(service: Service, lease: Lease, image: LeasedImage, edits: int) -> None:
    for _ in range(edits):
        await asyncio.wrap_future(service.undo(lease.user, image.session))
