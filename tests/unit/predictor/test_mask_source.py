from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsam.predictor import MaskSource


def test_the_way_ends_one_slice_past_the_bound() -> None:
    # From slice 10 to the bound 18, 2 mm apart, on an input of 80 mm: slice 19 is the end of the way.
    found = MaskSource.of(13, 14, start=10, bound=18, slice_mm=2.0)
    assert found == MaskSource(13, 2.0, (3 / 9, 4 / 9, 8.0))
    np.testing.assert_allclose(found.distance(80.0), [1, 3 / 9, 4 / 9, 0.1, 0.025], rtol=1e-6)


@given(start=st.integers(20, 30), steps=st.integers(0, 9), gap=st.integers(1, 4), left=st.integers(0, 9))
def test_both_sides_are_alike(start: int, steps: int, gap: int, left: int) -> None:
    source, prompted, bound = start + steps, start + steps + gap, start + steps + gap + left
    up = MaskSource.of(source, prompted, start, bound, 1.5)
    down = MaskSource.of(-source, -prompted, -start, -bound, 1.5)
    assert down == MaskSource(-source, up.gap_mm, up.way)
    assert up.way is not None
    assert 0 <= up.way[0] < up.way[1] < 1
    assert up.way[2] == left * 1.5


def test_without_a_bound_only_the_gap_is_given() -> None:
    found = MaskSource.of(7, 4, start=9, bound=None, slice_mm=5.0)
    assert found.way is None
    assert found.distance(100.0).tolist() == pytest.approx([0, 0, 0, 0, 0.15])


def test_a_slice_past_the_bound_is_at_the_end_of_the_way() -> None:
    assert MaskSource.of(8, 9, start=5, bound=8, slice_mm=1.0).way == (3 / 4, 1.0, 0.0)
    assert MaskSource.of(8, 11, start=5, bound=8, slice_mm=1.0).way == (3 / 4, 1.0, 0.0)
