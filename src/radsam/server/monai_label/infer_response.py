"""The response to an inference: a file, JSON, or both in one multipart body."""

from __future__ import annotations

import json
import secrets
import shutil
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
from radsam.volume import Geometry, LabelVolume

OUTPUTS = ("all", "image", "json", "dicom_seg")
_SUFFIXES = (".nii.gz", ".nii", ".nrrd")
_DTYPES = ("uint8", "uint16")


def write_mask(
    mask: Bool[np.ndarray, "k j i"], geometry: Geometry, name: str, params: Mapping[str, Any], folder: Path
) -> Path:
    """Write a mask in the format that the client requests.

    Args:
        mask: The mask of the object.
        geometry: Its grid.
        name: The object.
        params: The client's `result_extension`, `result_dtype` and `result_compress`.
        folder: The folder of the file.

    Raises:
        InputError: The format is not supported.
    """
    suffix = params.get("result_extension") or _SUFFIXES[0]
    if suffix == ".seg.nrrd":  # Slicer's default; it reads plain NRRD as well
        suffix = ".nrrd"
    dtype = params.get("result_dtype") or "uint8"
    if suffix not in _SUFFIXES or dtype not in _DTYPES:
        raise InputError(
            f"{suffix!r} with {dtype!r} is not supported: give {', '.join(_SUFFIXES)} with {' or '.join(_DTYPES)}."
        )
    path = folder / f"label-{secrets.token_hex(6)}{suffix}"
    labels = LabelVolume(mask.astype(dtype), geometry, {1: name})
    write_labels(labels, path, compress=params.get("result_compress") is not False)
    return path


def infer_response(output: str, path: Path | None, result: Mapping[str, Any], folder: Path) -> Response:
    """Build the response; its folder is removed after it was sent."""
    remove = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    if path is None:
        return JSONResponse(dict(result), background=remove)
    if output != "all":
        kind = "application/dicom" if output == "dicom_seg" else "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name, background=remove)
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(result)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return Response(body, media_type=f"multipart/form-data; boundary={boundary}", background=remove)
