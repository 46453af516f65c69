"""Voxels of a volume as JSON: what a session file, the journal and HTTP hold of a `SparseMask`.

::

    {"axis": "k", "shape": [k, j, i], "slices": {"41": "<base64 of zlib of little-endian uint32 run lengths>"}}

The run lengths are those of `RunMask`: background first, rows of [v, u].
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from radsam.errors import PromptError
from radsam.session.prompt_json import JsonForm
from radsam.volume import RunMask, SparseMask

#: No axis of a volume is longer, and no slice has more pixels: run lengths stay below 2³².
_LONGEST_AXIS, _MOST_PIXELS = 65535, 1 << 26
_AXES = "ijk"


def voxels_to_json(mask: SparseMask) -> dict[str, Any]:
    """Turn voxels into plain JSON values."""
    return {
        "axis": _AXES[mask.axis],
        "shape": [int(each) for each in mask.shape_kji],
        "slices": {str(index): _packed(each) for index, each in mask.slices.items()},
    }


@lru_cache(1 << 14)  # a session writes all of its edits after each of them
def _packed(mask: RunMask) -> str:
    return base64.b64encode(zlib.compress(mask.runs.astype("<u4").tobytes())).decode("ascii")


def voxels_from_json(given: Any) -> SparseMask:
    """Turn JSON values back into voxels; the inverse of `voxels_to_json`.

    Raises:
        PromptError: The values are not those of voxels, or a slice is damaged or lies outside the volume.
    """
    if not isinstance(given, Mapping) or set(given) != {"axis", "shape", "slices"}:
        raise PromptError('Voxels are an object with the keys "axis", "shape" and "slices".')
    axis, shape, slices = given["axis"], given["shape"], given["slices"]
    if not isinstance(axis, str) or axis not in tuple(_AXES):
        raise PromptError(f'The axis of voxels is "i", "j" or "k", not {axis!r}.')
    if (
        not isinstance(shape, list | tuple)
        or len(shape) != 3
        or not all(type(each) is int and 1 <= each <= _LONGEST_AXIS for each in shape)
    ):
        raise PromptError(f"The shape of voxels is the volume's size along k, j and i, not {shape!r}.")
    if not isinstance(slices, Mapping):
        raise PromptError("The slices of voxels are an object: a slice's number to its run lengths.")
    empty = SparseMask(_AXES.index(axis), (shape[0], shape[1], shape[2]), {})
    rows, cols = empty.shape_vu
    if rows * cols > _MOST_PIXELS:
        raise PromptError(f"A slice of {rows}×{cols} pixels is larger than any volume's.")
    return SparseMask(
        empty.axis, empty.shape_kji, {_number(key): _runs(key, each, (rows, cols)) for key, each in slices.items()}
    )


def _number(key: object) -> int:
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 9:
        raise PromptError(f"{key!r} is not the number of a slice.")
    return int(key)


def _runs(key: str, packed: object, shape_vu: tuple[int, int]) -> RunMask:
    pixels = shape_vu[0] * shape_vu[1]
    if not isinstance(packed, str):
        raise PromptError(f"The run lengths of slice {key} are not text.")
    try:
        # No mask has more runs than pixels; what unpacks to more is not read to its end.
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(base64.b64decode(packed, validate=True), 4 * (pixels + 1) + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise PromptError(f"The run lengths of slice {key} are damaged: they are not base64 of zlib.") from None
    if not unpacker.eof or len(unpacked) % 4:
        raise PromptError(f"The run lengths of slice {key} are damaged: they are cut off or too many.")
    runs = np.frombuffer(unpacked, "<u4").astype(np.uint32)
    if int(runs.sum(dtype=np.int64)) != pixels:
        raise PromptError(f"The run lengths of slice {key} do not fill its {shape_vu[0]}×{shape_vu[1]} pixels.")
    mask = RunMask(shape_vu, runs)
    # Other programs may write empty runs; equal masks have equal runs here.
    return mask if runs[1:].all() else RunMask.encode(mask.decode())


#: Voxels of a volume, as a field of an edit or a request.
Voxels = Annotated[SparseMask, JsonForm(SparseMask, dict[str, Any], voxels_from_json, voxels_to_json)]
