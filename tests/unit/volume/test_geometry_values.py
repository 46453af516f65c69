from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import VolumeError
from radsam.volume import Geometry


def grid(
    shape_kji: tuple[int, int, int] = (3, 4, 5), spacing: tuple[float, float, float] = (1.0, 2.0, 3.0)
) -> Geometry:
    return Geometry.from_parts(shape_kji, (10.0, 20.0, 30.0), spacing, np.eye(3))


def test_columns_of_the_direction_belong_to_i_j_and_k() -> None:
    # i runs to the feet, j to the left, k to the back: a sagittal-like storage.
    direction = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    geometry = Geometry.from_parts((2, 2, 2), (0.0, 0.0, 100.0), (0.5, 0.7, 4.0), direction)
    np.testing.assert_allclose(geometry.index_to_mm(np.array([1.0, 0.0, 0.0])), [0.0, 0.0, 99.5])
    np.testing.assert_allclose(geometry.index_to_mm(np.array([0.0, 1.0, 0.0])), [0.7, 0.0, 100.0])
    np.testing.assert_allclose(geometry.index_to_mm(np.array([0.0, 0.0, 1.0])), [0.0, 4.0, 100.0])
    assert geometry.spacing_mm_ijk == pytest.approx((0.5, 0.7, 4.0))


def test_shapes_are_told_in_both_orders() -> None:
    assert grid().shape_kji == (3, 4, 5)
    assert grid().shape_ijk == (5, 4, 3)


def test_contains_counts_in_i_j_k() -> None:
    assert grid().contains((4, 3, 2))
    assert not grid().contains((2, 3, 4))
    assert not grid().contains((-1, 0, 0))


@pytest.mark.parametrize("shape", [(0, 4, 5), (4, 5, -1)])
def test_a_shape_without_three_filled_axes_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(VolumeError, match="three axes of at least one voxel"):
        Geometry(shape, np.eye(4))


def test_an_affine_that_is_not_finite_is_refused() -> None:
    affine = np.eye(4)
    affine[1, 3] = np.nan
    with pytest.raises(VolumeError, match="finite 4×4"):
        Geometry((1, 1, 1), affine)


def test_two_axes_in_one_direction_are_refused() -> None:
    affine = np.eye(4)
    affine[:3, 1] = affine[:3, 0]
    with pytest.raises(VolumeError, match="singular"):
        Geometry((2, 2, 2), affine)


def test_the_affine_cannot_be_changed_from_outside() -> None:
    given = np.eye(4)
    geometry = Geometry((2, 2, 2), given)
    given[0, 3] = 99.0
    assert geometry.origin_lps == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine_lps[0, 3] = 1.0


def test_another_shape_is_another_grid() -> None:
    assert grid().same_grid(grid())
    assert not grid().same_grid(grid(shape_kji=(3, 4, 6)))


def test_a_mirrored_grid_over_the_same_place_is_another_grid() -> None:
    affine = grid().affine_lps.copy()
    affine[:3, 3] += affine[:3, 0] * 4
    affine[:3, 0] *= -1
    assert not grid().same_grid(Geometry((3, 4, 5), affine))


def test_a_description_names_voxels_spacing_and_place() -> None:
    assert grid().describe() == "5×4×3 voxels of 1×2×3 mm at (10.00, 20.00, 30.00)"


def test_a_grid_kilometres_away_is_refused() -> None:
    affine = np.eye(4)
    affine[1, 3] = 3e38
    with pytest.raises(VolumeError, match="km from the scanner: its header is damaged"):
        Geometry((2, 3, 4), affine)
