"""Do points and boxes reach the model in the order that it was trained with?"""

from __future__ import annotations

import numpy as np

from radsam.model.prompt_tokens import BOX_END, BOX_START, NEGATIVE, PAD, POSITIVE, arrange

CLICKS = np.array([[3.0, 4.0], [5.0, 6.0]], dtype=np.float32)
LABELS = np.array([POSITIVE, NEGATIVE])
BOX = np.array([1.0, 2.0, 7.0, 8.0], dtype=np.float32)
NO_CLICKS, NO_LABELS = np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int64)


def test_clicks_without_a_box_get_one_padding_point_behind_them() -> None:
    xy, labels = arrange(CLICKS, LABELS)
    assert xy.tolist() == [[[3, 4], [5, 6], [0, 0]]]
    assert labels.tolist() == [[POSITIVE, NEGATIVE, PAD]]


def test_the_corners_of_a_box_come_after_the_clicks_and_need_no_padding() -> None:
    xy, labels = arrange(CLICKS, LABELS, BOX)
    assert xy.tolist() == [[[3, 4], [5, 6], [1, 2], [7, 8]]]
    assert labels.tolist() == [[POSITIVE, NEGATIVE, BOX_START, BOX_END]]


def test_without_clicks_and_box_the_list_is_empty() -> None:
    xy, labels = arrange(NO_CLICKS, NO_LABELS)
    assert xy.shape == (1, 0, 2)
    assert labels.shape == (1, 0)
    assert xy.dtype == labels.dtype == np.float32
