from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import SessionError
from radsam.volume import RunMask


def test_runs_start_with_background() -> None:
    assert RunMask.encode(np.array([[True, True, False]])).runs.tolist() == [0, 2, 1]
    assert RunMask.encode(np.array([[False, True], [True, False]])).runs.tolist() == [1, 2, 1]


def test_an_empty_and_a_full_mask_are_short() -> None:
    assert RunMask.encode(np.zeros((512, 512), dtype=bool)).runs.tolist() == [512 * 512]
    assert RunMask.encode(np.ones((512, 512), dtype=bool)).runs.tolist() == [0, 512 * 512]


def test_runs_that_do_not_fill_the_mask_are_refused() -> None:
    with pytest.raises(SessionError, match="do not fill 2×3"):
        RunMask((2, 3), np.array([2, 3], dtype=np.uint32))
