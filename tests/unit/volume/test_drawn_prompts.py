"""Scribbles and lassos: which voxels belong to them, on which slices, and which are refused."""

from __future__ import annotations

import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsam.errors import PromptError
from radsam.volume import Box, Geometry, Lasso, Mask, Plane, Point, Prompt, Scribble, SliceGrid, slice_index
from radsam.volume.prompt import check_voxels
from radsam.volume.voxel_line import voxel_line

# Anisotropic, no two axes of one length, i towards the right and j towards the front.
GEOMETRY = Geometry.from_parts((8, 10, 12), (0.0, 0.0, 0.0), (0.7, 1.1, 5.0), np.diag([-1.0, -1.0, 1.0]))
GRIDS = {plane: SliceGrid.of(GEOMETRY, plane) for plane in Plane}
AXIAL, CORONAL, SAGITTAL = GRIDS.values()


@given(st.lists(st.tuples(*3 * [st.integers(0, 9)]), min_size=1, max_size=5))
def test_a_line_has_no_gaps_and_stays_within_half_a_voxel_of_the_straight_one(
    points: list[tuple[int, int, int]],
) -> None:
    path = np.array(points)
    line = voxel_line(path)
    assert (line[0] == path[0]).all()
    assert (line[-1] == path[-1]).all()
    assert np.abs(np.diff(line, axis=0)).max(initial=0) <= 1
    assert {tuple(each) for each in path.tolist()} <= {tuple(each) for each in line.tolist()}
    # Every point of the fine straight line is nearest to a voxel of the line, but for ties.
    fine = np.concatenate([path[:1], *(np.linspace(a, b, 50) for a, b in pairwise(path))])
    assert np.abs(fine[:, None] - line[None]).max(axis=2).min(axis=1).max() <= 0.5 + 0.5
    assert np.abs(line[:, None] - fine[None]).max(axis=2).min(axis=1).max() <= 0.5 + 0.2


@given(st.lists(st.tuples(*2 * [st.integers(0, 9)]), min_size=2, max_size=4))
def test_a_line_drawn_the_other_way_has_the_same_voxels(points: list[tuple[int, int]]) -> None:
    path = np.array(points)
    there, back = ({tuple(each) for each in voxel_line(way).tolist()} for way in (path, path[::-1]))
    assert there == back


def test_a_scribble_has_the_voxels_between_its_points_in_their_order() -> None:
    scribble = Scribble(voxels_ijk=((2, 3, 4), (5, 3, 4), (5, 5, 4)))
    assert scribble.line_ijk[:, 0].tolist() == [2, 3, 4, 5, 5, 5]
    pixels = scribble.pixels_by_slice(AXIAL)
    assert {index: uv.tolist() for index, uv in pixels.items()} == {4: [[2, 3], [3, 3], [4, 3], [5, 3], [5, 4], [5, 5]]}
    assert slice_index(scribble, AXIAL) == 4


