"""The routes of nnInteractive's protocol, and the JSON of its interactions; other keys are ignored."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BeforeValidator, ConfigDict, StrictBool
from scipy import ndimage
from starlette.concurrency import run_in_threadpool

from radsam.errors import InputError
from radsam.server.api_schemas import RoundedIndex
from radsam.server.error_answers import CompatRoute
from radsam.server.nninteractive import packed_arrays
from radsam.server.nninteractive.apply_interactions import add, apply_all, changed_part, current_mask, undo
from radsam.server.nninteractive.interactions import (
    Interactions,
    Ranges,
    Region,
    clipped,
    from_segmentation,
    with_box,
    with_lasso,
    with_point,
    with_scribble,
)
from radsam.server.nninteractive.leases import Lease, LeasedImage, Leases
from radsam.server.nninteractive.packed_arrays import volume_from_array
from radsam.server.route_dependencies import Served, User
from radsam.server.service import Service
from radsam.session import edit_request
from radsam.volume import Point

router = APIRouter(route_class=CompatRoute, include_in_schema=False)

#: The version of the protocol.
_VERSION = 2
#: Preferred brush width in voxels along each axis.
_SCRIBBLE_THICKNESS = [2, 2, 2]
#: A range of voxels that ends this near to a whole number ends at it.
_WHOLE = 1e-3


def _of_centres(given: Any) -> Any:
    """Return the voxels whose centres lie in a range; of one that is a voxel long, the nearest voxel.

    napari sends where the mouse was, and the centres of its voxels have whole numbers.
    """
    if not (isinstance(given, list | tuple) and [type(each) for each in given] == [float, float]):
        return given
    low, high = given
    if not (math.isfinite(low) and math.isfinite(high)):
        return given
    if abs(high - low - 1) < _WHOLE:
        return math.floor(low + 0.5), math.floor(low + 0.5) + 1
    return math.ceil(low - _WHOLE), math.ceil(high - _WHOLE)


_Range = Annotated[tuple[RoundedIndex, RoundedIndex], BeforeValidator(_of_centres)]
_Ranges = tuple[_Range, _Range, _Range]


class InteractionRequest(edit_request.Request):
    """Any interaction.

    Args:
        include_interaction: Whether it is positive.
        run_prediction: Whether to predict now; None takes the default of the interaction.
    """

    model_config = ConfigDict(extra="ignore")

    include_interaction: StrictBool = True
    run_prediction: StrictBool | None = None


class PointRequest(InteractionRequest):
    """A point at (z, y, x)."""

    coordinates: tuple[RoundedIndex, RoundedIndex, RoundedIndex]


class BoxRequest(InteractionRequest):
    """A box: half-open ranges along z, y and x."""

    bbox_coords: _Ranges


class RegionRequest(InteractionRequest):
    """A scribble or lasso; its mask is the body.

    Args:
        interaction_bbox: Half-open ranges of the mask along z, y and x; None for the whole volume.
    """

    interaction_bbox: _Ranges | None = None


class AutozoomRequest(edit_request.Request):
    """Whether the model sees a crop around small objects."""

    model_config = ConfigDict(extra="ignore")

    do_autozoom: StrictBool = True


def _leases(request: Request) -> Leases:
    return cast("Leases", request.app.state.leases)


AllLeases = Annotated[Leases, Depends(_leases)]


@asynccontextmanager
async def _locked_lease(request: Request, leases: Leases, user: str) -> AsyncIterator[Lease]:
    """Run the requests of a lease one after the other."""
    token = request.headers.get("x-lease-token")
    async with leases.find(token, user).lock:
        lease = leases.find(token, user)  # an earlier request may have released it
        try:
            yield lease
        finally:
            leases.touch(lease)  # the time of the request is not idle time


@router.get("/capabilities")
def capabilities(service: Served, user: User) -> dict[str, Any]:
    """Describe the supported interactions."""
    return {
        "supported_interactions": dict.fromkeys(("points", "bbox2d", "bbox3d", "scribble", "lasso"), True),
        # Channels of a network: RadSAM has none, but viewers read them.
        "channel_mapping": {"initial_seg": 0, "bbox": [1, 2], "lasso": [1, 2], "points": [3, 4], "scribble": [5, 6]},
        "num_interaction_channels": 7,
        "supports_initial_label": True,
        "supports_zero_shot_label_refinement": False,
        "preferred_scribble_thickness": _SCRIBBLE_THICKNESS,
        "interaction_decay": 1.0,
        "inference_session_version": _VERSION,
        "license": service.engine.bundle.spec.licence,
        "supports_undo": True,
        "do_autozoom": True,
    }


@router.post("/claim")
def claim(service: Served, user: User, leases: AllLeases) -> dict[str, Any]:
    """Start a lease."""
    packed_arrays.require_client()
    lease = leases.claim(user)
    return {
        "lease_token": lease.token,
        "idle_timeout_seconds": service.limits.lease_idle_seconds,
        "liveness_timeout_seconds": service.limits.lease_silent_seconds,
    }


@router.post("/release")
async def release(request: Request, user: User, leases: AllLeases) -> dict[str, Any]:
    """End a lease."""
    async with _locked_lease(request, leases, user) as lease:
        await run_in_threadpool(leases.release, lease)
    return {"released": True}


@router.post("/heartbeat")
def heartbeat(request: Request, user: User, leases: AllLeases) -> dict[str, float]:
    """Note a heartbeat; the idle time continues."""
    lease = leases.find(request.headers.get("x-lease-token"), user, use=False)
    return {"remaining_seconds": leases.remaining(lease)}


@router.get("/lease_status")
def lease_status(request: Request, service: Served, user: User, leases: AllLeases) -> dict[str, float]:
    """Return the remaining time of the lease without extending it."""
    lease = leases.find(request.headers.get("x-lease-token"), user, use=False, heard=False)
    return {"remaining_seconds": leases.remaining(lease), "idle_timeout_seconds": service.limits.lease_idle_seconds}


@router.post("/set_image")
async def set_image(request: Request, service: Served, user: User, leases: AllLeases) -> dict[str, Any]:
    """Receive an image; the objects of the previous image stay in its session."""
    properties = _meta(request).get("image_properties")
    async with _locked_lease(request, leases, user) as lease, leases.one_image:
        header, body = await packed_arrays.receive(request.stream(), service.limits.volume_bytes)
        image = await run_in_threadpool(_open, service, user, header, body, properties)
        await run_in_threadpool(leases.leave_image, lease)
        lease.image = image
    return {"original_image_shape": [1, *image.geometry.shape_kji]}


def _open(service: Service, user: str, header: packed_arrays.ArrayHeader, body: bytes, properties: Any) -> LeasedImage:
    volume = volume_from_array(packed_arrays.unpack(header, body), properties)
    upload = service.add_upload(user, "nnInteractive.nii", volume)
    try:
        session = service.create(user, upload)["id"]
    except BaseException:
        service.delete_volume(user, upload)
        raise
    return LeasedImage(upload, session, volume.geometry, np.zeros(volume.geometry.shape_kji, bool))


@router.post("/set_target_buffer")
async def set_target_buffer(request: Request, user: User, leases: AllLeases) -> dict[str, Any]:
    """Note that the program has a new, empty target buffer."""
    given = await _json(request)
    async with _locked_lease(request, leases, user) as lease:
        image = lease.require_image()
        if given.get("shape") != list(image.geometry.shape_kji):
            shape = list(image.geometry.shape_kji)
            raise InputError(f"The target buffer has the shape {given.get('shape')}; the image needs {shape}.")
        image.shown = np.zeros(image.geometry.shape_kji, bool)
    return {"ok": True}


@router.post("/set_do_autozoom")
async def set_do_autozoom(request: Request, user: User, leases: AllLeases) -> dict[str, Any]:
    """Choose whether the model sees a crop around small objects."""
    wanted = AutozoomRequest.model_validate(await _json(request))
    async with _locked_lease(request, leases, user) as lease:
        lease.zoom = wanted.do_autozoom
    return {"do_autozoom": lease.zoom}


@router.post("/reset_interactions")
async def reset_interactions(request: Request, service: Served, user: User, leases: AllLeases) -> dict[str, Any]:
    """Start the next object; the last one stays in the session."""
    async with _locked_lease(request, leases, user) as lease:
        image = lease.require_image()
        image.number += image.applied.start is not None
        image.interactions, image.applied, image.steps = Interactions(), Interactions(), []
        image.shown = np.zeros(image.geometry.shape_kji, bool)
    return {"ok": True}


@router.post("/add_point_interaction")
async def add_point(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Add a point."""
    given = PointRequest.model_validate(await _json(request))
    k, j, i = given.coordinates
    point = Point(i=i, j=j, k=k, positive=given.include_interaction)

    def extend(image: LeasedImage) -> Interactions:
        return with_point(image.interactions, point, image.geometry)

    return await _add(request, service, user, leases, given, extend)


