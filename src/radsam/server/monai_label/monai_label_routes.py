"""The routes of MONAI Label's interface."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from radsam.errors import InputError, PromptError
from radsam.server.access_tokens import NoAuthentication
from radsam.server.error_answers import CompatRoute
from radsam.server.monai_label.infer_request import InferRequest, apply_request
from radsam.server.monai_label.infer_response import OUTPUTS, infer_response, write_mask
from radsam.server.monai_label.saved_labels import RAW_SUFFIX, SavedLabels
from radsam.server.route_dependencies import Served, User
from radsam.server.server_errors import NotFoundError, TooManyError
from radsam.server.server_limits import RateLimiter
from radsam.server.service import Service
from radsam.server.uploads import IncomingFile
from radsam.server.volume_listing import VolumeEntry
from radsam.session.edit_request import CorrectionRequest
from radsam.volume import SliceGrid

router = APIRouter(route_class=CompatRoute, include_in_schema=False)

#: Names of the model: for the whole object, and for one slice.
WHOLE_OBJECT, ONE_SLICE = "radsam", "radsam-slice"
#: Names for viewers whose users cannot type one.
_LABELS = (
    "object", "tumour", "liver", "spleen", "pancreas", "kidney_right", "kidney_left", "adrenal_right", "adrenal_left",
    "gallbladder", "stomach", "duodenum", "oesophagus", "aorta", "inferior_vena_cava", "urinary_bladder", "lung_right",
    "lung_left", "heart", "lymph_node",
)  # fmt: skip
_FINAL = "final"
_IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".zip")
_PIECE_BYTES = 1 << 20
_MAX_PARTS = 4


def _labels(request: Request) -> SavedLabels:
    return cast("SavedLabels", request.app.state.labels)


Labels = Annotated[SavedLabels, Depends(_labels)]


# Authentication


@router.get("/auth/")
def auth(request: Request) -> dict[str, Any]:
    """Say whether a token is needed."""
    return {
        "enabled": not isinstance(request.app.state.authenticator, NoAuthentication),
        "client_id": "radsam",
        "realm": "",
    }


@router.post("/auth/token")
async def token(request: Request, service: Served) -> Response:
    """Log in with the token as the password."""
    state = request.app.state
    if not hasattr(state, "wrong_passwords"):
        limit = service.limits.wrong_tokens_per_minute
        state.wrong_passwords = RateLimiter(limit / 60, limit)
    address = request.client.host if request.client else "unknown"
    if state.wrong_passwords.wait(address):
        raise TooManyError("Too many wrong passwords came from this address. Wait a minute.")
    async with _form(request) as form:
        password = str(form.get("password") or "")
    if state.authenticator.user_of(password) is None:
        state.wrong_passwords.take(address)
        return JSONResponse({"detail": "Wrong password: give your RadSAM token as the password."}, 401)
    return JSONResponse({"access_token": password, "token_type": "bearer"})


@router.get("/auth/token/valid")
def token_valid(user: User) -> dict[str, Any]:
    """Return the user of a token."""
    return {"username": user, "name": user, "email": None, "roles": []}


# Volumes and labels


@router.get("/info/")
def info(service: Served, user: User, labels: Labels) -> dict[str, Any]:
    """Describe the server as a MONAI Label app with two models."""

    def model(dimension: int, description: str) -> dict[str, Any]:
        return {
            "type": "deepgrow",
            "dimension": dimension,
            "labels": list(_LABELS),
            "description": description,
            "config": {},
        }

    return {
        "name": "RadSAM",
        "description": "From one prompt on one slice to the whole object. Not for diagnostic use.",
        "version": version("radsam"),
        "labels": list(_LABELS),
        "models": {
            WHOLE_OBJECT: model(3, "A click or a box on one slice segments the object; further clicks correct it."),
            ONE_SLICE: model(2, "The same on a single slice; nothing is saved."),
        },
        "trainers": {},
        "strategies": {"next": {"description": "The next volume without a final label"}},
        "scoring": {},
        "train_stats": {},
        "datastore": _stats(service, user, labels),
    }


@router.get("/datastore/")
def datastore(service: Served, user: User, labels: Labels, output: str = "stats") -> Any:
    """List the volumes and the saved label maps."""
    if output == "stats":
        return _stats(service, user, labels)
    entries = {each.id: each for each in service.volumes.listed(user)}
    if output == "train":
        return [{"image": each, "label": _FINAL} for each in entries if _FINAL in labels.tags(user, each)]
    return {
        "name": "RadSAM",
        "description": "The volumes of radsam serve",
        "objects": {
            each.id: {
                "image": {"ext": _extension(each), "info": {"name": each.name}},
                "labels": {tag: {"ext": ".nii.gz", "info": {}} for tag in labels.tags(user, each.id)},
            }
            for each in entries.values()
        },
    }


@router.post("/activelearning/{strategy}")
def next_sample(strategy: str, service: Served, user: User, labels: Labels) -> dict[str, Any]:
    """Return the next volume without a final label map."""
    for each in service.volumes.listed(user):
        if _FINAL not in labels.tags(user, each.id):
            return {"id": each.id, "name": _file_name(each)}
    return {}


@router.api_route("/datastore/image", methods=["GET", "HEAD"])
def read_image(image: str, service: Served, user: User) -> Response:
    """Return a volume: its file, or NIfTI for a DICOM series."""
    entry = find_volume(service, user, image)
    name = _file_name(entry)
    if entry.path.is_file() and not entry.is_dicom:
        return FileResponse(entry.path, filename=name, media_type="application/octet-stream")
    length, chunks = service.image(user, entry.id)
    headers = {"content-length": str(length), "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


@router.get("/datastore/image/info")
def image_info(image: str, service: Served, user: User) -> dict[str, Any]:
    """Describe a volume."""
    entry = find_volume(service, user, image)
    return {"name": entry.name, "shape": entry.geometry.shape_ijk, "modality": entry.modality}


@router.put("/datastore/")
@router.put("/datastore/image")
async def upload_image(request: Request, service: Served, user: User) -> dict[str, Any]:
    """Upload a volume."""
    async with _form(request) as form:
        entry = await _upload(service, user, _file(form, "file"))
    return {"image": entry.id}


@router.put("/datastore/label")
async def save_label(
    request: Request, image: str, service: Served, user: User, labels: Labels, tag: str = ""
) -> dict[str, Any]:
    """Save a label map that was finished in the viewer."""
    entry = find_volume(service, user, image)
    folder = _new_folder()
    try:
        async with _form(request) as form:
            given = _file(form, "label")
            suffixes = (*_IMAGE_SUFFIXES[:-1], RAW_SUFFIX)
            suffix = next((each for each in suffixes if (given.filename or "").lower().endswith(each)), None)
            if suffix is None:
                raise InputError(f"{given.filename!r} is not a supported label map: give {', '.join(suffixes)}.")
            received = folder / f"label{suffix}"
            with received.open("xb") as file:
                await _copy(given, file)
        await run_in_threadpool(labels.save, user, entry, tag or _FINAL, received)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
    return {"image": image, "label": entry.id}


@router.api_route("/datastore/label", methods=["GET", "HEAD"])
def read_label(label: str, tag: str, service: Served, user: User, labels: Labels) -> Response:
    """Return a saved label map."""
    path = labels.find(user, find_volume(service, user, label).id, tag)
    return FileResponse(path, filename=f"{label}.nii.gz", media_type="application/gzip")


# Sessions


@router.put("/session/")
async def create_session(request: Request, service: Served, user: User) -> dict[str, Any]:
    """Start a session on a volume, which is the body."""
    async with _form(request) as form:
        entry = await _upload(service, user, _file(form, "files"))
    state = await run_in_threadpool(service.create, user, entry.id)
    return {"session_id": state["id"], "session_info": _session_info(state)}


@router.get("/session/{session}")
def show_session(session: str, service: Served, user: User) -> dict[str, Any]:
    """Describe a session."""
    return _session_info(service.state(user, session))


@router.delete("/session/{session}")
def delete_session(session: str, service: Served, user: User) -> dict[str, Any]:
    """Remove a session, and its volume if it was uploaded."""
    state = service.state(user, session)
    if service.volumes.entry(state["volume"], user).source == "upload":
        service.delete_volume(user, state["volume"])
    else:
        service.delete_session(user, session)
    return _session_info(state)


# Inference


@router.post("/infer/{model}")
async def infer(
    model: str, request: Request, service: Served, user: User, image: str = "", session_id: str = "", output: str = ""
) -> Response:
    """Segment or correct an object, given all its points in the viewer."""
    output = output or "all"
    if model not in (WHOLE_OBJECT, ONE_SLICE):
        raise NotFoundError(f"There is no model {model!r}: choose {WHOLE_OBJECT} or {ONE_SLICE}.")
    if output not in OUTPUTS:
        raise InputError(f"output must be one of {', '.join(OUTPUTS)}, not {output!r}.")
    async with _form(request) as form:
        params = _params(form)
        if isinstance(form.get("label"), UploadFile):
            raise InputError("A label file is not supported: send scribbles as points or a roi.")
        file = form.get("file")
        uploaded = (await _upload(service, user, file)).id if isinstance(file, UploadFile) and not session_id else ""
    wanted = InferRequest.model_validate(params)
    session, entry = await run_in_threadpool(_session_on, service, user, session_id, uploaded or image)
    if model == ONE_SLICE:
        if output == "dicom_seg":
            raise InputError(f"{ONE_SLICE} saves no object for a DICOM SEG: use {WHOLE_OBJECT}.")
        mask, result = await _one_slice(service, user, session, wanted, entry)
    else:
        await apply_request(service, user, session, wanted, entry.geometry)
        mask = await asyncio.wrap_future(service.object_mask(user, session, wanted.label))
        state = await run_in_threadpool(service.state, user, session)
        about: dict[str, Any] = next((each for each in state["objects"] if each["name"] == wanted.label), {})
        keys = ("slices", "volume_ml", "whole_volume_ml", "low_end", "high_end", "by_hand")
        # The mask is the whole object; the label map of the session may have less.
        result = {key: about.get(key) for key in keys} | {"overlaps": state["overlaps"]}
    result |= {"label_names": {wanted.label: 1}, "session": session, "centroids": {}}

    folder = _new_folder()
    try:
        path = None
        if output == "dicom_seg":
            exported = await run_in_threadpool(service.export, user, session, "seg", [wanted.label], folder)
            path = exported.path
        elif output != "json":
            path = await run_in_threadpool(write_mask, mask, entry.geometry, wanted.label, params, folder)
        return await run_in_threadpool(infer_response, output, path, result, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _one_slice(
    service: Service, user: str, session: str, wanted: InferRequest, entry: VolumeEntry
) -> tuple[np.ndarray, dict[str, Any]]:
    """Predict one slice from the points that lie on it."""
    wanted = wanted.on_slice()
    points = wanted.corrections()
    then = CorrectionRequest(name=wanted.label, points=points) if points else None
    preview = await asyncio.wrap_future(service.preview(user, session, wanted.segmentation(entry.geometry), then))
    slice_mask = preview.masks[0]
    mask = np.zeros(entry.geometry.shape_kji, bool)
    SliceGrid.across(entry.geometry, 2).put(mask, slice_mask.index, slice_mask.mask.decode())
    return mask, {"slice": slice_mask.index, "score": slice_mask.score}


def find_volume(service: Service, user: str, image: str) -> VolumeEntry:
    """Find a volume by its id, its SeriesInstanceUID, or its name with or without suffix.

    Raises:
        NotFoundError: The volume does not exist.
    """
    listed = service.volumes.listed(user) if image else []
    keys: tuple[Callable[[VolumeEntry], str], ...] = (
        lambda each: each.id,
        lambda each: (each.series or "").partition("#")[0],
        lambda each: each.name,
        lambda each: _stem(each.name),
    )
    found = next((each for key in keys for each in listed if key(each) == image), None)
    if found is None:
        raise NotFoundError(f"There is no image {image!r}. Serve its folder with --data, or upload it.")
    return found


def _session_on(service: Service, user: str, session_id: str, image: str) -> tuple[str, VolumeEntry]:
    """Return the given session, the user's last one on the volume, or a new one; and its volume."""
    if session_id:
        return session_id, service.volumes.entry(service.state(user, session_id)["volume"], user)
    entry = find_volume(service, user, image)
    known = next((each["id"] for each in service.session_rows(user) if each["volume"] == entry.id), None)
    return known or service.create(user, entry.id)["id"], entry


