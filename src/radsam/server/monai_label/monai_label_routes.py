"""The routes of MONAI Label's interface."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from radsam.errors import InputError, PromptError
from radsam.server.access_tokens import NoAuthentication
from radsam.server.error_answers import CompatRoute
from radsam.server.monai_label.infer_request import InferRequest, bring
from radsam.server.monai_label.infer_response import OUTPUTS, answer, new_folder, write_mask, write_seg
from radsam.server.monai_label.saved_labels import RAW_SUFFIX, SavedLabels
from radsam.server.route_dependencies import Served, User
from radsam.server.server_errors import NotFoundError, TooManyError
from radsam.server.server_limits import RateLimiter
from radsam.server.service import Service
from radsam.server.volume_listing import VolumeEntry
from radsam.volume import SliceGrid

router = APIRouter(route_class=CompatRoute, include_in_schema=False)

#: One model, asked to walk or for a single slice.
WALK, ONE_SLICE = "radsam", "radsam-slice"
#: Names to choose from in viewers whose users cannot type one.
_LABELS = (
    "object", "tumour", "liver", "spleen", "pancreas", "kidney_right", "kidney_left", "adrenal_right", "adrenal_left",
    "gallbladder", "stomach", "duodenum", "oesophagus", "aorta", "inferior_vena_cava", "urinary_bladder", "lung_right",
    "lung_left", "heart", "lymph_node",
)  # fmt: skip
_FINAL = "final"
_IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".zip")
_PIECE_BYTES = 1 << 20
_RECEIVED_PARTS = 4


def _labels(request: Request) -> SavedLabels:
    return cast("SavedLabels", request.app.state.labels)


Labels = Annotated[SavedLabels, Depends(_labels)]


# Who asks


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
    """Log in: the password is the token."""
    state = request.app.state
    if not hasattr(state, "wrong_passwords"):
        most = service.limits.wrong_tokens_per_minute
        state.wrong_passwords = RateLimiter(most / 60, most)
    address = request.client.host if request.client else "unknown"
    if state.wrong_passwords.wait(address):
        raise TooManyError("Too many wrong passwords came from this address. Wait a minute.")
    async with _form(request) as form:
        password = str(form.get("password") or "")
    if state.authenticator.user_of(password) is None:
        state.wrong_passwords.take(address)
        return JSONResponse({"detail": "Give your token of RadSAM as the password."}, 401)
    return JSONResponse({"access_token": password, "token_type": "bearer"})


@router.get("/auth/token/valid")
def token_valid(user: User) -> dict[str, Any]:
    """Say whose a token is."""
    return {"username": user, "name": user, "email": None, "roles": []}


# What there is


@router.get("/info/")
def info(service: Served, user: User, labels: Labels) -> dict[str, Any]:
    """Describe the server as an app with two models."""

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
            WALK: model(3, "A click or a box on one slice segments the object; further clicks correct it."),
            ONE_SLICE: model(2, "The same on a single slice; nothing is kept."),
        },
        "trainers": {},
        "strategies": {"next": {"description": "The next volume without a final label"}},
        "scoring": {},
        "train_stats": {},
        "datastore": _stats(service, user, labels),
    }


@router.get("/datastore/")
def datastore(service: Served, user: User, labels: Labels, output: str = "stats") -> Any:
    """List the volumes and the labels that were saved."""
    if output == "stats":
        return _stats(service, user, labels)
    entries = {each.id: each for each in service.volumes.listed(user)}
    if output == "train":
        return [{"image": each, "label": _FINAL} for each in entries if _FINAL in labels.tags(user, each)]
    return {
        "name": "RadSAM",
        "description": "What radsam serve offers",
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
    """Name the next volume without a final label."""
    for each in service.volumes.listed(user):
        if _FINAL not in labels.tags(user, each.id):
            return {"id": each.id, "name": _file_name(each)}
    return {}


@router.api_route("/datastore/image", methods=["GET", "HEAD"])
def read_image(image: str, service: Served, user: User) -> Response:
    """Send a volume: its file, or NIfTI of a DICOM series."""
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
    """Take a volume."""
    async with _form(request) as form:
        entry = await _keep(service, user, _file(form, "file"))
    return {"image": entry.id}


@router.put("/datastore/label")
async def save_label(
    request: Request, image: str, service: Served, user: User, labels: Labels, tag: str = ""
) -> dict[str, Any]:
    """Keep a label map that was finished in the viewer."""
    entry = find_volume(service, user, image)
    folder = new_folder()
    try:
        async with _form(request) as form:
            given = _file(form, "label")
            suffixes = (*_IMAGE_SUFFIXES[:-1], RAW_SUFFIX)
            suffix = next((each for each in suffixes if (given.filename or "").lower().endswith(each)), None)
            if suffix is None:
                raise InputError(f"A label is a file of one of {', '.join(suffixes)}.")
            received = folder / f"label{suffix}"
            await _bring_to_disk(given, received)
        await run_in_threadpool(labels.save, user, entry, tag or _FINAL, received)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
    return {"image": image, "label": entry.id}


@router.api_route("/datastore/label", methods=["GET", "HEAD"])
def read_label(label: str, tag: str, service: Served, user: User, labels: Labels) -> Response:
    """Send a label map that was saved."""
    path = labels.find(user, find_volume(service, user, label).id, tag)
    return FileResponse(path, filename=f"{label}.nii.gz", media_type="application/gzip")


# Sessions


@router.put("/session/")
async def create_session(request: Request, service: Served, user: User) -> dict[str, Any]:
    """Start a session on a volume that comes with it."""
    async with _form(request) as form:
        entry = await _keep(service, user, _file(form, "files"))
    state = await run_in_threadpool(service.create, user, entry.id)
    return {"session_id": state["id"], "session_info": _session_info(state)}


@router.get("/session/{session}")
def show_session(session: str, service: Served, user: User) -> dict[str, Any]:
    """Describe a session."""
    return _session_info(service.state(user, session))


@router.delete("/session/{session}")
def delete_session(session: str, service: Served, user: User) -> dict[str, Any]:
    """Remove a session, and the volume that came with it."""
    state = service.state(user, session)
    if service.volumes.entry(state["volume"], user).source == "upload":
        service.delete_upload(user, state["volume"])
    else:
        service.delete_session(user, session)
    return _session_info(state)


# Inference


@router.post("/infer/{model}")
async def infer(
    model: str, request: Request, service: Served, user: User, image: str = "", session_id: str = "", output: str = ""
) -> Response:
    """Segment an object, or correct it, from all clicks that the viewer has of it."""
    wanted = output or "all"
    if model not in (WALK, ONE_SLICE):
        raise NotFoundError(f"There is no model {model!r}; there are {WALK} and {ONE_SLICE}.")
    if wanted not in OUTPUTS:
        raise InputError(f"output is one of {', '.join(OUTPUTS)}, not {output!r}.")
    async with _form(request) as form:
        params = _params(form)
        if isinstance(form.get("label"), UploadFile):
            raise InputError("Scribbles come as points or a roi here: the model does not take a label file.")
        file = form.get("file")
        came = (await _keep(service, user, file)).id if isinstance(file, UploadFile) and not session_id else ""
    asked = InferRequest.of(params)
    session, entry = await run_in_threadpool(_session_on, service, user, session_id, came or image)
    if model == ONE_SLICE:
        if wanted == "dicom_seg":
            raise InputError(f"{ONE_SLICE} keeps nothing that a DICOM SEG could hold; ask {WALK}.")
        mask, found = await _one_slice(service, user, session, asked, entry)
    else:
        await bring(service, user, session, asked, entry.geometry)
        mask = await asyncio.wrap_future(service.object_mask(user, session, asked.name))
        objects = (await run_in_threadpool(service.state, user, session))["objects"]
        about: dict[str, Any] = next((each for each in objects if each["name"] == asked.name), {})
        found = {key: about.get(key) for key in ("slices", "volume_ml", "low_end", "high_end", "by_hand")}
    found |= {"label_names": {asked.name: 1}, "session": session, "centroids": {}}

    folder = new_folder()
    try:
        path = None
        if wanted == "dicom_seg":
            path = await run_in_threadpool(write_seg, service, user, session, asked.name, folder)
        elif wanted != "json":
            path = await run_in_threadpool(write_mask, mask, entry.geometry, asked.name, params, folder)
        return await run_in_threadpool(answer, wanted, path, found, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _one_slice(
    service: Service, user: str, session: str, asked: InferRequest, entry: VolumeEntry
) -> tuple[np.ndarray, dict[str, Any]]:
    """Answer on one slice; its clicks are those that lie on it."""
    if asked.index is not None:
        here = asked.index
        asked = InferRequest(
            asked.name,
            tuple(each for each in asked.foreground if each[2] == here),
            tuple(each for each in asked.background if each[2] == here),
            asked.roi,
            here,
        )
    question = asked.question(entry.geometry)
    points = asked.corrections()
    preview = await asyncio.wrap_future(service.preview(user, session, question, points))
    answered = preview.masks[0]
    mask = np.zeros(entry.geometry.shape_kji, bool)
    SliceGrid.across(entry.geometry, 2).put(mask, answered.index, answered.mask.decode())
    return mask, {"slice": answered.index, "score": answered.score}


def find_volume(service: Service, user: str, image: str) -> VolumeEntry:
    """Find a volume by our id, its SeriesInstanceUID, or its name with or without suffix.

    Raises:
        NotFoundError: There is none.
    """
    listed = service.volumes.listed(user) if image else []
    ways: tuple[Callable[[VolumeEntry], str], ...] = (
        lambda each: each.id,
        lambda each: (each.series or "").partition("#")[0],
        lambda each: each.name,
        lambda each: _stem(each.name),
    )
    found = next((each for way in ways for each in listed if way(each) == image), None)
    if found is None:
        raise NotFoundError(f"There is no image {image!r} here. Serve its folder with --data, or upload it.")
    return found


def _session_on(service: Service, user: str, session_id: str, image: str) -> tuple[str, VolumeEntry]:
    """Find the session to work in: the given one, the user's last one on the volume, or a new one."""
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
        raise PromptError("params is no JSON object.")
    return params


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    async with request.form(max_files=_RECEIVED_PARTS, max_fields=_RECEIVED_PARTS * 4) as form:
        yield form


def _file(form: FormData, name: str) -> UploadFile:
    given = [each for each in form.getlist(name) if isinstance(each, UploadFile)]
    if len(given) != 1:
        raise InputError(f"{len(given)} files came as {name!r}; give one. A DICOM series goes into one .zip.")
    return given[0]


async def _keep(service: Service, user: str, given: UploadFile) -> VolumeEntry:
    name = given.filename or "image.nii.gz"
    with service.uploads.receive(user, name, given.size) as incoming:
        while piece := await given.read(_PIECE_BYTES):
            await run_in_threadpool(incoming.write, piece)
        return await run_in_threadpool(service.uploads.keep, user, name, incoming)


async def _bring_to_disk(given: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        while piece := await given.read(_PIECE_BYTES):
            await run_in_threadpool(file.write, piece)


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
    """Name a volume as a file that can be opened."""
    return "".join(each if each.isalnum() or each in "._-" else "_" for each in _stem(entry.name)) + _extension(entry)
