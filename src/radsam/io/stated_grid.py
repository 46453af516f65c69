"""What a file states about its grid, and what is done where it states nothing.

Lengths are millimetres: other units are converted. Spacing or orientation that a file
leaves out is assumed, with a warning. The axes of a grid are made perpendicular here, so
that every grid that can be read can be written, too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from radsam.errors import VolumeError
from radsam.volume import Geometry

#: Directions that are this close to perpendicular are used as they are; the writers ask for no more than 1e-5.
_PERPENDICULAR = 5e-6
#: Turning the axes may move a voxel this far, in voxels, without a word: cosines of three or four digits do so.
UNNOTICED_VOXELS = 0.1
#: Beyond this a voxel would move to its neighbour.
_MOST_VOXELS = 0.5
#: Spacings of CT, from micro-CT to a scout's slices: others are in another unit of length.
_LIKELY_MM = (0.005, 50.0)
_UNITS_MM = {
    "m": 1000.0, "meter": 1000.0, "meters": 1000.0, "metre": 1000.0, "metres": 1000.0,
    "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0,
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0,
    "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "micrometers": 1e-3,
    "micrometre": 1e-3, "micrometres": 1e-3, "nm": 1e-6,
}  # fmt: skip


#: Where the warnings of this thread go instead; None for Python's own way, which all threads share.
_heard: ContextVar[list[str] | None] = ContextVar("_heard", default=None)


class GridWarning(UserWarning):
    """A file does not state unambiguously where its voxels are in the patient."""


@contextmanager
def grid_notes() -> Iterator[list[str]]:
    """Collect the texts of this thread's `GridWarning`s within the ``with`` block, in place of the warnings."""
    heard: list[str] = []
    before = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(before)


def unit_mm(name: str) -> float | None:
    """Return the millimetres of a unit of length; None if it is unknown."""
    # The sign for micro has two characters, in several encodings.
    return _UNITS_MM.get(re.sub(r"[^\x00-\x7f]+", "u", name.strip().lower()))


def warn_of_spacing(path: Path, field: str) -> None:
    """Warn that a file gives no spacing for at least one axis.

    Args:
        path: The file.
        field: What it lacks, in the terms of its format.
    """
    _warn(
        f"{path} does not state the size of its voxels ({field}). It is taken as 1 mm: if it is another one, lengths "
        "and volumes are wrong, and the model sees the CT stretched."
    )


def warn_of_orientation(path: Path, why: str) -> None:
    """Warn that a file does not say how its axes lie in the patient.

    Args:
        path: The file.
        why: What it lacks, in the terms of its format.
    """
    _warn(
        f"{path} does not state the orientation of its voxels ({why}). It is taken to run to the patient's left, back "
        "and head: compare left and right with the original images."
    )


def warn_of_unit(geometry: Geometry, path: Path, *, stated: str = "") -> None:
    """Warn if lengths without a known unit cannot be millimetres, or have an unknown one."""
    likely = all(_LIKELY_MM[0] <= each <= _LIKELY_MM[1] for each in geometry.spacing_mm_ijk)
    if stated or not likely:
        sizes = "×".join(f"{each:.4g}" for each in geometry.spacing_mm_ijk)
        given = f"gives lengths in {stated!r}, which is not known" if stated else "does not state its unit of length"
        _warn(f"{path} {given}. It is taken as mm, which makes voxels of {sizes} mm. If that is wrong, convert it.")


def warn_of_two_grids(path: Path, first: str, second: str, used: str) -> None:
    """Warn that a file states two grids that differ."""
    _warn(
        f"{path} gives two grids that differ: {first}, {second}. The {used} is used; programs that use the other one "
        "show the CT elsewhere."
    )


def warn_of_scaling(path: Path, stated: str, bits: int) -> None:
    """Warn that values were quantised, so that they are not exact."""
    _warn(
        f"{path} holds values that were quantised to {bits} bits ({stated}). They are turned back into that range, "
        f"with the precision of {bits} bits."
    )


def rectangular(geometry: Geometry, path: Path) -> Geometry:
    """Return the grid with perpendicular axes: headers keep cosines of few digits.

    Args:
        geometry: The grid as the header states it.
        path: The file, for messages.

    Returns:
        The grid itself if its axes are perpendicular already, else the nearest one.

    Raises:
        VolumeError: A voxel would move to its neighbour: the grid is sheared.
    """
    if geometry.shear <= _PERPENDICULAR:
        return geometry
    nearest = geometry.nearest_rectangular()
    moved = nearest.moved_voxels(geometry)
    if moved > _MOST_VOXELS:
        raise VolumeError(sheared(path))
    if moved > UNNOTICED_VOXELS:
        _warn(
            f"The voxel axes of {path} are not quite perpendicular. They are turned until they are, which moves the "
            f"outermost voxels by {moved:.2f} of a voxel."
        )
    return nearest


def sheared(path: Path) -> str:
    """Say that the grid of a file is not rectangular."""
    return (
        f"The voxel axes of {path} are not perpendicular (a sheared or damaged affine). "
        "Resample it to a rectangular grid and try again."
    )


def _warn(message: str) -> None:
    heard = _heard.get()
    if heard is None:
        warnings.warn(message, GridWarning, stacklevel=3)
    elif message not in heard:
        heard.append(message)
