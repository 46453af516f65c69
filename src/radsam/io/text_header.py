"""What the text headers of NRRD and MetaImage state besides what SimpleITK reads.

SimpleITK takes lengths as millimetres whatever their unit is, fills in what is missing
without a word, and ignores the functions that turn stored values into intensities.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from radsam.errors import VolumeError
from radsam.io.stated_grid import (
    rectangular,
    unit_mm,
    warn_of_orientation,
    warn_of_scaling,
    warn_of_spacing,
    warn_of_two_grids,
    warn_of_unit,
)
from radsam.volume import Geometry

#: Spaces of NRRD that say where the patient is; in the others, x, y and z have no names.
_PATIENT_SPACES = {"right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps"}
_UNSIGNED_BITS = {"uint8": 8, "uint16": 16, "uint32": 32}
#: Signs of the LPS directions that AnatomicalOrientation's letters name: the side where an axis begins.
_BEGINS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "I": (2, 1), "S": (2, -1)}


def check_nrrd_axes(fields: Mapping[str, str], path: Path) -> None:
    """Refuse a stack whose axes are only partly in space.

    Raises:
        VolumeError: One of its three axes has the direction "none", and others have one.
    """
    stated, text = _directions(fields), fields.get("spacedirections", "")
    if 0 < len(stated) < 3 <= len(fields.get("sizes", "").split()):
        raise VolumeError(
            f"{path} states the direction of {len(stated)} axes only (space directions: {text}); a volume has three "
            "axes in space. Save it with the direction and spacing of each."
        )


def nrrd_grid(fields: Mapping[str, str], read: Geometry, path: Path) -> Geometry:
    """Return the grid of a NRRD file in millimetres; warn of what it does not state.

    Args:
        fields: Its header, keys in lower case without spaces.
        read: The grid as SimpleITK reads it.
        path: The file, for messages.

    Raises:
        VolumeError: The grid is sheared.
    """
    if not _directions(fields):
        spacings = _floats(fields.get("spacings", ""))
        if len(spacings) < 3 or not all(math.isfinite(each) and each for each in spacings):
            warn_of_spacing(path, "neither spacings nor space directions are given")
        warn_of_orientation(path, "space directions are not given")
    elif fields.get("space", "").lower() not in _PATIENT_SPACES:
        warn_of_orientation(path, f"its space is {fields.get('space') or 'not named'}")
    units = re.findall(r'"([^"]*)"', fields.get("spaceunits") or fields.get("units", ""))
    return rectangular(_in_mm(read, [each for each in units if each.strip()], path), path)


def nrrd_scaling(fields: Mapping[str, str], dtype: str, path: Path) -> tuple[float, float]:
    """Return slope and intercept that undo a quantisation (`unu quantize`), else (1, 0).

    The values of n unsigned bits are the middles of 2^n parts of the range from `old min` to `old max`.

    Args:
        fields: The header, keys in lower case without spaces.
        dtype: Type of the stored values.
        path: The file, for the warning.
    """
    low, high = (_floats(fields.get(name, "")) or [math.nan] for name in ("oldmin", "oldmax"))
    bits = _UNSIGNED_BITS.get(dtype)
    if bits is None or not (math.isfinite(low[0]) and math.isfinite(high[0])) or low[0] == high[0]:
        return 1.0, 0.0
    warn_of_scaling(path, f"old min {low[0]:g}, old max {high[0]:g}", bits)
    slope = (high[0] - low[0]) / (1 << bits)
    return slope, low[0] + slope / 2


def meta_grid(fields: Mapping[str, str], read: Geometry, path: Path) -> Geometry:
    """Return the grid of a MetaImage file in millimetres; warn of what it does not state.

    Args:
        fields: Its header.
        read: The grid as SimpleITK reads it.
        path: The file, for messages.

    Raises:
        VolumeError: The grid is sheared.
    """
    spacings = _floats(fields.get("ElementSpacing") or fields.get("ElementSize", ""))
    if len(spacings) < 3 or not all(spacings):
        warn_of_spacing(path, "neither ElementSpacing nor ElementSize is given")
    stated = any(fields.get(name) for name in ("TransformMatrix", "Rotation", "Orientation"))
    named = _anatomical(fields.get("AnatomicalOrientation", ""))
    if stated and named is not None and not (np.sum(named * read.direction, axis=0) > math.cos(math.pi / 3)).all():
        warn_of_two_grids(
            path, "one in its TransformMatrix", "one in its AnatomicalOrientation", "one of the TransformMatrix"
        )
    elif not stated and named is not None:
        read = Geometry.from_parts(read.shape_kji, read.origin_lps, read.spacing_mm_ijk, named)
    elif not stated:
        warn_of_orientation(path, "TransformMatrix is not given")
    unit = fields.get("DistanceUnits", "").strip("? ")
    return rectangular(_in_mm(read, [unit] * 3 if unit else [], path), path)


def meta_scaling(fields: Mapping[str, str]) -> tuple[float, float]:
    """Return slope and offset of a MetaImage file's values; (1, 0) where they are not given, or not numbers."""
    slope, offset = (
        (_floats(fields.get(f"ElementToIntensityFunction{name}", "")) or [default])[0]
        for name, default in (("Slope", 1.0), ("Offset", 0.0))
    )
    return (slope, offset) if slope and math.isfinite(slope) and math.isfinite(offset) else (1.0, 0.0)


def _directions(fields: Mapping[str, str]) -> list[str]:
    """Return the directions that are stated, one for each axis in space."""
    found = re.findall(r"none|\([^)]*\)", fields.get("spacedirections", "").lower())
    return [each for each in found if each != "none" and "nan" not in each]


def _anatomical(letters: str) -> np.ndarray | None:
    """Return the directions that three letters such as RAI name: column a is that of axis a. None if they name none."""
    axes = [_BEGINS.get(each) for each in letters.strip().upper()]
    if len(axes) != 3 or {axis and axis[0] for axis in axes} != {0, 1, 2}:
        return None
    directions = np.zeros((3, 3))
    for column, axis in enumerate(axes):
        if axis is not None:
            directions[axis[0], column] = axis[1]
    return directions


def _in_mm(read: Geometry, units: Sequence[str], path: Path) -> Geometry:
    """Convert a grid whose x, y and z are in these units; without them, in mm."""
    known = [unit_mm(each) for each in units]
    if len(units) < 3 or None in known:
        warn_of_unit(read, path, stated=next((name for name, mm in zip(units, known, strict=True) if mm is None), ""))
        return read
    return Geometry(read.shape_kji, np.diag([*(each or 1.0 for each in known[:3]), 1.0]) @ read.affine_lps)


def _floats(text: str) -> list[float]:
    """Return numbers separated by blanks; none where one is not a number."""
    try:
        return [float(each) for each in text.split()]
    except ValueError:
        return []
