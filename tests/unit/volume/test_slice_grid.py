from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import PromptError
from radsam.volume import Geometry, Plane, SliceGrid

# A usual axial CT: i to the left, j to the back, k to the head.
USUAL = Geometry.from_parts((4, 5, 6), (0.0, 0.0, 0.0), (0.7, 0.8, 5.0), np.eye(3))
# The same stored sagittally: i to the back, j to the feet, k to the left.
SAGITTAL_STORED = Geometry.from_parts(
    (6, 4, 5), (0.0, 0.0, 15.0), (0.8, 5.0, 0.7), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
)


def test_a_usual_axial_slice_is_displayed_as_stored() -> None:
    grid = SliceGrid.of(USUAL, Plane.AXIAL)
    assert (grid.axis_name, grid.count, grid.shape_vu) == ("k", 4, (5, 6))
    assert (grid.transpose, grid.flip_rows, grid.flip_cols) == (False, False, False)
    assert grid.display_spacing_mm == pytest.approx((0.8, 0.7))


def test_a_usual_coronal_slice_is_turned_head_up() -> None:
    grid = SliceGrid.of(USUAL, Plane.CORONAL)
    assert (grid.axis_name, grid.shape_vu) == ("j", (4, 6))
    assert grid.flip_rows
    assert grid.uv_to_display_xy(0.0, 3.0) == (0, 0)
    assert grid.display_spacing_mm == pytest.approx((5.0, 0.7))


@pytest.mark.parametrize(
    ("plane", "letters"),
    [
        (Plane.AXIAL, ("R", "L", "A", "P")),
        (Plane.CORONAL, ("R", "L", "S", "I")),
        (Plane.SAGITTAL, ("A", "P", "S", "I")),
    ],
)
def test_display_edges_carry_the_radiological_letters(plane: Plane, letters: tuple[str, ...]) -> None:
    assert SliceGrid.of(USUAL, plane).display_letters == letters
    assert SliceGrid.of(SAGITTAL_STORED, plane).display_letters == letters


@pytest.mark.parametrize(("plane", "axis_name"), [("axial", "j"), ("coronal", "i"), ("sagittal", "k")])
def test_a_volume_stored_sagittally_answers_each_plane_by_its_anatomy(plane: str, axis_name: str) -> None:
    assert SliceGrid.of(SAGITTAL_STORED, plane).axis_name == axis_name


def test_sagittal_storage_shows_the_same_axial_slice() -> None:
    usual = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    # New k, j, i are old i, old k reversed, old j.
    stored = usual.transpose(2, 0, 1)[:, ::-1, :]
    expected = SliceGrid.of(USUAL, "axial").to_display(usual[1])
    grid = SliceGrid.of(SAGITTAL_STORED, "axial")
    np.testing.assert_array_equal(grid.to_display(grid.take(stored, 2)), expected)


def test_a_grid_tilted_by_half_a_right_angle_still_has_three_planes() -> None:
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, 1.0]]) / np.array([1.0, 2**0.5, 2**0.5])
    geometry = Geometry.from_parts((4, 5, 6), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), turn)
    assert sorted(SliceGrid.of(geometry, plane).axis for plane in Plane) == [0, 1, 2]


def test_take_is_a_view_and_put_writes_one_slice() -> None:
    array = np.zeros((4, 5, 6), dtype=np.uint8)
    grid = SliceGrid.of(USUAL, "sagittal")
    grid.take(array, 2)[0, 1] = 7
    assert array[0, 1, 2] == 7
    grid.put(array, 5, np.ones((4, 5), dtype=np.uint8))
    assert array[:, :, 5].all()
    assert array[:, :, :2].sum() == 0


@pytest.mark.parametrize("index", [-1, 4])
def test_a_slice_outside_is_refused_not_wrapped_around(index: int) -> None:
    with pytest.raises(PromptError, match=f"no axial slice {index}: this volume has 4, numbered 0 to 3"):
        SliceGrid.of(USUAL, "axial").take(np.zeros((4, 5, 6)), index)


def test_an_unknown_plane_names_the_known_ones() -> None:
    with pytest.raises(PromptError, match="'oblique' is not a plane; choose one of axial, coronal, sagittal"):
        SliceGrid.of(USUAL, "oblique")
