"""Does a painted click change the pixels around it, and no more?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsam.predictor import SlicePrompt
from radsam.propagate.painted_click import follows, with_painted_clicks
from radsam.volume import RunMask

SQUARE = np.zeros((40, 50), bool)
SQUARE[10:30, 10:30] = True

points = st.lists(st.tuples(st.integers(0, 49), st.integers(0, 39), st.booleans()), min_size=1, max_size=5)


@given(points)
def test_every_point_holds_whatever_was_there(clicks: list[tuple[int, int, bool]]) -> None:
    found = with_painted_clicks(RunMask.encode(SQUARE), clicks)
    last = {(u, v): positive for u, v, positive in clicks}
    assert follows(found, SlicePrompt(points_uv=tuple((u, v, positive) for (u, v), positive in last.items())))


@pytest.mark.parametrize(("u", "positive"), [(33, True), (26, False)])
def test_a_painted_click_reaches_the_edge_and_as_far_again(u: int, positive: bool) -> None:
    changed = with_painted_clicks(RunMask.encode(SQUARE), [(u, 20, positive)]).decode() != SQUARE
    rows, cols = np.nonzero(changed)
    # Four pixels from the nearest pixel of the side that it is to be on.
    assert (cols.min(), cols.max()) == ((30, 37) if positive else (22, 29))
    assert (rows.min(), rows.max()) == (16, 24)


def test_a_painted_click_far_from_the_object_is_small() -> None:
    changed = with_painted_clicks(RunMask.encode(SQUARE), [(48, 2, True)]).decode() != SQUARE
    assert 0 < changed.sum() <= np.pi * 8.5**2


def test_a_painted_click_on_an_empty_slice_is_a_few_pixels() -> None:
    assert with_painted_clicks(RunMask.encode(np.zeros((9, 9), bool)), [(4, 4, True)]).area == 9


def test_a_mask_that_follows_is_left_alone() -> None:
    mask = RunMask.encode(SQUARE)
    assert with_painted_clicks(mask, [(20, 20, True), (2, 2, False)]) == mask
