from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from phantoms import ball, touching_balls
from radsam.benchmark.benchmark_config import ModeConfig
from radsam.benchmark.models import PaintedSlice
from radsam.benchmark.simulated_user import SimulatedUser
from radsam.simulate import exact_box
from radsam.volume import Bounds, Box, Mask, Point, SliceGrid


def a_user(grid: str = "anisotropic", *, seed: int = 0, min_pixels: int = 1, **mode: object) -> SimulatedUser:
    scene = ball(grid)
    settings = ModeConfig(**mode)  # type: ignore[arg-type]
    return SimulatedUser(
        scene.truth, scene.volume.geometry, settings, np.random.default_rng([seed, 1]), min_pixels=min_pixels
    )


@pytest.mark.parametrize("grid", ["isotropic", "anisotropic", "flipped", "oblique", "sagittal"])
def test_the_first_prompt_is_the_exact_box_on_the_largest_slice_with_the_bounds(grid: str) -> None:
    user = a_user(grid)
    first = user.first()
    areas = [np.count_nonzero(user.grid.take(user.truth, k)) for k in range(user.grid.count)]
    held = np.flatnonzero(areas)
    assert areas[first.prompt.index] == max(areas)
    assert first.prompt == Box.on(
        user.grid, first.prompt.index, *exact_box(user.grid.take(user.truth, first.prompt.index))
    )
    assert first.bounds == Bounds(int(held[0]), int(held[-1]))


def test_the_same_seed_gives_the_same_prompts_and_another_one_others() -> None:
    def prompts_of(seed: int) -> list[object]:
        user = a_user(start="point", prompt_slice="random", edits=5, seed=seed)
        empty = np.zeros_like(user.truth)
        return [user.first(), *(user.correction(empty) for _ in range(5))]

    assert prompts_of(3) == prompts_of(3)
    assert prompts_of(3) != prompts_of(4)


def test_every_kind_of_first_prompt_lies_on_the_object() -> None:
    point = a_user(start="point").first().prompt
    assert isinstance(point, Point)
    user = a_user()
    assert user.truth[point.k, point.j, point.i]
    mask = a_user(start="mask").first().prompt
    assert isinstance(mask, Mask)
    assert np.array_equal(mask.pixels, user.truth[mask.index])
    loose, exact = a_user(box="loose").first().prompt, user.first().prompt
    assert isinstance(loose, Box)
    assert loose != exact


def test_a_diameter_becomes_the_square_around_its_circle_without_bounds() -> None:
    first = a_user(start="diameter", bounds=False).first()
    assert first.bounds is None
    assert isinstance(first.prompt, Box)
    u0, v0, u1, v1 = first.prompt.uvuv
    assert abs((u1 - u0) - (v1 - v0)) <= 1, "the phantom's pixels are square"
    # The ball's own diameter is 16 mm, its pixels 0.75 mm.
    assert 19 <= u1 - u0 <= 23


@pytest.mark.parametrize("edit", ["random", "centre", "scribble"])
def test_a_correction_is_in_the_error_and_names_the_right_side(edit: str) -> None:
    user = a_user(edit=edit, edits=3)
    predicted = np.roll(user.truth, 3, axis=2)
    for _ in range(20):
        points = user.correction(predicted)
        assert points
        assert len({point.k for point in points}) == 1
        for point in points:
            at = point.k, point.j, point.i
            assert user.truth[at] != predicted[at]
            assert point.positive == user.truth[at]
    assert user.correction(user.truth) == ()