def _params(form: FormData) -> dict[str, Any]:
    given = form.get("params") or "{}"
    try:
        params = json.loads(given) if isinstance(given, str) else None
    except (ValueError, RecursionError):
        params = None
    if not isinstance(params, dict):
        raise PromptError("params needs a JSON object.")
    return params


def _form(request: Request) -> AbstractAsyncContextManager[FormData]:
    return request.form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS * 4)


def _file(form: FormData, name: str) -> UploadFile:
    given = [each for each in form.getlist(name) if isinstance(each, UploadFile)]
    if len(given) != 1:
        raise InputError(f"{len(given)} files were sent as {name!r}: give one. Put a DICOM series into one .zip.")
    return given[0]


async def _upload(service: Service, user: str, given: UploadFile) -> VolumeEntry:
    name = given.filename or "image.nii.gz"
    with service.uploads.receive(user, name, given.size) as incoming:
        await _copy(given, incoming)
        return await run_in_threadpool(service.uploads.register, user, name, incoming)


async def _copy(given: UploadFile, file: IO[bytes] | IncomingFile) -> None:
    while piece := await given.read(_PIECE_BYTES):
        await run_in_threadpool(file.write, piece)


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="radsam-"))


def _session_info(state: dict[str, Any]) -> dict[str, Any]:
    return {"name": state["id"], "image": state["volume"], "meta": {}, "objects": [e["name"] for e in state["objects"]]}


def _stats(service: Service, user: str, labels: SavedLabels) -> dict[str, Any]:
    tags = [labels.tags(user, each.id) for each in service.volumes.listed(user)]
    return {"total": len(tags), "completed": sum(_FINAL in each for each in tags), "label_tags": {}, "train": []}


def _stem(name: str) -> str:
    return name.removesuffix(next((each for each in _IMAGE_SUFFIXES if name.endswith(each)), ""))


def _extension(entry: VolumeEntry) -> str:
    return next((each for each in _IMAGE_SUFFIXES[:-1] if entry.path.name.endswith(each)), ".nii")


def _file_name(entry: VolumeEntry) -> str:
    """Return a file name for a volume."""
    return "".join(each if each.isalnum() or each in "._-" else "_" for each in _stem(entry.name)) + _extension(entry)
