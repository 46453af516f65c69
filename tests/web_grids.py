"""Grids on which the page and the server must put each voxel at the same place: `web/tests/fixtures/grids.json`.

Running this module rewrites the file; `tests/unit/server/test_web_grids.py` compares it with `SliceGrid`, and the
page's own tests (`web/tests/coordinates.test.ts`) read it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from radsam.volume import Geometry, Plane, SliceGrid

FIXTURE = Path(__file__).resolve().parents[1] / "web" / "tests" / "fixtures" / "grids.json"
SHAPE_KJI = (5, 4, 3)
SPACING_MM_IJK = (0.7, 0.8, 2.5)
#: Voxels, as stored, whose positions on the screen the file holds.
VOXELS = ((0, 0, 0), (2, 0, 0), (0, 3, 0), (0, 0, 4), (2, 1, 3))


def directions() -> dict[str, np.ndarray]:
    """Return LPS directions of the voxel axes (as columns) by name: usual, mirrored, permuted and oblique."""
    usual = np.eye(3)
    flipped = np.diag([-1.0, 1.0, -1.0])
    sagittal = usual[:, [1, 2, 0]]
    coronal_flipped = usual[:, [0, 2, 1]] * [1, -1, 1]
    return {
        "usual": usual,
        "flipped": flipped,
        "nifti_ras": np.diag([-1.0, -1.0, 1.0]),
        "sagittal": sagittal,
        "coronal_flipped": coronal_flipped,
        "oblique": rotation(20, 10, 5) @ usual,
        "oblique_permuted": rotation(-15, 8, 25) @ sagittal @ np.diag([1.0, -1.0, 1.0]),
    }


def rotation(*degrees_xyz: float) -> np.ndarray:
    """Return the rotation about x, then y, then z."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees_xyz)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out


def grids() -> dict[str, Any]:
    """Return, per grid, what the server sends about it and where its planes show `VOXELS`."""
    return {name: grid(direction) for name, direction in directions().items()}


def grid(direction: np.ndarray) -> dict[str, Any]:
    geometry = Geometry.from_parts(SHAPE_KJI, (10.0, -20.0, 30.0), SPACING_MM_IJK, direction)
    planes = {plane.value: SliceGrid.of(geometry, plane) for plane in Plane}
    return {
        "shape_ijk": list(geometry.shape_ijk),
        "spacing_mm_ijk": [round(mm, 9) for mm in geometry.spacing_mm_ijk],
        "affine_lps": np.round(geometry.affine_lps, 9).tolist(),
        "planes": {name: plane_info(each) for name, each in planes.items()},
        "shown": {name: [shown(each, voxel) for voxel in VOXELS] for name, each in planes.items()},
        "voxels": [list(voxel) for voxel in VOXELS],
    }


def shown(grid: SliceGrid, voxel: tuple[int, int, int]) -> list[int]:
    index, u, v = grid.split(voxel)
    return [index, *(int(each) for each in grid.uv_to_display_xy(float(u), float(v)))]


def plane_info(grid: SliceGrid) -> dict[str, Any]:
    return {
        "axis": grid.axis_name,
        "count": grid.count,
        "uv_axes": ["ijk"[axis] for axis in grid.uv_axes],
        "transpose": grid.transpose,
        "flip_rows": grid.flip_rows,
        "flip_cols": grid.flip_cols,
        "spacing_mm_vu": [round(mm, 9) for mm in grid.spacing_mm_vu],
    }


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(grids(), indent=1) + "\n")
