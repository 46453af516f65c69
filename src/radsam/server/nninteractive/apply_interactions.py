"""From what was drawn to edits of the session, and back to the part of the mask that changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from radsam.server.nninteractive.interactions import Interactions
from radsam.server.nninteractive.leases import Lease, LeasedImage, UndoStep
from radsam.server.questions import Question
from radsam.server.service import Service
from radsam.volume import SliceGrid

Voxels = Bool[np.ndarray, "k j i"]
Ranges = list[list[int]]


async def draw(service: Service, lease: Lease, interactions: Interactions, *, run: bool) -> bool:
    """Take over a drawing with one interaction more; returns whether the session followed it.

    Args:
        service: The service.
        lease: Who draws.
        interactions: The object with the interaction.
        run: Whether the session follows at once; otherwise `catch_up` does it later.

    Raises:
        RadsamError: It cannot be done; everything is as before.
    """
    work = lease.require_image()
    work.steps.append(UndoStep(work.interactions, work.done))
    before, work.interactions = work.interactions, interactions
    if not run:
        return False
    try:
        return await catch_up(service, lease)
    except BaseException:
        work.steps.pop()
        work.interactions = before
        raise


async def catch_up(service: Service, lease: Lease) -> bool:
    """Let the session do what was drawn since; returns whether there was anything.

    Raises:
        RadsamError: It cannot be done; the session is as before.
    """
    work = lease.require_image()
    wanted, done = work.interactions, work.done
    if wanted == done or wanted.prompt is None:
        return False
    count = 0
    try:
        known = len(done.corrections)
        only_corrections = wanted.starts_like(done) and wanted.corrections[:known] == done.corrections
        if not only_corrections:
            known = 0
            async for _ in _start(service, lease, work, wanted):
                count += 1
        for points in wanted.corrections[known:]:
            await asyncio.wrap_future(service.correct(lease.user, work.session, work.name, points).future)
            count += 1
    except Exception:
        await _take_back(service, lease, work, count)
        raise
    work.done = wanted
    if work.steps:
        last = work.steps[-1]
        work.steps[-1] = replace(last, edits=last.edits + count)
    return True


async def undo(service: Service, lease: Lease) -> bool:
    """Take back the last interaction; returns whether there was one."""
    work = lease.require_image()
    if not work.steps:
        return False
    last = work.steps[-1]
    await _take_back(service, lease, work, last.edits)
    work.steps.pop()
    work.interactions, work.done = last.interactions, last.done
    return True


async def mask_of(service: Service, lease: Lease) -> Voxels:
    """Return the object as the session has it."""
    work = lease.require_image()
    return await asyncio.wrap_future(service.object_mask(lease.user, work.session, work.name))


def show(work: LeasedImage, mask: Voxels) -> tuple[Bool[np.ndarray, "depth height width"], Ranges | None]:
    """Return the part of a mask that differs from what the program shows, and its half-open ranges."""
    differs = mask != work.shown
    work.shown = mask
    ranges: Ranges = []
    for axis in range(3):
        used = np.flatnonzero(differs.any(axis=tuple(each for each in range(3) if each != axis)))
        if not used.size:
            return mask[:0, :0, :0], None
        ranges.append([int(used[0]), int(used[-1]) + 1])
    return mask[tuple(slice(*each) for each in ranges)], ranges


async def _start(service: Service, lease: Lease, work: LeasedImage, wanted: Interactions) -> AsyncIterator[None]:
    """Segment; yields after each edit."""
    if wanted.prompt is None:
        return
    grid = SliceGrid.of(work.geometry, wanted.plane)
    ends_known = work.done.prompt is wanted.prompt
    bounds = wanted.bounds(grid, _found(service, lease, work) if ends_known else None)
    question = Question(wanted.prompt, wanted.plane, work.name, bounds, zoom=None if lease.zoom else False)
    await asyncio.wrap_future(service.segment(lease.user, work.session, question).future)
    yield
    if wanted.ends and bounds is None:
        # Only one end was drawn: the stop rule has found the other one now.
        bounds = wanted.bounds(grid, _found(service, lease, work))
        again = replace(question, bounds=bounds)
        await asyncio.wrap_future(service.segment(lease.user, work.session, again).future)
        yield


def _found(service: Service, lease: Lease, work: LeasedImage) -> tuple[int, int] | None:
    """Return the first and last slice of the object as it stands."""
    objects = service.state(lease.user, work.session)["objects"]
    slices = next((each["slices"] for each in objects if each["name"] == work.name), None)
    return None if slices is None else (slices[0], slices[1])


async def _take_back(service: Service, lease: Lease, work: LeasedImage, edits: int) -> None:
    for _ in range(edits):
        await asyncio.wrap_future(service.undo(lease.user, work.session))
