"""A slice looks the same to the radiologist whatever the storage order of the file."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radsam.volume import Geometry, Plane, SliceGrid

SHAPE_KJI = (5, 6, 7)
SPACING_IJK = (0.7, 0.9, 5.0)
STORAGES = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]

planes = st.sampled_from(list(Plane))
storages = st.sampled_from(STORAGES)
# Less than half a right angle in sum, so that each axis stays closest to its own direction.
tilts = st.tuples(*[st.floats(-14.0, 14.0)] * 3)


def lps_grid(tilt_deg: tuple[float, float, float]) -> Geometry:
    """A grid stored as L, P, S before its tilt."""
    turn = Rotation.from_euler("xyz", tilt_deg, degrees=True).as_matrix()
    return Geometry.from_parts(SHAPE_KJI, (-12.0, 34.0, -56.0), SPACING_IJK, turn)


def restore(
    array_kji: np.ndarray, geometry: Geometry, order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> tuple[np.ndarray, Geometry]:
    """Store the same volume otherwise: new axis ``a`` is old axis ``order[a]``, reversed if ``flips[a]``."""
    array_ijk = array_kji.transpose(2, 1, 0).transpose(order)
    new_to_old = np.zeros((4, 4))
    new_to_old[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        new_to_old[old, new] = -1.0 if flip else 1.0
        if flip:
            array_ijk = np.flip(array_ijk, axis=new)
            new_to_old[old, 3] = geometry.shape_ijk[old] - 1
    stored = np.ascontiguousarray(array_ijk.transpose(2, 1, 0))
    return stored, Geometry(stored.shape, geometry.affine_lps @ new_to_old)


def voxel_at(geometry: Geometry, point_lps: np.ndarray) -> tuple[int, int, int]:
    i, j, k = np.round(geometry.mm_to_index(point_lps)).astype(int)
    return int(i), int(j), int(k)


@given(tilts, storages, planes, st.tuples(*[st.integers(0, n - 1) for n in reversed(SHAPE_KJI)]))
def test_a_landmark_is_displayed_at_the_same_pixel_whatever_the_storage(
    tilt_deg: tuple[float, float, float],
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]],
    plane: Plane,
    landmark_ijk: tuple[int, int, int],
) -> None:
    geometry = lps_grid(tilt_deg)
    array = np.random.default_rng(0).integers(0, 1000, SHAPE_KJI)
    stored, stored_geometry = restore(array, geometry, *storage)
    seen = []
    for values, grid_of in ((array, geometry), (stored, stored_geometry)):
        grid = SliceGrid.of(grid_of, plane)
        index, u, v = grid.split(voxel_at(grid_of, geometry.index_to_mm(np.array(landmark_ijk, float))))
        x, y = grid.uv_to_display_xy(float(u), float(v))
        display = grid.to_display(grid.take(values, index))
        assert display.shape == grid.display_shape
        assert display[int(y), int(x)] == array[landmark_ijk[::-1]]
        seen.append((display, (x, y), grid.display_spacing_mm, grid.display_letters, grid.count))
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]
    np.testing.assert_allclose(seen[0][2], seen[1][2])
    assert seen[0][3:] == seen[1][3:]


@given(tilts, storages, planes)
def test_display_letters_point_where_the_millimetres_go(
    tilt_deg: tuple[float, float, float],
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]],
    plane: Plane,
) -> None:
    _, geometry = restore(np.zeros(SHAPE_KJI), lps_grid(tilt_deg), *storage)
    grid = SliceGrid.of(geometry, plane)
    toward = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}

    def at_mm(x: float, y: float) -> np.ndarray:
        u, v = grid.display_xy_to_uv(x, y)
        return geometry.index_to_mm(np.array(grid.join(0, int(u), int(v)), float))

    left, right, top, bottom = grid.display_letters
    for step, ahead, behind in (
        (at_mm(1.0, 0.0) - at_mm(0.0, 0.0), right, left),
        (at_mm(0.0, 1.0) - at_mm(0.0, 0.0), bottom, top),
    ):
        axis, sign = toward[ahead]
        assert np.argmax(np.abs(step)) == axis
        assert np.sign(step[axis]) == sign
        assert toward[behind] == (axis, -sign)


@given(storages, planes)
def test_the_slice_axis_is_the_one_along_the_normal(
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]], plane: Plane
) -> None:
    _, geometry = restore(np.zeros(SHAPE_KJI), lps_grid((0.0, 0.0, 0.0)), *storage)
    normal = {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}[plane]
    grid = SliceGrid.of(geometry, plane)
    assert storage[0][grid.axis] == normal
    assert grid.count == geometry.shape_ijk[grid.axis]


@given(storages, planes, st.tuples(*[st.integers(0, 4)] * 3))
def test_split_and_join_are_inverse(
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]], plane: Plane, index_ijk: tuple[int, int, int]
) -> None:
    stored, geometry = restore(np.arange(210).reshape(SHAPE_KJI), lps_grid((3.0, 0.0, 5.0)), *storage)
    grid = SliceGrid.of(geometry, plane)
    index, u, v = grid.split(index_ijk)
    assert grid.join(index, u, v) == index_ijk
    assert grid.take(stored, index)[v, u] == stored[index_ijk[::-1]]


@given(storages, planes, st.data())
def test_display_and_storage_are_inverse_for_arrays_and_for_points(
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]], plane: Plane, data: st.DataObject
) -> None:
    stored, geometry = restore(np.arange(210).reshape(SHAPE_KJI), lps_grid((0.0, -7.0, 2.0)), *storage)
    grid = SliceGrid.of(geometry, plane)
    slice_vu = grid.take(stored, data.draw(st.integers(0, grid.count - 1)))
    display = grid.to_display(slice_vu)
    np.testing.assert_array_equal(grid.from_display(display), slice_vu)
    rows, cols = grid.shape_vu
    u, v = data.draw(st.integers(0, cols - 1)), data.draw(st.integers(0, rows - 1))
    x, y = grid.uv_to_display_xy(float(u), float(v))
    assert display[int(y), int(x)] == slice_vu[v, u]
    assert grid.display_xy_to_uv(x, y) == (u, v)


@given(storages, planes, st.data())
def test_what_is_put_on_a_slice_is_taken_from_it_and_nothing_else_changes(
    storage: tuple[tuple[int, int, int], tuple[bool, bool, bool]], plane: Plane, data: st.DataObject
) -> None:
    stored, geometry = restore(np.zeros(SHAPE_KJI, dtype=np.int64), lps_grid((0.0, 0.0, 9.0)), *storage)
    grid = SliceGrid.of(geometry, plane)
    index = data.draw(st.integers(0, grid.count - 1))
    drawn = np.arange(1, 1 + grid.shape_vu[0] * grid.shape_vu[1]).reshape(grid.shape_vu)
    grid.put(stored, index, drawn)
    np.testing.assert_array_equal(grid.take(stored, index), drawn)
    assert np.count_nonzero(stored) == drawn.size


@given(st.tuples(*[st.floats(-180.0, 180.0)] * 3))
def test_the_three_planes_use_three_axes_however_oblique_the_grid(tilt_deg: tuple[float, float, float]) -> None:
    geometry = lps_grid(tilt_deg)
    assert {SliceGrid.of(geometry, plane).axis for plane in Plane} == {0, 1, 2}