@router.post("/add_bbox_interaction")
async def add_bbox(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Add a box."""
    given = BoxRequest.model_validate(await _json(request))

    def extend(image: LeasedImage) -> Interactions:
        return with_box(image.interactions, given.bbox_coords, given.include_interaction, image.geometry)

    return await _add(request, service, user, leases, given, extend)


@router.post("/add_scribble_interaction")
async def add_scribble(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Add a scribble."""
    return await _add_region(request, service, user, leases, fill=False)


@router.post("/add_lasso_interaction")
async def add_lasso(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Add a lasso; an outline is filled."""
    return await _add_region(request, service, user, leases, fill=True)


@router.post("/add_initial_seg_interaction")
async def add_initial_seg(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Start the object from a mask that the program shows already."""
    given = InteractionRequest.model_validate(_meta(request))
    async with _locked_lease(request, leases, user) as lease:
        image = lease.require_image()
        voxels = (await _region(request, service, image, None, fill=False)).voxels
        interactions = await run_in_threadpool(from_segmentation, voxels, image.geometry)
        ran = await add(service, lease, interactions, run=bool(given.run_prediction))
        image.shown = voxels
        return await _answer(service, lease, ran)


@router.post("/predict")
async def predict(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Apply the interactions that were added without a prediction."""
    async with _locked_lease(request, leases, user) as lease:
        return await _answer(service, lease, await apply_all(service, lease))


@router.post("/undo")
async def undo_interaction(request: Request, service: Served, user: User, leases: AllLeases) -> Response:
    """Undo the last interaction."""
    async with _locked_lease(request, leases, user) as lease:
        return await _answer(service, lease, await undo(service, lease))


async def _add(
    request: Request,
    service: Service,
    user: str,
    leases: Leases,
    given: InteractionRequest,
    extend: Callable[[LeasedImage], Interactions],
) -> Response:
    async with _locked_lease(request, leases, user) as lease:
        image = lease.require_image()
        interactions = await run_in_threadpool(extend, image)
        ran = await add(service, lease, interactions, run=given.run_prediction is not False)
        return await _answer(service, lease, ran)


async def _add_region(request: Request, service: Service, user: str, leases: Leases, *, fill: bool) -> Response:
    given = RegionRequest.model_validate(_meta(request))
    async with _locked_lease(request, leases, user) as lease:
        image = lease.require_image()
        region = await _region(request, service, image, given.interaction_bbox, fill=fill)
        before, positive = image.interactions, given.include_interaction
        draw = with_lasso if fill else with_scribble
        interactions = await run_in_threadpool(draw, before, region, positive, image.geometry)
        ran = await add(service, lease, interactions, run=given.run_prediction is not False)
        return await _answer(service, lease, ran)


async def _region(
    request: Request, service: Service, image: LeasedImage, ranges: Ranges | None, *, fill: bool
) -> Region:
    """Receive a mask of the volume or of a part of it."""
    k, j, i = image.geometry.shape_kji
    whole: Ranges = ((0, k), (0, j), (0, i))
    header, body = await packed_arrays.receive(request.stream(), min(service.limits.volume_bytes, 8 * k * j * i))
    array = await run_in_threadpool(packed_arrays.unpack, header, body)
    part = whole if ranges is None else ranges
    if array.shape != tuple(high - low for low, high in part) or clipped(part, image.geometry) != part:
        raise InputError(
            f"The mask has the shape {list(array.shape)} for {[list(each) for each in part]}; it must fill a box "
            f"inside the volume of {list(image.geometry.shape_kji)}."
        )
    voxels = array > 0
    if fill:
        axis = min(range(3), key=Region(voxels, part).extent)
        plane = np.expand_dims(ndimage.generate_binary_structure(2, 1), axis)
        voxels = await run_in_threadpool(ndimage.binary_fill_holes, voxels, plane)
    return Region(voxels, part)


async def _answer(service: Service, lease: Lease, ran: bool) -> Response:
    """Return the part of the mask that changed."""
    meta: dict[str, Any] = {"ran_prediction": ran, "bbox": None, "dtype": "uint8", "shape": None}
    body = b""
    if ran:
        mask = await current_mask(service, lease)
        part, ranges = await run_in_threadpool(changed_part, lease.require_image(), mask)
        if ranges:
            meta |= {"bbox": ranges, "shape": list(part.shape)}
            body = await run_in_threadpool(packed_arrays.pack, part)
    return Response(body, media_type="application/octet-stream", headers={"x-meta": json.dumps(meta)})


def _meta(request: Request) -> dict[str, Any]:
    return _object(request.headers.get("x-meta", "{}"), "The X-Meta header")


async def _json(request: Request) -> dict[str, Any]:
    return _object(await request.body() or b"{}", "The body")


def _object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{what} needs a JSON object.")
    return found
