"""Boxes on several slices: the slices between two of them get the shape between the two."""

from __future__ import annotations

import numpy as np

from fakes import FakeBackend, fake_session
from phantoms import ORIGIN_LPS, ball
from radsam.volume import Box, Geometry, Point

SCENE = ball(Geometry.from_parts((24, 96, 96), ORIGIN_LPS, (1.0, 1.0, 1.5), np.eye(3)), radius_mm=13.0)


def box(k: int, part: float = 1.0) -> Box:
    """The box around the ball, or around its left part: the fake finds what is bright in it."""
    rows, cols = np.nonzero(SCENE.truth[k])
    right = int(cols.min() + part * (cols.max() - cols.min()))
    return Box(k=k, i0=int(cols.min()), i1=right, j0=int(rows.min()), j1=int(rows.max()))


def test_a_second_box_changes_all_slices_up_to_the_first_and_a_click_between_stops_it() -> None:
    backend = FakeBackend()
    session = fake_session(SCENE.volume, backend)
    session.segment(box(12), bounds=(5, 19))
    count = len(backend.prompts)
    session.correct(box(18, 0.6))
    # The box; the slices 13 to 17 towards the first one, which is an anchor, too; and outwards slice 19.
    assert len(backend.prompts) - count == 1 + 5 + 1
    session.correct(Point(i=2, j=2, k=15, positive=False))
    count = len(backend.prompts)
    session.correct(box(17, 0.6))
    # A corrected slice is not an anchor: the slices nearer to the box are changed, here slice 16; slice 18 is set.
    assert len(backend.prompts) - count == 1 + 0 + 0


def test_slices_between_two_boxes_get_the_shape_between_their_masks() -> None:
    backend = FakeBackend()
    session = fake_session(SCENE.volume, backend)
    session.segment(box(12), bounds=(5, 19))
    count = len(backend.prompts)
    session.correct(box(18, 0.6))
    areas = [float(each.mask.sum()) for each in backend.prompts[count:] if each.mask is not None]
    assert len(areas) == 6
    inwards = [areas[0], *areas[2:]]
    assert inwards == sorted(inwards), "from the small slice 18 to the large slice 12"
    assert inwards[-1] > inwards[0]
