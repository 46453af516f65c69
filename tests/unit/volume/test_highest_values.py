from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radsam.volume.highest_values import highest_values

some_values = arrays(np.float32, (5, 7), elements=st.sampled_from([-2e6, -1.0, 0.0, 1e-6, 0.25, 0.2501, 1.0, 3e6]))


@given(some_values, st.integers(0, 35))
@settings(max_examples=80, deadline=None)
def test_the_highest_values_are_chosen_and_of_equal_ones_the_first(field: np.ndarray, count: int) -> None:
    order = sorted(range(field.size), key=lambda at: (-field.flat[at], at))
    assert sorted(order[:count]) == np.flatnonzero(highest_values(field, count)).tolist()
