from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import PromptError
from radsam.preprocess import Window


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_ends_become_0_and_1_and_what_lies_beyond_is_clipped(dtype: type) -> None:
    hu = np.array([[-1024, -160, -60, 40, 240, 3071]], dtype)
    seen = Window(-160.0, 240.0).apply(hu)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, [[0.0, 0.0, 0.25, 0.5, 1.0, 1.0]], atol=1e-6)


def test_applying_a_window_leaves_the_volume_as_it_was() -> None:
    hu = np.array([[-500.0, 500.0]], np.float32)
    Window(-160.0, 240.0).apply(hu)
    assert hu.tolist() == [[-500.0, 500.0]]


def test_the_whole_range_of_int16_does_not_overflow() -> None:
    hu = np.array([-32768, 0, 32767], np.int16)
    np.testing.assert_allclose(Window(-32768.0, 32767.0).apply(hu), [0.0, 0.5, 1.0], atol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(240.0, -160.0), (40.0, 40.0), (float("nan"), 40.0), (-160.0, float("inf"))])
def test_an_empty_or_infinite_window_is_refused_with_examples(low: float, high: float) -> None:
    with pytest.raises(PromptError, match="lower end first, for example -160 240"):
        Window(low, high)
