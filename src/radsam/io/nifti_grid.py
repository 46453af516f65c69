"""The two grids that a NIfTI-1 file states, and the choice between them.

The qform (a rotation, with the spacing in `pixdim`) and the sform (an affine) each have a
code; 0 means "not given". The standard, nibabel and most viewers follow the sform where it
is given. ITK takes the spacing from `pixdim` always and prefers the qform to an sform that
is not the scanner's own, so that a grid read through ITK alone lies elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from radsam.errors import VolumeError
from radsam.io.nifti_header import NiftiHeader
from radsam.io.stated_grid import (
    rectangular,
    warn_of_orientation,
    warn_of_spacing,
    warn_of_two_grids,
    warn_of_unit,
)
from radsam.volume import Geometry

#: Grids closer than this, in voxels at the far corner, are one grid that two writers
#: rounded: no voxel moves to its neighbour.
_SAME_PLACE_VOXELS = 0.5
#: Relative difference of two spacings that float32 rounded.
_FLOAT32 = 1e-6
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti_grid(header: NiftiHeader, path: Path) -> Geometry:
    """Choose the grid of a NIfTI-1 file as the standard requires; warn if other tools may disagree.

    Args:
        header: Its header, of a three-dimensional image.
        path: The file, for messages.

    Raises:
        VolumeError: The only grid that it states is sheared.
    """
    sform, qform = _sform(header), _qform(header)
    sform_given = header.sform_code > 0 and header.sform_ras[:3].any() and np.isfinite(header.sform_ras).all()
    if sform_given and sform is None and qform is not None:
        warn_of_two_grids(path, "a damaged one in its sform", f"{qform.describe()} in its qform and pixdim", "qform")
    spacing_given = bool(_given(header.pixdim[1:]).all())
    if sform is not None:
        chosen, used = _sform_or_qform(sform, qform, path)
        # An sform of float32 has its spacing to seven digits only: of the same spacing, pixdim keeps all of them.
        stated = _with_spacing(header, chosen)
        if spacing_given and np.allclose(stated.spacing_mm_ijk, chosen.spacing_mm_ijk, rtol=_FLOAT32, atol=0):
            chosen = stated
        # Programs that take the spacing from pixdim, as ITK does, see this grid.
        other = qform or _with_spacing(header, sform)
        if spacing_given and not sform.moved_voxels(other) < _SAME_PLACE_VOXELS:
            warn_of_two_grids(
                path, f"{sform.describe()} in its sform", f"{other.describe()} in its qform and pixdim", used
            )
    else:
        chosen = qform or _with_spacing(header, Geometry(header.shape_kji, np.eye(4)))
        if not spacing_given:
            warn_of_spacing(path, "pixdim is not set")
        if qform is None:
            warn_of_orientation(path, "qform and sform are not set")
    if header.unit_mm is None:
        warn_of_unit(chosen, path)
    return chosen


def _sform_or_qform(sform: Geometry, qform: Geometry | None, path: Path) -> tuple[Geometry, str]:
    """Return the sform's grid and its name; the qform's where the sform is sheared."""
    try:
        return rectangular(sform, path), "sform"
    except VolumeError:
        if qform is None:
            raise
        return qform, "qform"


def _sform(header: NiftiHeader) -> Geometry | None:
    """Return the grid of the sform; None if it is not given, or is not a grid, such as zeros with a code."""
    if header.sform_code <= 0:
        return None
    try:
        return _grid(header, header.sform_ras)
    except VolumeError:
        return None


def _qform(header: NiftiHeader) -> Geometry | None:
    """Return the grid of the qform and pixdim; None if it is not given.

    Spacings count without their sign: only the quaternion and pixdim[0] turn and mirror axes.
    """
    if header.qform_code <= 0 or not np.isfinite([*header.quaternion, *header.offset_ras]).all():
        return None
    affine = np.eye(4)
    affine[:3, :3] = _rotation(header.quaternion) * (1.0, 1.0, -1.0 if header.pixdim[0] < 0 else 1.0)
    affine[:3, :3] *= _spacing(header)
    affine[:3, 3] = header.offset_ras
    return _grid(header, affine)


def _grid(header: NiftiHeader, affine_ras: Float[np.ndarray, "4 4"]) -> Geometry:
    in_mm = np.diag([*[header.unit_mm or 1.0] * 3, 1.0])
    return Geometry(header.shape_kji, _RAS_TO_LPS @ in_mm @ affine_ras)


def _with_spacing(header: NiftiHeader, grid: Geometry) -> Geometry:
    """Return a grid with the spacing of the header's pixdim."""
    i, j, k = _spacing(header) * (header.unit_mm or 1.0)
    return Geometry.from_parts(grid.shape_kji, grid.origin_lps, (float(i), float(j), float(k)), grid.direction)


def _given(spacing: Float[np.ndarray, "3"]) -> Bool[np.ndarray, "3"]:
    return np.asarray(np.isfinite(spacing) & (spacing != 0))


def _spacing(header: NiftiHeader) -> Float[np.ndarray, "3"]:
    """Return pixdim in the unit of the file; 1 mm where it is not given."""
    spacing = header.pixdim[1:]
    return np.asarray(np.where(_given(spacing), np.abs(spacing), 1.0 / (header.unit_mm or 1.0)))


def _rotation(quaternion: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Return the matrix of a unit quaternion without its first number, which is not negative (nifti1.h).

    Numbers too long for a unit quaternion are shortened. SciPy's rotations would take half a second to load.
    """
    b, c, d = quaternion / max(1.0, float(np.linalg.norm(quaternion)))
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
