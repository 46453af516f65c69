"""Index and millimetres agree on every grid a scanner or a converter can produce."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radsam.errors import VolumeError
from radsam.io.stated_grid import GridWarning, rectangular
from radsam.volume import Geometry

SIZES = st.integers(1, 600)
SPACINGS = st.floats(0.05, 12.0)
ANGLES = st.floats(-180.0, 180.0)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Oblique, flipped, permuted and anisotropic grids."""
    turn = Rotation.from_euler("xyz", [draw(ANGLES) for _ in range(3)], degrees=True).as_matrix()
    signs = np.array([draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)])
    order = draw(st.permutations(range(3)))
    return Geometry.from_parts(
        shape_kji=(draw(SIZES), draw(SIZES), draw(SIZES)),
        origin_lps=tuple(draw(st.floats(-2000.0, 2000.0)) for _ in range(3)),
        spacing_mm_ijk=tuple(draw(SPACINGS) for _ in range(3)),
        direction=(turn * signs)[:, order],
    )


INDICES = st.lists(st.tuples(*[st.floats(-700.0, 700.0)] * 3), min_size=1, max_size=8).map(np.array)


@given(geometries(), INDICES)
def test_millimetres_lead_back_to_the_index(geometry: Geometry, index_ijk: np.ndarray) -> None:
    back = geometry.mm_to_index(geometry.index_to_mm(index_ijk))
    np.testing.assert_allclose(back, index_ijk, atol=1e-6)


@given(geometries(), INDICES)
def test_a_point_alone_maps_as_it_does_among_others(geometry: Geometry, index_ijk: np.ndarray) -> None:
    together = geometry.index_to_mm(index_ijk)
    for alone, expected in zip(index_ijk, together, strict=True):
        np.testing.assert_allclose(geometry.index_to_mm(alone), expected, atol=1e-9)


@given(geometries())
def test_parts_survive_the_affine(geometry: Geometry) -> None:
    rebuilt = Geometry.from_parts(geometry.shape_kji, geometry.origin_lps, geometry.spacing_mm_ijk, geometry.direction)
    assert rebuilt.same_grid(geometry)
    np.testing.assert_allclose(rebuilt.affine_lps, geometry.affine_lps, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(geometry.direction, axis=0), 1.0)
    np.testing.assert_allclose(geometry.voxel_volume_mm3, np.prod(geometry.spacing_mm_ijk), rtol=1e-9)


@given(geometries(), st.integers(0, 2))
def test_one_step_along_an_axis_is_its_spacing_long(geometry: Geometry, axis: int) -> None:
    step = np.zeros(3)
    step[axis] = 1.0
    moved = geometry.index_to_mm(step) - np.array(geometry.origin_lps)
    np.testing.assert_allclose(np.linalg.norm(moved), geometry.spacing_mm_ijk[axis])
    np.testing.assert_allclose(moved / geometry.spacing_mm_ijk[axis], geometry.direction[:, axis], atol=1e-9)


@given(geometries())
def test_an_affine_in_float32_is_still_the_same_grid(geometry: Geometry) -> None:
    header = geometry.affine_lps.astype(np.float32).astype(np.float64)
    shifted = header.copy()
    shifted[:3, 3] += 0.05 * geometry.affine_lps[:3, 0]
    assert geometry.same_grid(Geometry(geometry.shape_kji, header))
    assert not geometry.same_grid(Geometry(geometry.shape_kji, shifted))


@given(geometries(), st.integers(2, 6))
def test_directions_of_few_digits_become_perpendicular(geometry: Geometry, digits: int) -> None:
    """No voxel moves by more than a tenth of itself without a warning, or to its neighbour at all."""
    parts = (geometry.shape_kji, geometry.origin_lps, geometry.spacing_mm_ijk, geometry.direction.round(digits))
    stated = Geometry.from_parts(*parts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = rectangular(stated, Path("ct"))
        except VolumeError:
            assert stated.nearest_rectangular().moved_voxels(stated) > 0.5
            return
    assert found.shear <= 5e-6
    assert found.moved_voxels(stated) <= (0.5 if caught else 0.1)
    assert [each.category for each in caught] in ([], [GridWarning])
    if digits == 6 and max(stated.shape_kji) < 600:
        assert found.moved_voxels(stated) < 0.1


@given(geometries())
def test_a_perpendicular_grid_stays_as_it_is(geometry: Geometry) -> None:
    assert rectangular(geometry, Path("ct")) is geometry
