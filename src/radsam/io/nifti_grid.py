"""The two grids that a NIfTI-1 file states, and the choice between them.

The qform (a rotation, with the spacing in `pixdim`) and the sform (an affine) each have a
code; 0 means "not given". The standard, nibabel and most viewers follow the sform where it
is given. ITK takes the spacing from `pixdim` always and prefers the qform to an sform that
is not the scanner's own, so that a grid read through ITK alone lies elsewhere.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from radsam.volume import Geometry

#: Grids closer than this, in voxels at the far corner, are one grid that two writers
#: rounded: no voxel moves to its neighbour.
_SAME_PLACE_VOXELS = 0.5
#: Columns of a rotation may be this far from perpendicular: some writers keep four digits.
_PERPENDICULAR = 1e-3
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Millimetres of the units of length in `xyzt_units`; unknown units are millimetres.
_UNIT_MM = {1: 1000.0, 3: 0.001}


class GridWarning(UserWarning):
    """A file does not state unambiguously where its voxels are in the patient."""


def choose_grid(head: bytes, read: Geometry, path: Path) -> Geometry:
    """Choose the grid of a NIfTI-1 file as the standard requires; warn if other tools may disagree.

    Args:
        head: The 348 bytes of its header.
        read: The grid as SimpleITK reads it.
        path: The file, for the warning.
    """
    order = "<" if struct.unpack("<i", head[:4]) == (348,) else ">"
    qform_code, sform_code = struct.unpack_from(f"{order}2h", head, 252)
    if sform_code <= 0:
        if qform_code <= 0:
            warnings.warn(
                f"{path} does not state the orientation of its voxels (qform and sform are not set). It is taken to "
                "run to the patient's left, back and head: compare left and right with the original images.",
                GridWarning,
                stacklevel=2,
            )
        return read
    affine_lps = _sform_lps(head, order)
    if not np.isfinite(affine_lps).all() or abs(np.linalg.det(affine_lps[:3, :3])) < 1e-12:
        return read  # an sform of zeros with a code
    stated = Geometry(read.shape_kji, affine_lps)
    if read.moved_voxels(stated) < _SAME_PLACE_VOXELS:
        return read
    usable = np.allclose(stated.direction.T @ stated.direction, np.eye(3), atol=_PERPENDICULAR)
    warnings.warn(
        f"{path} gives two grids that differ: {stated.describe()} in its sform, {read.describe()} in its qform and "
        f"pixdim. The {'sform' if usable else 'qform'} is used; programs that use the other one show the CT elsewhere.",
        GridWarning,
        stacklevel=2,
    )
    return stated if usable else read


def _sform_lps(head: bytes, order: str) -> Float[np.ndarray, "4 4"]:
    rows = np.array(struct.unpack_from(f"{order}12f", head, 280), np.float64).reshape(3, 4)
    affine_ras_mm = np.vstack([rows * _UNIT_MM.get(head[123] & 7, 1.0), [0.0, 0.0, 0.0, 1.0]])
    return np.asarray(_RAS_TO_LPS @ affine_ras_mm)
