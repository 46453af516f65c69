from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import PromptError
from radsam.volume import Bounds, Box, Geometry, Mask, Point, SliceGrid

GEOMETRY = Geometry.from_parts((4, 5, 6), (0.0, 0.0, 0.0), (1.0, 1.0, 2.0), np.eye(3))
AXIAL = SliceGrid.of(GEOMETRY, "axial")
CORONAL = SliceGrid.of(GEOMETRY, "coronal")


def unchecked(cls: type, **fields: object) -> None:
    """Build a value past the type checks of the test run, which an installed program does not have."""
    value = object.__new__(cls)
    for name, given in fields.items():
        object.__setattr__(value, name, given)
    value.__post_init__()


def test_a_point_at_the_far_corner_is_inside() -> None:
    Point(i=5, j=4, k=3).check(AXIAL)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (Point(i=6, j=0, k=0), r"i=6, but i goes from 0 to 5"),
        (Point(i=0, j=-1, k=0), r"j=-1, but j goes from 0 to 4"),
        (Point(i=0, j=0, k=4), r"k=4, but k goes from 0 to 3"),
    ],
)
def test_a_point_outside_names_the_axis_and_its_range(point: Point, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        point.check(AXIAL)


def test_a_box_tells_its_slice_and_its_sides() -> None:
    box = Box(j=2, i0=1, i1=4, k0=0, k1=3)
    assert (box.axis, box.index, box.uvuv) == (1, 2, (1, 0, 4, 3))
    assert Box.on(CORONAL, 2, 1, 0, 4, 3) == box
    box.check(CORONAL)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ({"k": 1, "i0": 0, "i1": 3}, "needs j0 and j1"),
        ({"k": 1, "i0": 0, "i1": 3, "j0": 0, "j1": 2, "k0": 0, "k1": 2}, "has no range k0 to k1"),
        ({"k": 1, "i0": 3, "i1": 0, "j0": 0, "j1": 2}, "no area: i goes from 3 to 0"),
        ({"k": 1, "i0": 0, "i1": 3, "j0": 2, "j1": 2}, "no area: j goes from 2 to 2"),
        ({"i0": 0, "i1": 3, "j0": 0, "j1": 2}, "exactly one of i, j, k"),
        ({"k": 1, "j": 1, "i0": 0, "i1": 3}, "exactly one of i, j, k"),
    ],
)
def test_a_box_that_is_no_rectangle_on_one_slice_is_refused(sides: dict[str, int], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Box(**sides)


def test_a_box_beyond_the_volume_names_the_side() -> None:
    with pytest.raises(PromptError, match="The box lies outside the volume: i=2 to 6, but i goes from 0 to 5"):
        Box(k=0, i0=2, i1=6, j0=0, j1=2).check(AXIAL)


def test_a_box_across_another_axis_says_which_one_is_needed() -> None:
    with pytest.raises(PromptError, match=r"across j, but axial slices .* along k: give k="):
        Box(j=2, i0=1, i1=4, k0=0, k1=3).check(AXIAL)


def test_a_mask_prompt_is_two_dimensional_boolean_and_not_empty() -> None:
    with pytest.raises(PromptError, match="two-dimensional boolean"):
        unchecked(Mask, pixels=np.ones((5, 6), dtype=np.uint8), i=None, j=None, k=0)
    with pytest.raises(PromptError, match="empty on slice k=1"):
        Mask(pixels=np.zeros((5, 6), dtype=bool), k=1)


def test_a_mask_must_cover_its_whole_slice() -> None:
    whole = Mask.on(AXIAL, 3, np.ones((5, 6), dtype=bool))
    whole.check(AXIAL)
    assert (whole.axis, whole.index) == (2, 3)
    with pytest.raises(PromptError, match=r"is \(6, 5\), the axial slice is \(5, 6\)"):
        Mask(pixels=np.ones((6, 5), dtype=bool), k=0).check(AXIAL)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_mask_on_a_slice_outside_is_refused(index: int) -> None:
    with pytest.raises(PromptError, match="The mask lies outside the volume: k="):
        Mask(pixels=np.ones((5, 6), dtype=bool), k=index).check(AXIAL)


def test_both_ends_of_bounds_belong_to_them() -> None:
    bounds = Bounds(1, 3)
    assert [index in bounds for index in range(5)] == [False, True, True, True, False]
    bounds.check(AXIAL, 3)


def test_reversed_bounds_are_refused() -> None:
    with pytest.raises(PromptError, match="3 to 1 are reversed"):
        Bounds(3, 1)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (Bounds(-1, 2), "leave the volume"),
        (Bounds(0, 4), "numbered 0 to 3"),
        (Bounds(0, 1), "exclude the prompted slice 2"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(bounds: Bounds, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        bounds.check(AXIAL, 2)
