"""The answer to an inference: a file, JSON, or both in one multipart body."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Response
from fastapi.responses import FileResponse, JSONResponse
from jaxtyping import Bool
from starlette.background import BackgroundTask

from radsam.errors import InputError
from radsam.io.volume_write import write_labels
from radsam.server.service import Service
from radsam.volume import Geometry, LabelVolume

OUTPUTS = ("all", "image", "json", "dicom_seg")
_SUFFIXES = (".nii.gz", ".nii", ".nrrd")
_DTYPES = ("uint8", "uint16")


def write_mask(
    mask: Bool[np.ndarray, "k j i"], geometry: Geometry, name: str, params: Mapping[str, Any], folder: Path
) -> Path:
    """Write a mask as the client wants it.

    Args:
        mask: The object.
        geometry: Its grid.
        name: What it is called.
        params: The client's `result_extension`, `result_dtype` and `result_compress`.
        folder: Where to.

    Raises:
        InputError: There is no such format.
    """
    suffix = params.get("result_extension") or _SUFFIXES[0]
    if suffix == ".seg.nrrd":  # Slicer's setting; a plain one is read as well
        suffix = ".nrrd"
    dtype = params.get("result_dtype") or "uint8"
    if suffix not in _SUFFIXES or dtype not in _DTYPES:
        raise InputError(f"A result is one of {', '.join(_SUFFIXES)} with {' or '.join(_DTYPES)}.")
    path = folder / f"label-{secrets.token_hex(6)}{suffix}"
    labels = LabelVolume(mask.astype(dtype), geometry, {1: name})
    write_labels(labels, path, compress=params.get("result_compress") is not False)
    return path


def answer(output: str, path: Path | None, found: Mapping[str, Any], folder: Path) -> Response:
    """Send a result, and remove its folder."""
    remove = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    if path is None:
        return JSONResponse(dict(found), background=remove)
    if output != "all":
        kind = "application/dicom" if output == "dicom_seg" else "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name, background=remove)
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(found)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return Response(body, media_type=f"multipart/form-data; boundary={boundary}", background=remove)


def write_seg(service: Service, user: str, session: str, name: str, folder: Path) -> Path:
    """Write an object of a session as DICOM SEG.

    Raises:
        InputError: The volume is no DICOM series.
    """
    return service.export(user, session, "seg", [name], folder).path


def new_folder() -> Path:
    """Make a folder for a result."""
    return Path(tempfile.mkdtemp(prefix="radsam-"))
