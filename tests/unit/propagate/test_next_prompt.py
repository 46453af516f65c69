from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_spec
from radsam.predictor import SlicePrompt
from radsam.propagate import POLICIES, default_policy
from radsam.runtime import Capability
from radsam.volume import RunMask


def mask(u0: int = 3, v0: int = 2, u1: int = 6, v1: int = 4) -> RunMask:
    pixels = np.zeros((8, 12), bool)
    pixels[v0 : v1 + 1, u0 : u1 + 1] = True
    return RunMask.encode(pixels)


EMPTY = RunMask.encode(np.zeros((8, 12), bool))
NOTHING = SlicePrompt()
POINTS = ((10, 3, True), (0, 7, False), (4, 0, True))


def test_the_mask_policy_passes_the_mask_on() -> None:
    assert POLICIES["mask"](mask(), NOTHING) == SlicePrompt(mask=mask())


def test_the_mask_policy_adds_the_points_of_the_slice_and_leaves_a_box_behind() -> None:
    user_prompt = SlicePrompt(box_uvuv=(0, 0, 2, 2), points_uv=POINTS)
    assert POLICIES["mask"](mask(), user_prompt) == SlicePrompt(points_uv=POINTS, mask=mask())


def test_an_empty_mask_is_no_prompt() -> None:
    assert POLICIES["mask"](EMPTY, SlicePrompt(points_uv=POINTS)) == SlicePrompt(points_uv=POINTS)
    assert not POLICIES["mask"](EMPTY, NOTHING)
    assert not POLICIES["box"](EMPTY, NOTHING)


def test_the_box_policy_passes_on_the_box_around_the_mask() -> None:
    assert POLICIES["box"](mask(), NOTHING) == SlicePrompt(box_uvuv=(3, 2, 6, 4))


def test_the_box_grows_to_positive_points_only() -> None:
    prompt = POLICIES["box"](mask(), SlicePrompt(points_uv=POINTS))
    assert prompt == SlicePrompt(box_uvuv=(3, 0, 10, 4), points_uv=POINTS)


def test_a_box_that_the_user_drew_stands() -> None:
    drawn = (1, 1, 8, 5)
    assert POLICIES["box"](mask(), SlicePrompt(box_uvuv=drawn)) == SlicePrompt(box_uvuv=drawn)
    grown = POLICIES["box"](mask(), SlicePrompt(box_uvuv=drawn, points_uv=((10, 3, True),)))
    assert grown == SlicePrompt(box_uvuv=(1, 1, 10, 5), points_uv=((10, 3, True),))


def test_points_alone_stay_points_where_there_is_no_box() -> None:
    assert POLICIES["box"](EMPTY, SlicePrompt(points_uv=POINTS)) == SlicePrompt(points_uv=POINTS)


def test_the_copy_policy_answers_with_the_mask_itself() -> None:
    assert POLICIES["copy"](mask(), SlicePrompt(box_uvuv=(0, 0, 2, 2), points_uv=POINTS)) == mask()


@pytest.mark.parametrize("corners", [(0, 0, 11, 7), (3, 2, 6, 4), (5, 5, 5, 5), (0, 7, 11, 7)])
def test_the_enclosing_box_is_inclusive(corners: tuple[int, int, int, int]) -> None:
    assert mask(*corners).enclosing_box == corners


def test_an_empty_mask_has_no_enclosing_box() -> None:
    assert EMPTY.enclosing_box is None


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ((Capability.BOX,), "box"),
        ((Capability.BOX, Capability.POINT, Capability.EDIT), "box"),
        ((Capability.MASK,), "mask"),
        ((Capability.BOX, Capability.MASK), "mask"),
    ],
)
def test_a_model_walks_as_it_was_trained_to(capabilities: tuple[Capability, ...], policy: str) -> None:
    assert default_policy(fake_spec(capabilities=capabilities)) == policy


def test_a_point_is_passed_on_from_the_deepest_pixel_with_the_users_points() -> None:
    mask = np.zeros((12, 14), bool)
    mask[2:9, 3:10] = True
    user_prompt = SlicePrompt(points_uv=((1, 1, False),))
    assert POLICIES["point"](RunMask.encode(mask), user_prompt) == SlicePrompt(points_uv=((6, 5, True), (1, 1, False)))
    assert POLICIES["point"](RunMask.encode(np.zeros_like(mask)), user_prompt) == user_prompt
