from __future__ import annotations

import numpy as np
import pytest

from radsam.simulate import Click, centre_click, random_click


def test_every_wrong_pixel_is_clicked_with_its_sign() -> None:
    truth, predicted = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    truth[1, 1:4] = True
    predicted[1, 2:6] = True
    rng = np.random.default_rng(0)
    clicks = [random_click(predicted, truth, rng) for _ in range(900)]
    assert set(clicks) == {Click(1, 1, True), Click(4, 1, False), Click(5, 1, False)}
    assert [clicks.count(each) for each in set(clicks)] == pytest.approx([300] * 3, abs=60)


def test_a_right_prediction_needs_no_click() -> None:
    truth = np.eye(5, dtype=bool)
    assert random_click(truth, truth, np.random.default_rng(0)) is None
    assert centre_click(truth, truth) is None


def test_a_careful_user_clicks_the_middle_of_the_largest_error() -> None:
    truth, predicted = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    truth[2:5, 2:5] = True  # missed: 9 pixels
    predicted[8:13, 10:15] = True  # too much: 25 pixels
    assert centre_click(predicted, truth) == Click(12, 10, False)
    assert centre_click(truth, predicted) == Click(12, 10, True)


def test_missed_and_surplus_pixels_that_touch_are_two_regions() -> None:
    truth, predicted = np.zeros((5, 12), bool), np.zeros((5, 12), bool)
    truth[1:4, 0:3] = True
    predicted[1:4, 3:8] = True
    assert centre_click(predicted, truth) == Click(4, 2, False)


def test_the_click_lies_on_a_region_that_is_hollow() -> None:
    truth = np.ones((11, 11), bool)
    predicted = np.zeros((11, 11), bool)
    predicted[1:10, 1:10] = True
    click = centre_click(predicted, truth)
    assert click is not None
    assert not predicted[click.y, click.x]