@pytest.mark.parametrize("edit", ["random", "centre", "scribble"])
def test_a_correction_of_a_slice_stays_on_it(edit: str) -> None:
    user = a_user("sagittal", edit=edit, edits=3, level="slice")
    predicted = np.roll(user.truth, 2, axis=0)
    index = user.slices()[len(user.slices()) // 2]
    for point in user.correction_on(index, predicted):
        assert user.grid.split(point.index_ijk)[0] == index
        at = point.k, point.j, point.i
        assert user.truth[at] != predicted[at]
    assert user.correction_on(index, user.truth) == ()


def test_random_corrections_are_spread_evenly_over_the_error() -> None:
    user = a_user(edits=1)
    half = user.truth.copy()
    half[user.truth.shape[0] // 2 :] = False
    missing, extra = user.truth & ~half, np.roll(user.truth, 25, axis=2) & ~user.truth
    predicted = half | extra
    signs = [user.correction(predicted)[0].positive for _ in range(600)]
    expected = missing.sum() / (missing.sum() + extra.sum())
    assert abs(np.mean(signs) - expected) < 0.07, "three standard errors of 600 draws"


def test_slices_are_spread_evenly_and_small_ones_get_no_prompt() -> None:
    user = a_user(level="slice", most_slices=3)
    every = a_user(level="slice").slices()
    assert user.slices()[0] == every[0]
    assert user.slices()[-1] == every[-1]
    assert len(user.slices()) == 3
    areas = {k: int(user.truth[k].sum()) for k in every}
    some = a_user(level="slice", min_pixels=sorted(areas.values())[2]).slices()
    assert set(some) == {k for k in every if areas[k] >= sorted(areas.values())[2]}
    assert a_user(level="slice", min_pixels=10**6).slices() == [max(areas, key=lambda k: areas[k])]


def test_the_oracle_takes_the_best_mask_offered() -> None:
    user = a_user(level="slice", oracle=True)
    k = user.slices()[1]
    worse = np.roll(user.truth, 2, axis=2)
    assert user.best(k, (worse, user.truth, np.zeros_like(worse))) is user.truth


def test_a_centre_is_the_deepest_voxel_of_the_largest_error() -> None:
    scene = touching_balls()
    grid = SliceGrid.of(scene.volume.geometry, "axial")
    user = SimulatedUser(
        scene.truth, scene.volume.geometry, ModeConfig(edit="centre", edits=1), np.random.default_rng(0)
    )
    # The larger ball is missing, and a small speck is too much.
    predicted = scene.truths["left"].copy()
    predicted[:2, :2, :2] = True
    (point,) = user.correction(predicted)
    assert point.positive
    k, j, i = (axis.mean() for axis in np.nonzero(scene.truths["right"] & ~scene.truths["left"]))
    assert np.linalg.norm(np.array(point.index_ijk) - (i, j, k)) < 2.5
    assert grid.count == scene.truth.shape[0]


def test_boxes_are_drawn_on_every_fifth_slice_once_and_the_worst_first() -> None:
    user = a_user("isotropic", edit="box", edits=9)
    areas = {k: int(user.truth[k].sum()) for k in range(user.grid.count)}
    largest = user.first().prompt.index
    drawn = []
    while correction := user.correction(np.zeros_like(user.truth)):
        assert isinstance(correction, tuple)
        (box,) = correction
        assert box == Box.on(user.grid, box.index, *exact_box(user.truth[box.index]))
        drawn.append(box.index)
    assert set(drawn) == {k for k, area in areas.items() if area and k != largest and (k - largest) % 5 == 0}
    assert [areas[k] for k in drawn] == sorted((areas[k] for k in drawn), reverse=True)
    assert len(set(drawn)) == len(drawn)


def test_the_worst_slice_is_painted_until_every_slice_is_good() -> None:
    user = a_user("anisotropic", edit="paint", edits=9)
    predicted = user.truth.copy()
    held = np.flatnonzero(user.truth.any(axis=(1, 2)))
    predicted[held[2]] = np.roll(predicted[held[2]], 4, axis=1)
    predicted[held[0]] = False
    first = user.correction(predicted)
    assert isinstance(first, PaintedSlice)
    assert first.index == held[2]
    assert np.array_equal(first.pixels, user.truth[held[2]])
    predicted[held[2]] = user.truth[held[2]]
    second = user.correction(predicted)
    assert isinstance(second, PaintedSlice)
    assert second.index == held[0]
    assert user.correction(user.truth) == ()


def test_a_mask_of_the_whole_object_is_wrong_and_the_same_for_the_same_seed() -> None:
    masks = [a_user(start="object", edits=1, seed=seed).noisy_object() for seed in (1, 1, 2)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert not np.array_equal(masks[0], a_user().truth)
    assert a_user(start="object").bounds == a_user().first().bounds
    assert a_user(start="object", bounds=False).bounds is None


def test_scribbles_grow_along_the_error() -> None:
    user = a_user("isotropic", edit="scribble", edits=1)
    points = user.correction(np.zeros_like(user.truth))
    assert 5 <= len(points) <= 7
    places = np.array([point.index_ijk[:2] for point in points], float)
    steps = np.diff(places, axis=0)
    assert all(np.dot(one, other) > 0 for one, other in pairwise(steps)), "one stroke, not a cloud"