def test_a_scribble_drawn_in_another_plane_has_pixels_on_each_slice_that_it_crosses() -> None:
    scribble = Scribble(voxels_ijk=((2, 7, 1), (4, 7, 3)))  # on coronal slice j=7
    assert slice_index(scribble, CORONAL) == 7
    assert scribble.pixels_by_slice(CORONAL)[7].tolist() == [[2, 1], [3, 2], [4, 3]]
    axial = scribble.pixels_by_slice(AXIAL)
    assert {index: uv.tolist() for index, uv in axial.items()} == {1: [[2, 7]], 2: [[3, 7]], 3: [[4, 7]]}
    scribble.check(AXIAL)
    with pytest.raises(PromptError, match="lies on the axial slices 1 to 3; it has to lie on one"):
        slice_index(scribble, AXIAL)


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        ((), "The scribble is empty: give at least one voxel"),
        (((0, 0, 0), (1, 1, 1)), "leaves its slice: i, j and k all change"),
    ],
)
def test_an_empty_or_crooked_scribble_is_refused(voxels: tuple[tuple[int, int, int], ...], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Scribble(voxels_ijk=voxels)


@pytest.mark.parametrize("point", [(float("nan"), 1, 1), (1.5, 1, 1), (1, 1)], ids=str)
def test_a_point_that_is_no_voxel_is_refused(point: tuple[float, ...]) -> None:
    with pytest.raises(PromptError, match=r"a voxel is three whole numbers \(i, j, k\)"):
        inspect.unwrap(check_voxels)([(1, 1, 1), point], "scribble")  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("outside", "message"),
    [
        ((12, 3, 4), "part of the scribble lies outside the volume: i=12, but i goes from 0 to 11"),
        ((3, -1, 4), "j=-1, but j goes from 0 to 9"),
    ],
)
@pytest.mark.parametrize("plane", Plane)
def test_a_scribble_that_leaves_the_volume_is_refused(
    plane: Plane, outside: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        Scribble(voxels_ijk=((3, 3, 4), outside)).check(GRIDS[plane])


@pytest.mark.parametrize("plane", Plane)
def test_a_lasso_with_whole_corners_holds_them_as_a_box_does(plane: Plane) -> None:
    grid = GRIDS[plane]
    lasso = Lasso.on(grid, 3, [(1.0, 2.0), (5.0, 2.0), (5.0, 6.0), (1.0, 6.0)])
    lasso.check(grid)
    pixels = np.zeros(grid.shape_vu, dtype=bool)
    pixels[2:7, 1:6] = True
    np.testing.assert_array_equal(lasso.pixels(grid.shape_vu), pixels)
    assert (lasso.axis, lasso.index, slice_index(lasso, grid)) == (grid.axis, 3, 3)


def test_a_lasso_between_pixel_centres_holds_those_inside() -> None:
    # A triangle with u to the right and v downwards; its slope leaves one more pixel in each row.
    lasso = Lasso(polygon=((0.5, 0.5), (0.5, 4.5), (4.6, 4.5)), k=0)
    assert np.argwhere(lasso.pixels((10, 12))).tolist() == [
        [row, col] for row in (1, 2, 3, 4) for col in range(1, row + 1)
    ]


corner = st.tuples(st.floats(-3, 14, width=16), st.floats(-3, 12, width=16))


@given(st.lists(corner, min_size=3, max_size=7))
def test_a_mirrored_lasso_has_the_mirrored_pixels(polygon: list[tuple[float, float]]) -> None:
    try:
        lasso = Lasso(polygon=tuple(polygon), k=0)
    except PromptError:
        return  # corners on a line
    rows, cols = 10, 12
    mirrored = Lasso(polygon=tuple((cols - 1 - u, v) for u, v in polygon), k=0)
    turned = Lasso(polygon=tuple((v, u) for u, v in reversed(polygon)), k=0)
    np.testing.assert_array_equal(mirrored.pixels((rows, cols))[:, ::-1], lasso.pixels((rows, cols)))
    np.testing.assert_array_equal(turned.pixels((cols, rows)).T, lasso.pixels((rows, cols)))


def test_a_lasso_may_leave_the_slice() -> None:
    lasso = Lasso(polygon=((-50.0, -50.0), (2.5, -50.0), (2.5, 50.0), (-50.0, 50.0)), k=1)
    lasso.check(AXIAL)
    assert np.flatnonzero(lasso.pixels(AXIAL.shape_vu).all(axis=0)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        (((1.0, 1.0), (3.0, 3.0)), r"on slice k=2 has 2 corners: give at least 3"),
        (((1.0, 1.0), (3.0, 3.0), (5.0, 5.0)), "has no area: its corners lie on a line"),
        (((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), "has no area"),
        (((1.0, 1.0), (float("nan"), 3.0), (5.0, 1.0)), "is not finite or lies far outside"),
        (((1.0, 1.0), (1e7, 3.0), (5.0, 1.0)), "is not finite or lies far outside"),
    ],
)
def test_a_lasso_without_an_area_is_refused(polygon: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Lasso(polygon=polygon, k=2)


@pytest.mark.parametrize(
    ("polygon", "slice_k", "message"),
    [
        (
            ((20.0, 1.0), (30.0, 1.0), (25.0, 9.0)),
            2,
            "encloses no voxel of the volume: there i goes from 0 to 11 and j",
        ),
        (((1.1, 1.1), (1.9, 1.1), (1.5, 1.9)), 2, "encloses no voxel"),
        (((1.0, 1.0), (5.0, 1.0), (3.0, 5.0)), 8, "The lasso lies outside the volume: k=8, but k goes from 0 to 7"),
    ],
)
def test_a_lasso_without_a_voxel_is_refused(
    polygon: tuple[tuple[float, float], ...], slice_k: int, message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        Lasso(polygon=polygon, k=slice_k).check(AXIAL)


def test_a_lasso_across_another_axis_says_which_one_is_needed() -> None:
    with pytest.raises(PromptError, match=r"lasso lies on a slice across j, but axial slices .* along k"):
        Lasso(polygon=((1.0, 1.0), (5.0, 1.0), (3.0, 5.0)), j=2).check(AXIAL)
    with pytest.raises(PromptError, match="A lasso lies on one slice: give exactly one of i, j, k"):
        Lasso(polygon=((1.0, 1.0), (5.0, 1.0), (3.0, 5.0)))


@pytest.mark.parametrize(
    "prompt",
    [
        Point(i=1, j=1, k=1),
        Box(k=1, i0=1, i1=3, j0=1, j1=3),
        Mask(pixels=np.ones((10, 12), dtype=bool), k=1),
        Scribble(voxels_ijk=((1, 1, 1),)),
        Lasso(polygon=((1.0, 1.0), (5.0, 1.0), (3.0, 5.0)), k=1),
    ],
)
def test_prompts_of_every_kind_are_positive_unless_they_say_otherwise(prompt: Prompt) -> None:
    prompt.check(AXIAL)
    assert prompt.positive
    assert slice_index(prompt, AXIAL) == 1


def test_prompts_from_in_slice_coordinates_may_be_negative() -> None:
    assert not Box.on(CORONAL, 1, 0, 0, 3, 3, positive=False).positive
    assert not Mask.on(CORONAL, 1, np.ones((8, 12), dtype=bool), positive=False).positive
    assert not Lasso.on(SAGITTAL, 1, [(0.0, 0.0), (3.0, 0.0), (0.0, 3.0)], positive=False).positive
