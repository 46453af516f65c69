from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from radsam.errors import PromptError
from radsam.simulate import centre_voxel, diameter_box, longest_diameter, random_voxel, scribble_voxels


def a_pair() -> tuple[np.ndarray, np.ndarray]:
    """A truth, and a prediction that misses a 5×5×5 block and has a 2×2×2 block too much."""
    truth = np.zeros((12, 14, 16), bool)
    truth[2:9, 3:10, 4:11] = True
    predicted = truth.copy()
    predicted[3:8, 4:9, 5:10] = False
    predicted[10:12, 12:14, 14:16] = True
    return predicted, truth


def test_the_centre_of_the_largest_error_is_its_middle() -> None:
    click = centre_voxel(*a_pair())
    assert click is not None
    assert (click.k, click.j, click.i, click.positive) == (5, 6, 7, True)


def test_the_border_of_the_volume_is_an_edge_of_the_error() -> None:
    truth = np.zeros((9, 9, 9), bool)
    truth[0:3] = True
    click = centre_voxel(np.zeros_like(truth), truth)
    assert click is not None
    assert click.k == 1


def test_touching_errors_of_both_kinds_are_one_as_in_the_challenge() -> None:
    truth, predicted = np.zeros((3, 3, 12), bool), np.zeros((3, 3, 12), bool)
    truth[:, :, 0:3] = True
    predicted[:, :, 3:9] = True
    click = centre_voxel(predicted, truth)
    assert click is not None
    # Nine wide together; alone, the larger part's middle would be 5 or 6 as well, but its edge would not be at 0.
    assert click.positive == (click.i < 3)
    depth = ndimage.distance_transform_edt(np.pad(truth | predicted, 1))[1:-1, 1:-1, 1:-1]
    assert depth[click.k, click.j, click.i] == depth.max()


@pytest.mark.parametrize(
    "choose", [centre_voxel, scribble_voxels, lambda p, t: random_voxel(p, t, np.random.default_rng(0))]
)
def test_nothing_is_said_where_all_is_right(choose) -> None:  # type: ignore[no-untyped-def]
    _, truth = a_pair()
    assert not choose(truth, truth)


def test_random_voxels_are_uniform_over_both_kinds_of_error() -> None:
    predicted, truth = a_pair()
    rng = np.random.default_rng(1)
    positive = [click.positive for _ in range(2000) if (click := random_voxel(predicted, truth, rng))]
    assert np.mean(positive) == pytest.approx(125 / 133, abs=0.02)


def test_a_stroke_lies_in_one_error_of_one_slice() -> None:
    truth = np.zeros((4, 20, 30), bool)
    truth[2, 8:11, 3:27] = True
    clicks = scribble_voxels(np.zeros_like(truth), truth)
    assert len(clicks) == 7
    assert {click.k for click in clicks} == {2}
    assert all(truth[click.k, click.j, click.i] and click.positive for click in clicks)
    columns = [click.i for click in clicks]
    assert abs(columns[-1] - columns[0]) == 23, "from end to end"


@pytest.mark.parametrize("pixels", [[(5, 5)], [(5, 5), (5, 6)], [(4, 5), (5, 5), (6, 5)]])
def test_a_stroke_through_a_few_pixels_stays_on_them(pixels: list[tuple[int, int]]) -> None:
    truth = np.zeros((1, 12, 12), bool)
    for j, i in pixels:
        truth[0, j, i] = True
    clicks = scribble_voxels(np.zeros_like(truth), truth)
    assert {(click.j, click.i) for click in clicks} == set(pixels)


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_diameter_equals_the_longest_of_all_pairs_in_mm(seed: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 30)), 2.5) > 0.05
    spacing = (2.0, 0.7)
    (x0, y0), (x1, y1) = longest_diameter(mask, spacing)
    places = np.argwhere(mask) * spacing
    expected = np.linalg.norm(places[:, None] - places[None], axis=2).max()
    assert np.hypot((y1 - y0) * 2.0, (x1 - x0) * 0.7) == pytest.approx(expected)
    assert mask[y0, x0]
    assert mask[y1, x1]


def test_a_diameter_becomes_a_square_in_mm_inside_the_slice() -> None:
    box = diameter_box(((10, 20), (30, 20)), (2.0, 1.0), (60, 60))
    assert box == (10, 15, 30, 25)
    assert diameter_box(((0, 0), (0, 0)), (1.0, 1.0), (8, 8)) == (0, 0, 1, 1)
    assert diameter_box(((7, 7), (7, 7)), (1.0, 1.0), (8, 8)) == (6, 6, 7, 7)
    with pytest.raises(PromptError, match="empty mask"):
        longest_diameter(np.zeros((4, 4), bool), (1.0, 1.0))
