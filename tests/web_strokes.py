"""Strokes that the page must show as the server sets them: `web/tests/fixtures/strokes.json`.

Running this module rewrites the file; `tests/unit/server/test_web_grids.py` compares it with the shapes of hand edits,
and the page's own tests (`web/tests/stroke_pixels.test.ts`) read it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from radsam.volume import Brush, Geometry, Lasso, Plane, SliceGrid
from radsam.volume.hand_shape import HandShape, alike, sampled_voxel, shape_voxels, within_range
from web_grids import directions, plane_info

FIXTURE = Path(__file__).resolve().parents[1] / "web" / "tests" / "fixtures" / "strokes.json"
SHAPE_KJI = (11, 17, 23)
SPACING_MM_IJK = (0.7, 0.8, 2.5)
RANGE_HU, TOLERANCE_HU = (20.0, 60.0), 25.0


def hu() -> np.ndarray:
    """Return values without any symmetry, the same as the page's test makes."""
    k, j, i = np.indices(SHAPE_KJI)
    return np.asarray((i * 7 + j * 13 + k * 29 + i * j * k) % 97, np.int16)


def strokes() -> dict[str, Any]:
    """Return, per grid, what the server sends about it and the pixels of strokes on its planes."""
    return {name: _grid(direction) for name, direction in directions().items()}


def _grid(direction: np.ndarray) -> dict[str, Any]:
    geometry = Geometry.from_parts(SHAPE_KJI, (10.0, -20.0, 30.0), SPACING_MM_IJK, direction)
    planes = {plane: SliceGrid.of(geometry, plane) for plane in Plane}
    return {
        "shape_ijk": list(geometry.shape_ijk),
        "spacing_mm_ijk": [round(mm, 9) for mm in geometry.spacing_mm_ijk],
        "affine_lps": np.round(geometry.affine_lps, 9).tolist(),
        "planes": {plane.value: plane_info(grid) for plane, grid in planes.items()},
        "strokes": [stroke for grid in planes.values() for stroke in _strokes(geometry, grid)],
    }


def _strokes(geometry: Geometry, grid: SliceGrid) -> list[dict[str, Any]]:
    rows, cols = grid.shape_vu
    index = grid.count // 2 + 1
    corners = [(0.1, 0.2), (0.55, 0.3), (0.5, 0.9), (0.8, 0.65)]
    path = [(int(x * cols), int(y * rows)) for x, y in corners]
    polygon = [(round(x * cols, 2), round(y * rows, 2)) for x, y in [(0.1, -0.2), (0.9, 0.31), (0.4, 0.5), (0.25, 1.2)]]
    whole = [(2.0, 1.0), (8.0, 1.0), (8.0, 6.0), (5.0, 3.0), (2.0, 6.0)]  # corners on the centres of pixels
    drawn: list[tuple[dict[str, Any], HandShape]] = [
        ({"path": some, "radius_mm": mm}, _brush(grid, index, some, mm))
        for some, mm in [(path, 0.2), (path, 1.7), (path, 4.0), (path[:1], 3.3), (path[2:], 2.5)]
    ]
    axis = "ijk"[grid.axis]
    drawn += [({"polygon": some}, Lasso(polygon=tuple(some), **{axis: index})) for some in (polygon, whole)]
    return [
        {"plane": grid.plane.value, "index": index} | form | _pixels(shape, geometry, grid, index)
        for form, shape in drawn
    ]


def _brush(grid: SliceGrid, index: int, path: list[tuple[int, int]], radius_mm: float) -> Brush:
    voxels = []
    for u, v in path:
        voxel = [index, index, index]
        voxel[grid.uv_axes[0]], voxel[grid.uv_axes[1]] = u, v
        voxels.append((voxel[0], voxel[1], voxel[2]))
    return Brush(path_ijk=tuple(voxels), radius_mm=radius_mm, plane=grid.plane)


def _pixels(shape: HandShape, geometry: Geometry, grid: SliceGrid, index: int) -> dict[str, Any]:
    voxels = shape_voxels(shape, geometry)
    some = within_range(voxels, hu(), RANGE_HU)
    at = sampled_voxel(shape, voxels)
    near = alike(voxels, hu(), at, TOLERANCE_HU, geometry.spacing_mm_ijk)
    found = {"runs": voxels, "within": some, "alike": near}
    return {name: each.along(grid.axis).slices[index].runs.tolist() if each else None for name, each in found.items()}


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(strokes()) + "\n")
