"""The challenge's files: one .npz per case.

Input: ``imgs`` (D, H, W) with values from 0 to 255; ``spacing``; optionally ``boxes``, one for each class:
the box on the middle slice, and top and bottom slice, all ends inclusive; from the second step on
``clicks``, one {"fg": [...], "bg": [...]} for each class, each click as [z, y, x], and ``clicks_order``, with
their order where it is known. Output: ``segs`` (D, H, W), class n of the list as n + 1.

Boxes and clicks are pickled dictionaries. They are read without running any code that a file may hold.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.volume import Bounds, Box, Geometry, Modality, Point, Volume

_BOX_KEYS = ("z_min", "z_max", "z_mid", "z_mid_x_min", "z_mid_y_min", "z_mid_x_max", "z_mid_y_max")
#: All that arrays, numbers and their containers need; numpy 1 and 2 write different module names.
_ALLOWED = {
    (f"{module}.multiarray", name) for module in ("numpy.core", "numpy._core") for name in ("_reconstruct", "scalar")
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


@dataclass(frozen=True)
class ClassPrompts:
    """The prompts and corrections of one class.

    Args:
        box: The box on its middle slice, or None.
        bounds: Its first and last slice, with the box.
        clicks: Corrections, in order; without a box the first positive one starts the object.
    """

    box: Box | None
    bounds: Bounds | None
    clicks: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class ChallengeCase:
    """One case of the challenge.

    Args:
        volume: The image; its values are not Hounsfield units, but 0 to 255.
        prompts: The prompts of each class.
    """

    volume: Volume
    prompts: tuple[ClassPrompts, ...]


def read_case(path: Path, *, spacing_is_xyz: bool = True) -> ChallengeCase:
    """Read a case.

    Args:
        path: The .npz.
        spacing_is_xyz: The spacing is in SimpleITK's order x, y, z, as the challenge's preprocessing writes it;
            otherwise in the order of the array.

    Raises:
        InputError: The file is not a case of the challenge, or holds something other than data.
    """
    return case_from_arrays(read_npz(path), str(path), spacing_is_xyz=spacing_is_xyz)


def case_from_arrays(content: Mapping[str, Any], source: str, *, spacing_is_xyz: bool = True) -> ChallengeCase:
    """Make a case from the arrays of its file.

    Raises:
        InputError: Something is missing or has another shape.
    """
    missing = [name for name in ("imgs", "spacing") if name not in content]
    if missing:
        raise InputError(f"{source} is not a case of the challenge: {' and '.join(missing)} missing; has {[*content]}.")
    images, spacing = np.asarray(content["imgs"]), np.asarray(content["spacing"], float).ravel()
    if images.ndim != 3 or spacing.size != 3 or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise InputError(
            f"{source} is not a case of the challenge: imgs are {images.shape}, spacing is {spacing.tolist()}; "
            "needed are three axes and three positive numbers."
        )
    in_order = spacing if spacing_is_xyz else spacing[::-1]
    i_mm, j_mm, k_mm = (float(each) for each in in_order)
    depth, height, width = images.shape
    geometry = Geometry.from_parts((depth, height, width), (0.0, 0.0, 0.0), (i_mm, j_mm, k_mm), np.eye(3))
    volume = Volume(images.astype(np.float32), geometry, Modality.OTHER, source)
    boxes, clicks = _listed(content, "boxes"), _listed(content, "clicks")
    order = _listed(content, "clicks_order")
    count = max(len(boxes), len(clicks))
    if not count:
        raise InputError(f"{source} has neither boxes nor clicks; give one of them for each class.")
    prompts = []
    for number in range(count):
        given = clicks[number] if number < len(clicks) else {}
        points = _points(given, order[number] if number < len(order) else (), images.shape, source)
        box, bounds = _box(boxes[number], images.shape, source) if number < len(boxes) else (None, None)
        prompts.append(ClassPrompts(box, bounds, points))
    return ChallengeCase(volume, tuple(prompts))


def write_segmentation(path: Path, segmentation: UInt8[np.ndarray, "d h w"], **more: Any) -> None:
    """Write a segmentation, completely or not at all."""
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, segs=segmentation, **more)


def read_npz(path: Path) -> dict[str, Any]:
    """Read all arrays of an .npz without running code.

    Raises:
        InputError: It cannot be read, or holds something other than data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} holds something other than data: {error}.") from None
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as .npz: {error}.") from error


class _DataOnly(pickle.Unpickler):
    """Restores arrays, numbers and containers of them, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Allow the parts of arrays only."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it needs {module}.{name}")
        return super().find_class(module, name)


def _array(content: bytes) -> Any:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if not dtype.hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    return np.asarray(_DataOnly(stream).load(), object).reshape(shape)


def _listed(content: Mapping[str, Any], name: str) -> list[Any]:
    return list(np.asarray(content[name], object)) if name in content else []


def _box(given: Any, shape: tuple[int, ...], source: str) -> tuple[Box, Bounds]:
    if not isinstance(given, dict) or not set(_BOX_KEYS) <= set(given):
        raise InputError(f"A box of {source} needs {', '.join(_BOX_KEYS)}; given: {given!r}.")
    low, high, k, x0, y0, x1, y1 = (int(given[key]) for key in _BOX_KEYS)
    x0, x1 = _wide_enough(x0, x1, shape[2])
    y0, y1 = _wide_enough(y0, y1, shape[1])
    return Box(k=k, i0=x0, j0=y0, i1=x1, j1=y1), Bounds(max(0, low), min(shape[0] - 1, high))


def _wide_enough(low: int, high: int, size: int) -> tuple[int, int]:
    """Widen a box of one pixel to two."""
    low, high = max(0, low), min(size - 1, high)
    return (low, high) if high > low else (max(0, min(low, size - 2)), max(1, min(low + 1, size - 1)))


def _points(
    given: Any, order: Sequence[str] | Shaped[np.ndarray, " n"], shape: tuple[int, ...], source: str
) -> tuple[Point, ...]:
    """Return the clicks in their order; without an order the positive ones come first."""
    if not isinstance(given, dict):
        raise InputError(f"The clicks of a class of {source} are {{'fg': [...], 'bg': [...]}}; given: {given!r}.")
    left = {sign: [[int(each) for each in click] for click in given.get(sign, ())] for sign in ("fg", "bg")}
    signs = [str(sign) for sign in order]
    if sorted(signs) != sorted(["fg"] * len(left["fg"]) + ["bg"] * len(left["bg"])):
        signs = ["fg"] * len(left["fg"]) + ["bg"] * len(left["bg"])
    points = []
    for sign in signs:
        k, j, i = left[sign].pop(0)
        if not all(0 <= at < size for at, size in zip((k, j, i), shape, strict=True)):
            raise InputError(f"A click of {source} lies outside the image: {[k, j, i]} of {list(shape)}.")
        points.append(Point(i=i, j=j, k=k, positive=sign == "fg"))
    return tuple(points)
