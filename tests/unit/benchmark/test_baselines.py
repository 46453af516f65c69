from __future__ import annotations

import numpy as np
import pytest

from phantoms import ball
from radsam.benchmark.models.baselines import RULES, otsu_threshold, rule_model
from radsam.errors import PromptError
from radsam.metrics import dice
from radsam.simulate import exact_box
from radsam.volume import Bounds, Box, Point, SliceGrid


def prompted(grid: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A baseline's mask of a ball, and the ball."""
    scene = ball(grid)
    slices = SliceGrid.of(scene.volume.geometry, "axial")
    areas = [np.count_nonzero(slices.take(scene.truth, k)) for k in range(slices.count)]
    held = np.flatnonzero(areas)
    k = int(np.argmax(areas))
    model = rule_model(name)
    model.prepare(scene.volume, "ball")
    box = Box.on(slices, k, *exact_box(slices.take(scene.truth, k)))
    return model.segment(box, Bounds(int(held[0]), int(held[-1])), "ball"), scene.truth


@pytest.mark.parametrize("grid", ["isotropic", "flipped", "sagittal"])
def test_an_ellipsoid_is_nearly_a_ball_without_looking(grid: str) -> None:
    found, truth = prompted(grid, "ellipsoid")
    assert dice(found, truth) > 0.9, "on slices of 3 mm a ball of 16 is not round"


def test_a_threshold_finds_bright_objects() -> None:
    found, truth = prompted("isotropic", "otsu")
    assert dice(found, truth) > 0.99


def test_the_baselines_are_ordered_by_their_information() -> None:
    scores = {name: dice(*prompted("isotropic", name)) for name in RULES}
    assert scores["box-fill"] < scores["copy"] < scores["ellipsoid"] < scores["otsu"]


def test_box_fill_fills_the_box_and_the_bounds_and_no_more() -> None:
    found, truth = prompted("isotropic", "box-fill")
    k, j, i = (np.flatnonzero(truth.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    expected = np.zeros_like(truth)
    expected[k[0] : k[-1] + 1, j[0] : j[-1] + 1, i[0] : i[-1] + 1] = True
    assert np.array_equal(found, expected)


def test_a_point_has_no_size() -> None:
    model = rule_model("ellipsoid")
    assert "point" not in model.card.starts
    model.prepare(ball().volume, "ball")
    with pytest.raises(PromptError, match="a point has no size"):
        model.segment(Point(i=5, j=5, k=5), None, "ball")


def test_otsu_splits_two_heaps_between_them() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 5, 500), rng.normal(100, 5, 100)])
    threshold = otsu_threshold(values)
    assert 15 < threshold < 85
    # Brute force: no other cut has a larger variance between the classes.
    cuts = np.linspace(values.min() + 1e-6, values.max() - 1e-6, 400)

    def between(cut: float) -> float:
        low, high = values[values <= cut], values[values > cut]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    assert between(threshold) >= 0.999 * max(between(cut) for cut in cuts)
