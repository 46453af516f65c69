"""What each clean-up does, on shapes without symmetry, anisotropic spacing and all axes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radsam.errors import PromptError
from radsam.volume import SparseMask
from radsam.volume.clean_up import (
    CleanUpStep,
    CopySlice,
    FillHoles,
    Grow,
    Interpolate,
    KeepAt,
    KeepLargest,
    RemoveIslands,
    Smooth,
    check_clean_up,
    clean_up,
)

SPACING = (2.5, 0.7, 0.9)
SHAPE = (14, 30, 26)
ANY_STEP = [
    KeepLargest(),
    KeepAt((3, 4, 5)),
    RemoveIslands(0.01),
    FillHoles(),
    FillHoles(in_slices=True, axis=1),
    Smooth(1.5),
    Grow(1.2),
    Grow(-0.8),
    Interpolate((2, 5, 9), axis=2),
    CopySlice(4, (5, 6), axis=0),
]

#: Small masks of any kind, which are not moved by the tests: they touch borders and have parts, holes and gaps.
any_mask = arrays(np.bool_, (6, 7, 8), elements=st.booleans(), fill=st.just(False))


def ellipsoid(centre: tuple[float, float, float], radii_mm: tuple[float, float, float]) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    return sum(((g - c) * mm / r) ** 2 for g, c, mm, r in zip(grid, centre, SPACING, radii_mm, strict=True)) <= 1


BODY = ellipsoid((6, 14, 11), (11, 7, 5))


@pytest.mark.parametrize("step", ANY_STEP, ids=repr)
def test_the_given_mask_does_not_change_and_an_empty_one_stays_empty(step: CleanUpStep) -> None:
    mask = BODY.copy()
    result = clean_up(mask, step, SPACING)
    assert (mask == BODY).all()
    assert result.shape == mask.shape
    assert not np.shares_memory(result, mask)
    assert not clean_up(np.zeros(SHAPE, bool), step, SPACING).any()


@given(any_mask, st.sampled_from([s for s in ANY_STEP if not isinstance(s, Interpolate | CopySlice | Smooth | Grow)]))
@settings(max_examples=60, deadline=None)
def test_parts_and_holes_need_to_be_cleaned_up_once(mask: np.ndarray, step: CleanUpStep) -> None:
    once = clean_up(mask, step, SPACING)
    assert (clean_up(once, step, SPACING) == once).all()


def test_the_largest_part_is_kept_with_what_touches_it_over_a_corner() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[1, 2:5, 3:6] = True
    mask[2, 5, 6] = True  # shares a corner with the first
    mask[8, 10:13, 8:11] = True
    kept = clean_up(mask, KeepLargest(), SPACING)
    assert kept.sum() == 10
    assert kept[2, 5, 6]


def test_of_equal_parts_the_first_in_stored_order_is_kept() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[3, 20, 1:3] = mask[3, 2, 20:22] = mask[9, 0, 0:2] = True
    assert np.argwhere(clean_up(mask, KeepLargest(), SPACING)).tolist() == [[3, 2, 20], [3, 2, 21]]


def test_the_part_at_a_voxel_is_kept_or_the_nearest_in_millimetres() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[4, 5, 5] = True  # one slice away: 2.5 mm
    mask[3, 8, 5] = True  # three rows away: 2.1 mm
    mask[3, 20:29, 20:25] = True
    assert np.argwhere(clean_up(mask, KeepAt((22, 25, 3)), SPACING))[0].tolist() == [3, 20, 20]
    assert np.argwhere(clean_up(mask, KeepAt((5, 5, 3)), SPACING)).tolist() == [[3, 8, 5]]
    assert np.argwhere(clean_up(mask, KeepAt((5, 5, 4)), SPACING)).tolist() == [[4, 5, 5]]


def test_islands_are_parts_smaller_than_a_volume() -> None:
    mask = np.zeros((4, 30, 30), bool)
    mask[0, 0:10, 0:10], mask[2, 0:10, 0:9], mask[2, 20:25, 20:25] = True, True, True
    spacing = (2.0, 1.0, 1.0)
    assert clean_up(mask, RemoveIslands(0.18), spacing).sum() == 190  # a part of exactly this volume stays
    assert clean_up(mask, RemoveIslands(0.19), spacing).sum() == 100
    assert clean_up(mask, RemoveIslands(5.0), spacing).sum() == 100  # all are smaller: the largest stays


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_holes_in_slices_are_those_of_the_slices_across_the_axis(axis: int) -> None:
    mask = np.zeros((9, 9, 9), bool)
    ring = np.moveaxis(mask, 2 - axis, 0)
    ring[2:7, 1:8, 2:8] = True
    ring[:, 3:5, 4:6] = False  # a tube along the axis: open in 3D
    assert (clean_up(mask, FillHoles(), SPACING) == mask).all()
    filled = np.moveaxis(clean_up(mask, FillHoles(in_slices=True, axis=axis), SPACING), 2 - axis, 0)
    assert filled[2:7, 1:8, 2:8].all()
    assert filled.sum() == 5 * 7 * 6
    other = clean_up(mask, FillHoles(in_slices=True, axis=(axis + 1) % 3), SPACING)
    assert (other == mask).all()


def test_a_cavity_is_filled_in_3d_unless_it_reaches_the_border_of_the_volume() -> None:
    mask = np.zeros((6, 8, 8), bool)
    mask[0:5, 1:7, 1:7] = True
    mask[2, 3, 3] = mask[0:2, 5, 5] = False
    filled = clean_up(mask, FillHoles(), SPACING)
    assert filled[2, 3, 3]
    assert not filled[0:2, 5, 5].any()


@given(any_mask, st.floats(0.3, 4), st.integers(0, 2))
@settings(max_examples=80, deadline=None)
def test_smoothing_keeps_the_volume_and_every_slice_and_adds_none(mask: np.ndarray, mm: float, axis: int) -> None:
    smooth = clean_up(mask, Smooth(mm, axis), SPACING)
    assert smooth.sum() == mask.sum()
    others = tuple({0, 1, 2} - {2 - axis})
    before, after = np.flatnonzero(mask.any(axis=others)), np.flatnonzero(smooth.any(axis=others))
    assert set(before) <= set(after)
    assert before.size == 0 or (after[0] == before[0] and after[-1] == before[-1])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_smoothing_removes_steps_and_leaves_flat_ends(axis: int) -> None:
    rng = np.random.default_rng(0)
    grid = np.mgrid[:20, :40, :36]
    across, inside = ((grid[1] - 18) * 0.7 / 9) ** 2 + ((grid[2] - 16) * 0.7 / 7) ** 2, (grid[0] > 3) & (grid[0] < 15)
    body = (across <= 1) & inside
    noisy = body ^ ((rng.random(body.shape) < 0.3) & (np.abs(across - 1) < 0.25) & inside)
    order = [0, 1, 2]
    order[2 - axis], order[0] = order[0], order[2 - axis]
    spacing = tuple(np.array((2.5, 0.7, 0.7))[order])
    smooth = clean_up(np.transpose(noisy, order), Smooth(1.4, axis), spacing).transpose(order)
    assert smooth.sum() == noisy.sum()
    assert (smooth ^ body).sum() < 0.35 * (noisy ^ body).sum()
    ends = smooth[[4, 14]].sum(axis=(1, 2)) / body[4].sum()
    assert (ends > 0.95).all()
    assert not smooth[[3, 15]].any()


@given(any_mask, st.floats(0.2, 3))
@settings(max_examples=80, deadline=None)
def test_growing_and_shrinking_again_loses_nothing_and_the_reverse_adds_nothing(mask: np.ndarray, mm: float) -> None:
    grown = clean_up(mask, Grow(mm), SPACING)
    assert not (mask & ~grown).any()
    assert not (mask & ~clean_up(grown, Grow(-mm), SPACING)).any()
    shrunk = clean_up(mask, Grow(-mm), SPACING)
    assert not (shrunk & ~mask).any()
    assert not (clean_up(shrunk, Grow(mm), SPACING) & ~mask).any()


@given(any_mask, st.floats(0.2, 4))
@settings(max_examples=40, deadline=None)
def test_growing_is_a_distance_to_the_nearest_voxel(mask: np.ndarray, mm: float) -> None:
    grown = clean_up(mask, Grow(mm), SPACING)
    points, all_points = np.argwhere(mask) * SPACING, np.argwhere(np.ones_like(mask)) * SPACING
    distances = np.linalg.norm(all_points[:, None] - points, axis=2).min(axis=1, initial=np.inf)
    assert (grown.ravel() == (distances <= (mm + 0.35) * (1 + 1e-5))).all()


def test_growing_moves_the_surface_by_millimetres_and_not_beyond_the_volume() -> None:
    grown = clean_up(BODY, Grow(2.0), SPACING)
    expected = ellipsoid((6, 14, 11), (13, 9, 7))
    assert grown.sum() == pytest.approx(expected.sum(), rel=0.01)
    assert 2 * (grown & expected).sum() / (grown.sum() + expected.sum()) > 0.95
    assert clean_up(BODY, Grow(50), SPACING).all()
    assert not clean_up(BODY, Grow(-50), SPACING).any()
    half = np.zeros(SHAPE, bool)
    half[:, :, :9] = True  # cut off by the volume: shrinks on one side only
    assert (clean_up(half, Grow(-1.8), SPACING) == (np.arange(26) < 7)).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interpolation_leaves_the_chosen_slices_and_restores_those_between(axis: int) -> None:
    order = [0, 1, 2]
    order[2 - axis], order[0] = order[0], order[2 - axis]
    spacing = tuple(np.array(SPACING)[order])
    chosen = (3, 5, 6, 9)
    gaps = BODY.copy()
    for low, high in pairwise(chosen):
        gaps[low + 1 : high] = False
    gaps[4, 20:25, 20:25] = True  # what was there is replaced
    filled = clean_up(np.transpose(gaps, order), Interpolate(chosen, axis), spacing).transpose(order)
    untouched = [0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 13]
    assert (filled[untouched] == gaps[untouched]).all()
    between = [4, 7, 8]
    assert 2 * (filled & BODY)[between].sum() / (filled[between].sum() + BODY[between].sum()) > 0.93


def test_an_oblique_vessel_does_not_vanish_between_slices() -> None:
    k, j, i = np.mgrid[:9, :60, :60]
    vessel = (j - 10 - 4 * k) ** 2 + (i - 20 - 3 * k) ** 2 <= 9
    gaps = vessel.copy()
    gaps[1:8] = False
    filled = clean_up(gaps, Interpolate((8, 0), axis=2), (3.0, 1.0, 1.0))
    assert 2 * (filled & vessel).sum() / (filled.sum() + vessel.sum()) > 0.9


def test_a_part_without_a_counterpart_ends_halfway() -> None:
    mask = np.zeros((9, 40, 60), bool)
    mask[[0, 8], 10:30, 5:25] = True
    mask[0, 15:25, 40:55] = True
    filled = clean_up(mask, Interpolate((0, 8), axis=2), (3.0, 1.0, 1.0))
    assert (filled[:, 10:30, 5:25]).all()
    sizes = filled[:, :, 30:].sum(axis=(1, 2))
    assert (np.diff(sizes) <= 0).all()
    assert sizes[2] > 0
    assert not sizes[4:].any()


def test_slices_that_became_empty_are_left_out() -> None:
    mask = BODY.copy()
    mask[5] = False
    assert (clean_up(mask, Interpolate((3, 5, 8), 2), SPACING) == clean_up(mask, Interpolate((3, 8), 2), SPACING)).all()
    assert (clean_up(mask, CopySlice(5, (6,), 2), SPACING) == mask).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_copied_along_its_axis(axis: int) -> None:
    copied = np.moveaxis(clean_up(BODY, CopySlice(9, (8, 12), axis), SPACING), 2 - axis, 0)
    body = np.moveaxis(BODY, 2 - axis, 0)
    assert (copied[[8, 12]] == body[9]).all()
    rest = [index for index in range(body.shape[0]) if index not in (8, 12)]
    assert (copied[rest] == body[rest]).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RemoveIslands(-1), "above 0"),
        (lambda: RemoveIslands(float("nan")), "nan is not"),
        (lambda: Smooth(0), "more than 0"),
        (lambda: Smooth(float("nan")), "nan is not"),
        (lambda: Smooth(2, axis=3), "There is no axis 3"),
        (lambda: Grow(0), "not 0"),
        (lambda: Grow(float("inf")), "up to 50 mm"),
        (lambda: Interpolate((4, 4), 2), "at least two different slices"),
        (lambda: Interpolate((4, 5), 2), "No slice lies between 4, 5"),
        (lambda: Interpolate((4, 8), -1), "There is no axis -1"),
        (lambda: CopySlice(4, (), 2), "Name the slices"),
        (lambda: CopySlice(4, (3, 4), 2), "cannot be copied to itself"),
        (lambda: FillHoles(axis=7), "There is no axis 7"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(make: object, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        make()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (KeepAt((26, 0, 0)), "i=26, but i goes from 0 to 25"),
        (KeepAt((0, -1, 0)), "j=-1, but j goes from 0 to 29"),
        (Interpolate((3, 14), 2), "k=14, but k goes from 0 to 13"),
        (CopySlice(3, (4, 30), 1), "j=30"),
        (Interpolate((0, 5, 13), 2), "no voxels on slice k=0, 13"),
        (CopySlice(25, (24,), 0), "no voxels on slice i=25"),
    ],
)
def test_steps_that_do_not_fit_the_mask_are_refused_in_a_sentence(step: CleanUpStep, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        check_clean_up(SparseMask.of(BODY, 1), step)


@pytest.mark.parametrize("step", ANY_STEP, ids=repr)
def test_there_is_nothing_to_clean_up_in_an_empty_mask(step: CleanUpStep) -> None:
    check_clean_up(SparseMask.of(np.ones(SHAPE, bool), 2), step)
    with pytest.raises(PromptError, match="no voxels: there is nothing"):
        check_clean_up(SparseMask.of(np.zeros(SHAPE, bool), 0), step)
