"""Is a mask the same after it was drawn as polygons and filled again?"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radsam.io.dicom.polygons import area, rings_of
from radsam.volume.polygon_fill import fill


@given(mask=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
@settings(max_examples=150)
def test_filling_the_rings_of_any_mask_gives_it_back(mask: np.ndarray) -> None:
    """Random pixels: touching corners, holes in holes and the border of the slice are all among them."""
    np.testing.assert_array_equal(fill(rings_of(mask), mask.shape), mask)


@given(mask=arrays(bool, (9, 9)), flip=st.booleans(), start=st.integers(0, 50))
@settings(max_examples=60)
def test_direction_and_first_point_do_not_matter(mask: np.ndarray, flip: bool, start: int) -> None:
    rings = [np.roll(ring[::-1] if flip else ring, start, axis=0) for ring in rings_of(mask)]
    np.testing.assert_array_equal(fill(rings, mask.shape), mask)


def test_one_ring_per_part_with_its_holes_in_it() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[2:30, 2:30] = True
    mask[5:9, 5:9] = mask[15:20, 12:22] = mask[6, 25] = False
    mask[16:19, 14:18] = True  # an island in a hole
    mask[33:38, 33:38] = True
    rings = rings_of(mask)
    assert len(rings) == 3
    np.testing.assert_array_equal(fill(rings, mask.shape), mask)


def grid_of_holes(side: int) -> np.ndarray:
    """A mask with `side` × `side` holes of 3×3 pixels."""
    mask = np.ones((6 * side + 3, 6 * side + 3), dtype=bool)
    for offset in range(3):
        for other in range(3):
            mask[3 + offset : -3 : 6, 3 + other : -3 : 6] = False
    return mask


def test_any_number_of_holes_comes_back() -> None:
    """A sieve, and the same with holes of any form: channels pass through the mask only, so that one ring remains."""
    random = np.random.default_rng(0)
    for mask in (grid_of_holes(23), random.random((90, 130)) < 0.97):
        rings = rings_of(mask)
        np.testing.assert_array_equal(fill(rings, mask.shape), mask)
    assert len(rings_of(grid_of_holes(23))) == 1


def test_channels_are_the_shortest() -> None:
    """Between holes that are 3 pixels apart, and as many as there are holes."""
    (ring,) = rings_of(grid_of_holes(5))
    lengths = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
    drawn_twice = [each.tobytes() for each in np.sort(np.stack([ring, np.roll(ring, 1, axis=0)], 1), axis=1)]
    channels = [float(length) for length, each in zip(lengths, drawn_twice, strict=True) if drawn_twice.count(each) > 1]
    assert channels == [3.0] * 2 * 25


def test_the_work_grows_with_the_holes_not_with_their_square() -> None:
    def calls(mask: np.ndarray) -> int:
        """Count calls of functions, those of numpy included."""
        counted = 0

        def count(frame: Any, event: str, what: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            rings_of(mask)
        finally:
            sys.setprofile(None)
        return counted

    calls(grid_of_holes(2))  # the first imports
    few, many = calls(grid_of_holes(3)), calls(grid_of_holes(6))
    assert many < 6 * few


def test_rings_lie_within_half_a_pixel_of_the_edge() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[10:20, 8:25] = True
    (ring,) = rings_of(mask)
    assert ring.min(axis=0).tolist() == [7.5, 9.5]
    assert ring.max(axis=0).tolist() == [24.5, 19.5]
    # The corners are cut by an eighth of a pixel each; straight sides have two points.
    assert area(ring) == 170 - 4 / 8
    assert len(ring) == 8


def test_an_ellipse_holds_the_pixels_whose_centres_it_holds() -> None:
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ring = np.column_stack([31.3 + 20.2 * np.cos(angle), 28.7 + 17.9 * np.sin(angle)])
    y, x = np.mgrid[:64, :64]
    inside = ((x - 31.3) / 20.2) ** 2 + ((y - 28.7) / 17.9) ** 2 < 1
    np.testing.assert_array_equal(fill([ring], (64, 64)), inside)
    assert abs(inside.sum() - area(ring)) < 0.01 * area(ring)


def test_rings_may_leave_the_slice_and_share_edges() -> None:
    left = np.array([[-5.0, -5.0], [4.0, -5.0], [4.0, 30.0], [-5.0, 30.0]])
    right = np.array([[4.0, -5.0], [30.0, -5.0], [30.0, 30.0], [4.0, 30.0]])
    one, other = fill([left], (10, 10)), fill([right], (10, 10))
    assert not (one & other).any()
    assert (one | other).all()
    assert fill([], (3, 4)).sum() == 0
