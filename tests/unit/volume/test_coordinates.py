"""Do voxels and millimetres name the same places, however the volume is stored?"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from radsam.errors import PromptError
from radsam.volume import Bounds, Geometry, Plane, Point, SliceGrid
from radsam.volume.coordinates import Coordinates, group_by_slice

SHAPE = 40, 60, 50  # k, j, i
SPACING = 0.8, 0.9, 2.5
#: LPS axis and sign of i, j and k.
STORED = {
    "LPS": ((0, 1), (1, 1), (2, 1)),
    "RAI": ((0, -1), (1, -1), (2, -1)),
    "SLP": ((2, 1), (0, 1), (1, 1)),
    "PIR": ((1, 1), (2, -1), (0, -1)),
}
LPS_OF = {Plane.AXIAL: (2, (0, 1)), Plane.CORONAL: (1, (0, 2)), Plane.SAGITTAL: (0, (1, 2))}


def geometry(stored: str, tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Geometry:
    direction = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(STORED[stored]):
        direction[axis, column] = sign
    turned = Rotation.from_euler("xyz", tilt_deg, degrees=True).as_matrix() @ direction
    return Geometry.from_parts(SHAPE, (12.5, -130.0, -400.25), SPACING, turned)


def coordinates(grid_of: Geometry, plane: Plane, mm: bool) -> Coordinates:
    return Coordinates(grid_of, SliceGrid.of(grid_of, plane), mm)


def mm_of(where: Geometry, voxel: tuple[float, float, float]) -> np.ndarray:
    return where.index_to_mm(np.array(voxel, np.float64))


@pytest.mark.parametrize("plane", Plane)
@pytest.mark.parametrize("stored", STORED)
def test_millimetres_and_voxels_make_the_same_prompts(stored: str, plane: Plane) -> None:
    where = geometry(stored)
    in_voxels, in_mm = (coordinates(where, plane, mm) for mm in (False, True))
    grid = in_voxels.grid
    across, (first, second) = LPS_OF[plane]
    middle = mm_of(where, grid.join(20, 15, 25))
    near, far = mm_of(where, grid.join(20, 10, 20)), mm_of(where, grid.join(20, 30, 35))

    assert in_mm.index(middle[across]) == in_voxels.index(20.0) == 20
    # Whichever corner is typed first: in millimetres, the order of the voxels is not the user's to know.
    for a, b in ((near, far), (far, near)):
        typed = in_mm.box(near[across], (a[first], a[second], b[first], b[second]))
        assert typed == in_voxels.box(20.0, (10.0, 20.0, 30.0, 35.0))
    assert in_mm.point_on_slice(middle[across], (middle[first], middle[second])) == in_voxels.point_on_slice(
        20.0, (15.0, 25.0)
    )
    x, y, z = middle
    assert in_mm.point((x, y, z), False) == in_voxels.point(tuple(float(each) for each in grid.join(20, 15, 25)), False)
    ends = [mm_of(where, grid.join(index, 15, 25))[across] for index in (18, 27)]
    inside = middle[first], middle[second]
    for low, high in (ends, ends[::-1]):
        assert in_mm.bounds((low, high), inside) == in_voxels.bounds((18.0, 27.0), None) == Bounds(18, 27)


@pytest.mark.parametrize("plane", Plane)
@pytest.mark.parametrize("stored", STORED)
def test_in_an_oblique_volume_a_place_is_its_nearest_voxel(stored: str, plane: Plane) -> None:
    """The slice is the one at the box's own place, not at the middle of the volume."""
    where = geometry(stored, (6.0, -5.0, 8.0))
    typed = coordinates(where, plane, True)
    grid = typed.grid
    across, (first, second) = LPS_OF[plane]
    rng = np.random.default_rng(0)
    for _ in range(50):
        index, u, v = (int(rng.integers(0, n)) for n in (grid.count, grid.shape_vu[1], grid.shape_vu[0]))
        voxel = grid.join(index, u, v)
        x, y, z = mm_of(where, voxel) + rng.uniform(-0.2, 0.2, 3) * min(SPACING)
        position = x, y, z
        assert typed.point(position, True).index_ijk == voxel
        inside = position[first], position[second]
        assert typed.point_on_slice(position[across], inside).index_ijk == voxel
        assert typed.index(position[across], inside) == index
        box = typed.box(position[across], (inside[0] - 4, inside[1] - 4, inside[0] + 4, inside[1] + 4))
        assert box.index == index
        u0, v0, u1, v1 = box.uvuv
        assert u0 < u < u1
        assert v0 < v < v1


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), -float("inf")])
def test_voxels_are_whole_numbers(value: float) -> None:
    typed = coordinates(geometry("LPS"), Plane.AXIAL, False)
    for call in (
        lambda: typed.index(value),
        lambda: typed.box(3.0, (1.0, 1.0, value, 9.0)),
        lambda: typed.point_on_slice(3.0, (1.0, value)),
        lambda: typed.point((1.0, value, 3.0), True),
        lambda: typed.bounds((1.0, value), None),
    ):
        with pytest.raises(PromptError, match="whole numbers"):
            call()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_millimetres_are_finite(value: float) -> None:
    typed = coordinates(geometry("LPS"), Plane.AXIAL, True)
    for call in (
        lambda: typed.index(value),
        lambda: typed.box(3.0, (1.0, 1.0, value, 9.0)),
        lambda: typed.point_on_slice(3.0, (1.0, value)),
        lambda: typed.point((1.0, value, 3.0), True),
    ):
        with pytest.raises(PromptError, match="finite"):
            call()


def test_reversed_voxel_bounds_are_refused_not_sorted() -> None:
    with pytest.raises(PromptError, match="reversed"):
        coordinates(geometry("LPS"), Plane.AXIAL, False).bounds((9.0, 3.0), None)


def test_points_on_one_slice_make_one_correction_in_typed_order() -> None:
    grid = SliceGrid.of(geometry("LPS"), "axial")
    a, b, c = Point(i=1, j=1, k=7), Point(i=2, j=2, k=3, positive=False), Point(i=3, j=3, k=7, positive=False)
    assert group_by_slice([a, b, c], grid) == [(a, c), (b,)]
    assert group_by_slice([a, b, c], SliceGrid.of(geometry("LPS"), "coronal")) == [(a,), (b,), (c,)]
    assert group_by_slice([], grid) == []
