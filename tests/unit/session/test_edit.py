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


def test_old_files_with_whole_numbers_as_floats_and_any_window_are_read() -> None:
    stored = edit_to_json(segment(bounds=Bounds(0, 7))) | {"bounds": [0.0, 7.0], "window": [-1e12, 1e12]}
    edit = edit_from_json(stored | {"prompt": {"point": [1.0, 2.0, 3.0], "positive": True}})
    assert edit == Segment("spleen × 2", Point(i=1, j=2, k=3), Bounds(0, 7), Plane.CORONAL, Window(-1e12, 1e12), "box")
    with pytest.raises(SessionError, match="whole number"):
        edit_from_json(stored | {"prompt": {"point": [1.5, 2.0, 3.0], "positive": True}})


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
        ({"edit": "explode"}, "of the kind 'explode', which this program does not know: a newer version"),
        ({"edit": 3}, "damaged edit: must be one of 'segment', .*, not '?3"),
        ({}, "damaged edit: has no 'edit'"),
        ({"edit": "remove"}, r"damaged edit: remove\.name is missing"),
        ({"edit": "overlap", "overlap": "mine"}, "damaged edit: .*must be one of last wins, .*, keep both, not 'mine'"),
        ({**edit_to_json(segment()), "plane": "diagonal"}, "damaged edit: .*must be one of axial, .*, not 'diagonal'"),
        ({**edit_to_json(segment()), "prompt": {"box": {"j": 3, "z0": 1}}}, "damaged edit: .*z0 is unknown"),
        ({**edit_to_json(segment()), "prompt": {"point": [1, 2]}}, "damaged edit: .*needs at least 3 values, not 2"),
        ({**edit_to_json(segment()), "bounds": [1, 2, 3]}, "damaged edit: .*needs at most 2 values, not 3"),
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


#: As releases before wrote them, into session files and the server's journal.
STORED = {
    '{"edit": "segment", "name": "liver", "prompt": {"box": {"k": 41, "i0": 120, "i1": 210, "j0": 88, "j1": 170}}, '
    '"bounds": [30, 70], "plane": "axial", "window": [-160.0, 240.0], "policy": "mask", "zoom": true}': Segment(
        "liver",
        Box(k=41, i0=120, j0=88, i1=210, j1=170),
        Bounds(30, 70),
        Plane.AXIAL,
        Window(-160.0, 240.0),
        "mask",
        zoom=True,
    ),
    '{"edit": "segment", "name": "a", "prompt": {"point": [1, 2, 3], "positive": true}, "bounds": null, '
    '"plane": "coronal", "window": [-1350, 150], "policy": "copy", "zoom": false}': Segment(
        "a", Point(i=1, j=2, k=3), None, Plane.CORONAL, Window(-1350.0, 150.0), "copy"
    ),
    '{"edit": "correct", "name": "a", "points": [{"point": [1, 2, 3], "positive": false}], "reach": "next"}': Correct(
        "a", (Point(i=1, j=2, k=3, positive=False),)
    ),
    '{"edit": "delete", "number": 2}': Delete(2),
    '{"edit": "remove", "name": "a"}': Remove("a"),
    '{"edit": "lock", "name": "a", "locked": false}': Lock("a", False),
    '{"edit": "overlap", "overlap": "keep first"}': SetOverlap(Overlap.KEEP_FIRST),
}


@pytest.mark.parametrize(("stored", "edit"), STORED.items(), ids=lambda each: type(each).__name__)
def test_edits_stored_by_earlier_releases_are_read_and_written_the_same(stored: str, edit: Edit) -> None:
    assert edit_from_json(json.loads(stored)) == edit
    assert json.loads(json.dumps(edit_to_json(edit))) == json.loads(stored)


def test_a_mask_prompt_stored_by_earlier_releases_is_read_and_written_the_same() -> None:
    stored = json.loads(
        '{"edit": "segment", "name": "a", "prompt": {"mask": {"j": 5}, "shape": [2, 4], "runs": [1, 2, 5]}, '
        '"bounds": null, "plane": "coronal", "window": [-160, 240], "policy": "mask", "zoom": false}'
    )
    edit = edit_from_json(stored)
    assert isinstance(edit, Segment)
    assert isinstance(edit.prompt, Mask)
    assert (edit.prompt.j, edit.prompt.pixels.tolist()) == (5, [[False, True, True, False], [False] * 4])
    assert edit_to_json(edit) == stored
