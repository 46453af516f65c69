"""Brush strokes, lassos, boxes and masks as voxels, and their restriction by HU, on anisotropic and flipped grids."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from radsam.errors import PromptError
from radsam.volume import Box, Brush, Geometry, HandShape, Lasso, Mask, Plane, SliceGrid, SparseMask
from radsam.volume.hand_shape import alike, sampled_voxel, shape_voxels, within_range
from radsam.volume.stroke_pixels import stroke_pixels
from radsam.volume.voxel_line import voxel_line

# No two axes of one length or spacing; i to the right, k to the feet.
GEOMETRY = Geometry.from_parts((9, 17, 21), (3.0, -2.0, 8.0), (0.8, 1.3, 4.0), np.diag([-1.0, 1.0, -1.0]))
# The same stored sagittally: i to the back, j to the feet, k to the left.
STORED = Geometry.from_parts(
    (21, 9, 17), (0.0, 0.0, 15.0), (1.3, 4.0, 0.8), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
)
GRIDS = pytest.mark.parametrize(
    ("geometry", "plane"), [(geometry, plane) for geometry in (GEOMETRY, STORED) for plane in Plane]
)


def naive_stroke(geometry: Geometry, path_ijk: list[tuple[int, int, int]], radius_mm: float) -> np.ndarray:
    """All voxels whose centre lies within a radius of the polyline, by the distance of each one, in patient mm."""
    kji = np.stack(np.meshgrid(*map(np.arange, geometry.shape_kji), indexing="ij"), axis=-1)
    centres = geometry.index_to_mm(kji[..., ::-1].astype(float))
    corners = geometry.index_to_mm(np.array(path_ijk, dtype=float))
    found = np.zeros(geometry.shape_kji, dtype=bool)
    for start, stop in pairwise([*corners, corners[-1]]):
        way = stop - start
        share = np.clip(((centres - start) @ way) / max(way @ way, 1e-9), 0, 1)
        found |= np.linalg.norm(centres - start - share[..., None] * way, axis=-1) <= radius_mm + 1e-6
    return found


def line(path_ijk: list[tuple[int, int, int]], shape_kji: tuple[int, int, int]) -> np.ndarray:
    found = np.zeros(shape_kji, dtype=bool)
    i, j, k = voxel_line(np.array(path_ijk)).T
    found[k, j, i] = True
    return found


points = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5)


@GRIDS
@given(points=points, index=st.integers(0, 30), radius_mm=st.floats(0.1, 12.0), ball=st.booleans())
@example(points=[(4, 4)], index=3, radius_mm=4.0, ball=True)  # voxels exactly at the radius
@example(points=[(4, 4), (4, 4), (8, 4), (8, 7)], index=3, radius_mm=2.6, ball=False)
@settings(max_examples=25)
def test_a_stroke_is_the_voxels_within_the_radius_of_its_line(
    geometry: Geometry, plane: Plane, points: list[tuple[int, int]], index: int, radius_mm: float, ball: bool
) -> None:
    grid = SliceGrid.of(geometry, plane)
    rows, cols = grid.shape_vu
    index %= grid.count
    path = [grid.join(index, u % cols, v % rows) for u, v in points]
    found = shape_voxels(Brush(path_ijk=tuple(path), radius_mm=radius_mm, ball=ball, plane=plane), geometry)
    expected = naive_stroke(geometry, path, radius_mm)
    if not ball:
        others = np.arange(grid.count) != index
        np.moveaxis(expected, 2 - grid.axis, 0)[others] = False
    assert found.axis == grid.axis
    np.testing.assert_array_equal(found.decode(), expected | line(path, geometry.shape_kji))


def test_a_disk_is_round_in_millimetres_in_every_plane() -> None:
    for plane, extent_kji in ((Plane.AXIAL, (1, 7, 11)), (Plane.CORONAL, (3, 1, 11)), (Plane.SAGITTAL, (3, 7, 1))):
        found = shape_voxels(Brush(path_ijk=((10, 8, 4),), radius_mm=4.0, plane=plane), GEOMETRY).decode()
        assert tuple(np.ptp(along) + 1 for along in np.nonzero(found)) == extent_kji


def test_a_brush_thinner_than_a_voxel_has_no_gaps() -> None:
    brush = Brush(path_ijk=((2, 3, 1), (12, 3, 5)), radius_mm=0.1, plane=Plane.CORONAL)
    np.testing.assert_array_equal(
        shape_voxels(brush, GEOMETRY).decode(), line(list(brush.path_ijk), GEOMETRY.shape_kji)
    )


def test_a_stroke_at_a_corner_of_the_volume_is_cut_off() -> None:
    corner = tuple(n - 1 for n in GEOMETRY.shape_ijk)
    for at in ((0, 0, 0), corner):
        found = shape_voxels(Brush(path_ijk=(at,), radius_mm=5.0, ball=True), GEOMETRY).decode()
        np.testing.assert_array_equal(found, naive_stroke(GEOMETRY, [at], 5.0))


def test_a_stroke_touches_only_the_box_around_it() -> None:
    path = np.stack([np.linspace(100, 160, 100), np.linspace(300, 280, 100)], axis=1).round().astype(int)
    part, rows, cols = stroke_pixels(path, 10.0, (0.5, 0.8), (4096, 4096))
    assert part.shape == (rows.size, cols.size) == (20 + 2 * 20 + 1, 60 + 2 * 12 + 1)
    assert (rows[0], cols[0]) == (260, 88)
    assert part.any(axis=1).all()


def test_a_stroke_of_thousands_of_points_is_that_of_its_pieces() -> None:
    path = np.random.default_rng(0).integers(0, 60, (2500, 2))
    whole, *_ = stroke_pixels(path, 0.4, (1.0, 1.0), (60, 60))
    pieces = np.zeros((60, 60), dtype=bool)
    for start in range(0, 2499, 357):
        part, rows, cols = stroke_pixels(path[start : start + 358], 0.4, (1.0, 1.0), (60, 60))
        pieces[np.ix_(rows, cols)] |= part
    np.testing.assert_array_equal(whole, pieces)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"path_ijk": ()}, "The brush stroke is empty"),
        ({"radius_mm": 0.0}, "radius of a brush lies between 0 and 200 mm, not at 0"),
        ({"radius_mm": -1.0}, "not at -1"),
        ({"radius_mm": float("nan")}, "not at nan"),
        ({"radius_mm": 201.0}, "not at 201"),
        ({"path_ijk": ((1, 1, 1), (21, 1, 1))}, "part of the brush stroke lies outside the volume: i=21, but i goes"),
        ({"path_ijk": ((1, 1, 1), (1, -2, 1))}, "j=-2, but j goes from 0 to 16"),
        ({"path_ijk": ((1, 1, 1), (1, 1, 3))}, "over the axial slices 1 to 3: all of its points have to lie on one"),
        ({"path_ijk": ((1, 1, 1), (2, 1, 1)), "plane": Plane.SAGITTAL}, "over the sagittal slices 1 to 2"),
    ],
)
def test_an_impossible_stroke_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        shape_voxels(Brush(**{"path_ijk": ((1, 1, 1),), "radius_mm": 2.0, **changed}), GEOMETRY)  # type: ignore[arg-type]


@GRIDS
def test_lasso_box_and_mask_are_the_pixels_of_their_slice(geometry: Geometry, plane: Plane) -> None:
    grid = SliceGrid.of(geometry, plane)
    pixels = np.zeros(grid.shape_vu, dtype=bool)
    pixels[2:5, 1:7] = True
    shapes: list[HandShape] = [
        Mask.on(grid, 6, pixels),
        Box.on(grid, 6, 1, 2, 6, 4),
        Lasso.on(grid, 6, [(0.6, 1.7), (6.4, 1.7), (6.4, 4.2), (0.6, 4.2)]),
        Lasso.on(grid, 6, [(1.0, 2.0), (6.0, 2.0), (6.0, 4.0), (1.0, 4.0)], positive=False),
    ]
    expected = np.zeros(geometry.shape_kji, dtype=bool)
    grid.put(expected, 6, pixels)
    for shape in [*shapes, SparseMask.of(expected, grid.axis)]:
        found = shape_voxels(shape, geometry)
        assert found == SparseMask.of(expected, grid.axis)


def test_a_lasso_over_the_border_is_cut_off_and_one_outside_is_refused() -> None:
    lasso = Lasso(polygon=((-9.0, -9.0), (1.5, -9.0), (1.5, 99.0), (-9.0, 99.0)), j=4)
    assert shape_voxels(lasso, GEOMETRY).voxels == 2 * 9
    with pytest.raises(PromptError, match="encloses no voxel of the volume"):
        shape_voxels(Lasso(polygon=((-9.0, -9.0), (-1.5, -9.0), (-1.5, 99.0)), j=4), GEOMETRY)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Box(k=9, i0=1, i1=3, j0=1, j1=3), "The box lies outside the volume: k=9"),
        (Box(i=1, k0=1, k1=9, j0=1, j1=3), "The box lies outside the volume: k=1 to 9"),
        (Mask(pixels=np.ones((9, 9), dtype=bool), i=1), r"is \(9, 9\), the sagittal slice is \(9, 17\)"),
        (SparseMask(0, (9, 17, 22), {}), "of 22×17×9 voxels"),
        (SparseMask(0, (9, 17, 21), {}), "the mask is empty"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape: HandShape, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        shape_voxels(shape, GEOMETRY)


@GRIDS
@pytest.mark.parametrize("ball", [False, True])
def test_within_a_range_of_hu_both_ends_count(geometry: Geometry, plane: Plane, ball: bool) -> None:
    hu = np.random.default_rng(1).integers(-3, 4, geometry.shape_kji).astype(np.int16)
    grid = SliceGrid.of(geometry, plane)
    path = (grid.join(3, 2, 2), grid.join(3, 5, 6))
    stroke = shape_voxels(Brush(path_ijk=path, radius_mm=5.0, ball=ball, plane=plane), geometry)
    expected = stroke.decode() & (hu >= -1) & (hu <= 2)
    assert within_range(stroke, hu, (-1.0, 2.0)) == SparseMask.of(expected, grid.axis)
    assert not within_range(stroke, hu, (50.0, 60.0))
    assert not within_range(within_range(stroke, hu, (50.0, 60.0)), hu, (-1.0, 2.0))


def vessels(geometry: Geometry, grid: SliceGrid) -> np.ndarray:
    """Two parallel bars of 100 HU along v in air, three pixels wide and six apart, with noise of ± 5 HU."""
    hu = np.random.default_rng(2).uniform(-5, 5, geometry.shape_kji).astype(np.float32) - 1000
    along_u = np.moveaxis(hu, 2 - grid.uv_axes[0], 0)
    along_u[0:3] += 1100
    along_u[6:9] += 1100
    return hu


@GRIDS
def test_alike_keeps_what_is_connected_to_the_first_point(geometry: Geometry, plane: Plane) -> None:
    grid = SliceGrid.of(geometry, plane)
    hu = vessels(geometry, grid)
    cols, rows = grid.shape_vu[1], grid.shape_vu[0]
    everything = np.zeros(geometry.shape_kji, dtype=bool)
    grid.put(everything, 4, np.ones((rows, cols), dtype=bool))
    found = alike(SparseMask.of(everything, grid.axis), hu, grid.join(4, 7, 3), 10.0, geometry.spacing_mm_ijk)
    expected = np.zeros(geometry.shape_kji, dtype=bool)
    pixels = np.zeros((rows, cols), dtype=bool)
    pixels[:, 6:9] = True
    grid.put(expected, 4, pixels)
    np.testing.assert_array_equal(found.decode(), expected)
    assert found.axis == grid.axis


def test_alike_goes_over_slices_under_a_ball_and_not_beyond_it() -> None:
    hu = np.full(GEOMETRY.shape_kji, -1000.0, dtype=np.float32)
    hu[:, 5:12, 8:13] = 60.0
    brush = Brush(path_ijk=((10, 8, 4),), radius_mm=5.0, ball=True)
    ball = shape_voxels(brush, GEOMETRY)
    found = alike(ball, hu, sampled_voxel(brush, ball), 20.0, GEOMETRY.spacing_mm_ijk)
    np.testing.assert_array_equal(found.decode(), ball.decode() & (hu == 60))
    assert list(found.slices) == [3, 4, 5]


def test_alike_is_empty_where_nothing_is_within_the_tolerance() -> None:
    checkered = np.indices(GEOMETRY.shape_kji).sum(axis=0) % 2 * 100.0
    stroke = shape_voxels(Brush(path_ijk=((10, 8, 4), (14, 8, 4)), radius_mm=3.0), GEOMETRY)
    assert not alike(stroke, checkered.astype(np.float32), (10, 8, 4), 10.0, GEOMETRY.spacing_mm_ijk)
    # Voxels of other slices than the first point's have no part in it.
    elsewhere = shape_voxels(Brush(path_ijk=((10, 8, 6),), radius_mm=3.0), GEOMETRY)
    assert not alike(elsewhere, np.zeros(GEOMETRY.shape_kji, np.int16), (10, 8, 4), 10.0, GEOMETRY.spacing_mm_ijk)


def test_a_stroke_is_compared_with_its_first_point_and_other_shapes_with_their_middle() -> None:
    brush = Brush(path_ijk=((3, 4, 2), (15, 4, 2)), radius_mm=2.0)
    assert sampled_voxel(brush, shape_voxels(brush, GEOMETRY)) == (3, 4, 2)
    box = Box(j=5, i0=2, i1=8, k0=0, k1=4)
    assert sampled_voxel(box, shape_voxels(box, GEOMETRY)) == (5, 5, 2)
    # The middle of an L lies outside of it.
    corner = np.zeros((17, 21), dtype=bool)
    corner[2:12, 3] = corner[11, 3:15] = True
    mask = Mask(pixels=corner, k=1)
    i, j, k = sampled_voxel(mask, shape_voxels(mask, GEOMETRY))
    assert corner[j, i]
    assert k == 1
