from __future__ import annotations

import numpy as np

from phantoms import ball
from radsam.predictor import SlicePrompt
from radsam.volume import Box, Mask, Point, RunMask, SliceGrid

GRID = SliceGrid.of(ball().volume.geometry, "axial")
PIXELS = np.zeros(GRID.shape_vu, bool)
PIXELS[3:6, 4:9] = True


def test_prompts_of_every_kind_come_to_their_slice_and_add_up() -> None:
    prompts = (Point(i=7, j=2, k=5), Box(k=5, i0=1, j0=2, i1=6, j1=7), Mask(pixels=PIXELS, k=5))
    point, box, mask = (SlicePrompt.of(each, GRID) for each in prompts)
    together = SlicePrompt().merged(point).merged(box).merged(mask)
    assert together == SlicePrompt((1, 2, 6, 7), ((7, 2, True),), RunMask.encode(PIXELS))
    assert together.enclosing_box == (1, 2, 8, 7)


def test_a_later_box_replaces_an_earlier_one_and_points_stay_in_order() -> None:
    earlier, later = SlicePrompt((0, 0, 3, 3), ((1, 1, True),)), SlicePrompt((2, 2, 5, 5), ((4, 4, False),))
    assert earlier.merged(later) == SlicePrompt((2, 2, 5, 5), ((1, 1, True), (4, 4, False)))


def test_only_a_negative_point_does_not_mark_the_object() -> None:
    assert not SlicePrompt(points_uv=((1, 1, False),)).marks_object
    assert SlicePrompt(points_uv=((1, 1, False), (2, 2, True))).marks_object
    assert SlicePrompt(box_uvuv=(0, 0, 3, 3)).marks_object
    assert not SlicePrompt()
