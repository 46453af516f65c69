"""Do edits come back from JSON as they went in?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from radsam.errors import PromptError, RadsamError, SessionError
from radsam.preprocess import Window
from radsam.session.edit import (
    Correct,
    Delete,
    Edit,
    Lock,
    Overlap,
    Remove,
    Segment,
    SetOverlap,
    edit_from_json,
    edit_to_json,
)
from radsam.volume import Bounds, Box, Mask, Plane, Point, Prompt

BOX = Box(j=3, i0=0, k0=1, i1=4, k1=5)


def segment(prompt: Prompt = BOX, bounds: Bounds | None = None) -> Segment:
    return Segment("spleen × 2", prompt, bounds, Plane.CORONAL, Window(-160.5, 240.0), "box")


@pytest.mark.parametrize(
    "edit",
    [
        segment(),
        segment(bounds=Bounds(0, 7)),
        segment(Point(i=1, j=2, k=3)),
        Correct("a", (Point(i=1, j=2, k=3), Point(i=4, j=5, k=3, positive=False))),
        Delete(3),
        Remove("a"),
        Lock("a"),
        Lock("a", False),
        SetOverlap(Overlap.KEEP_FIRST),
    ],
)
def test_an_edit_comes_back_from_json(edit: Edit) -> None:
    assert edit_from_json(json.loads(json.dumps(edit_to_json(edit)))) == edit


def test_a_mask_prompt_comes_back_with_its_slice_and_its_pixels() -> None:
    pixels = np.random.default_rng(0).random((5, 7)) > 0.5
    back = edit_from_json(json.loads(json.dumps(edit_to_json(segment(Mask(pixels=pixels, j=2))))))
    assert isinstance(back, Segment)
    assert isinstance(back.prompt, Mask)
    assert (back.prompt.axis, back.prompt.index) == (1, 2)
    np.testing.assert_array_equal(back.prompt.pixels, pixels)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"edit": "explode"}, "unknown kind: 'explode'"),
        ({}, "damaged edit: KeyError"),
        ({"edit": "remove"}, "damaged edit: KeyError"),
        ({"edit": "overlap", "overlap": "mine"}, "damaged edit: ValueError"),
        ({**edit_to_json(segment()), "plane": "diagonal"}, "damaged edit: ValueError"),
        ({**edit_to_json(segment()), "prompt": {"box": {"j": 3, "z0": 1}}}, "damaged edit: TypeError"),
        ({**edit_to_json(segment()), "prompt": {"point": [1, 2]}}, "damaged edit"),
        ({**edit_to_json(segment()), "bounds": [1, 2, 3]}, "damaged edit: TypeError"),
    ],
)
def test_json_that_is_no_edit_is_refused(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(SessionError, match=message):
        edit_from_json(damage)


def test_a_mask_whose_runs_do_not_fill_it_is_refused() -> None:
    stored = edit_to_json(segment(Mask(pixels=np.ones((5, 7), bool), j=2)))
    stored["prompt"]["runs"] = [0, 34]
    with pytest.raises(RadsamError, match="damaged"):
        edit_from_json(stored)


def test_an_edit_without_a_name_or_a_point_cannot_be_made() -> None:
    with pytest.raises(PromptError, match="needs a name"):
        Segment(" ", BOX, None, Plane.AXIAL, Window(0.0, 1.0), "mask")
    with pytest.raises(PromptError, match="at least one point"):
        Correct("a", ())
