"""Are requests parsed and validated once, whatever they are made of, and do they become the right edits?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fakes import fake_session
from phantoms import touching_balls
from radsam.errors import PromptError, RequestError, SessionError
from radsam.preprocess import Window
from radsam.propagate import POLICIES
from radsam.session import Session
from radsam.session.edit import Correct, Delete, Lock, Overlap, Remove, Segment, SetOverlap
from radsam.session.edit_request import (
    CorrectionRequest,
    PolicyName,
    SegmentRequest,
)
from radsam.session.hand_request import PaintRequest
from radsam.session.requests import request_of
from radsam.volume import Bounds, Box, Mask, Plane, Point

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


@pytest.fixture
def session() -> Session:
    return fake_session(SCENE.volume)


def test_a_request_from_json_equals_one_from_values() -> None:
    body = (
        '{"name": "liver", "prompt": {"box": {"k": 13, "i0": 3, "j0": 7, "i1": 15, "j1": 20}}, "plane": "axial", '
        '"bounds": [7, 19], "window": [-160, 240], "policy": "box", "zoom": false, "alternative": 2}'
    )
    assert SegmentRequest.model_validate_json(body) == SegmentRequest(
        name="liver",
        prompt=RIGHT,
        bounds=Bounds(7, 19),
        window=Window(-160.0, 240.0),
        policy=PolicyName.BOX,
        zoom=False,
        alternative=2,
    )
    points = '{"name": "liver", "points": [{"point": [1, 2, 3], "positive": false}, {"point": [4, 5, 3]}]}'
    expected = (Point(i=1, j=2, k=3, positive=False), Point(i=4, j=5, k=3))
    assert CorrectionRequest.model_validate_json(points) == CorrectionRequest(name="liver", points=expected)


def test_a_request_writes_the_json_that_it_reads() -> None:
    mask = Mask(pixels=np.eye(4, dtype=bool), k=2)
    request = SegmentRequest(name="a", prompt=mask, bounds=Bounds(1, 3), window=Window(0.0, 80.0))
    written = json.loads(request.model_dump_json())
    assert written["prompt"] == {"mask": {"k": 2}, "shape": [4, 4], "runs": [0, 1, 4, 1, 4, 1, 4, 1]}
    assert (written["bounds"], written["window"], written["plane"]) == ([1, 3], [0, 80], "axial")
    back = SegmentRequest.model_validate(written)
    assert isinstance(back.prompt, Mask)
    np.testing.assert_array_equal(back.prompt.pixels, mask.pixels)


def test_there_is_a_policy_name_for_every_policy() -> None:
    assert [each.value for each in PolicyName] == list(POLICIES)


def test_all_values_that_are_wrong_are_named_at_once() -> None:
    given = {"prompt": RIGHT, "plane": "diagonal", "policy": "guess", "alternative": 4, "colour": "red"}
    with pytest.raises(RequestError) as refused:
        SegmentRequest.model_validate(given)
    message = str(refused.value)
    for part in (
        "plane must be one of axial",
        "policy must be one of",
        "alternative must be at most 3",
        "colour is unknown",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prompt": {"box": {"k": 1, "i0": 5, "i1": 2, "j0": 0, "j1": 4}}}, "has no area"),
        ({"prompt": {"point": [1, 2, 3], "positive": False}}, "starts with a positive point"),
        ({"prompt": {"point": [1, 2]}}, "prompt.point needs at least 3"),
        ({"prompt": {"point": [1, 2, True]}}, "must be a whole number"),
        ({"prompt": {"ellipse": 3}}, "the key point, box, mask, scribble or lasso"),
        ({"prompt": 3}, "the key point, box, mask, scribble or lasso"),
        ({"prompt": {"mask": {"k": 1}, "shape": [2, 2], "runs": [0, 5]}}, "do not fill 2×2"),
        ({}, "prompt is missing"),
        ({"prompt": RIGHT, "name": " "}, "needs a name"),
        ({"prompt": RIGHT, "bounds": [9, 3]}, "reversed"),
        ({"prompt": RIGHT, "bounds": [3]}, "bounds needs at least 2"),
        ({"prompt": RIGHT, "window": [5, 5]}, "is empty"),
        ({"prompt": RIGHT, "window": [0, float("inf")]}, "finite number"),
        ({"prompt": RIGHT, "zoom": "yes"}, "zoom must be true or false, not 'yes'"),
    ],
)
def test_a_request_that_is_not_well_formed_cannot_be_made(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        SegmentRequest.model_validate(given)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (SegmentRequest(prompt=Box(k=99, i0=0, j0=0, i1=5, j1=5)), "outside the volume: k=99"),
        (SegmentRequest(prompt=RIGHT, plane=Plane.CORONAL), "counted along j"),
        (SegmentRequest(prompt=RIGHT, bounds=Bounds(7, 99)), "leave the volume"),
        (SegmentRequest(prompt=RIGHT, bounds=Bounds(14, 19)), "exclude the prompted slice 13"),
    ],
)
def test_a_request_is_compared_with_the_volume_without_a_model(request_: SegmentRequest, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        request_.check(SCENE.volume.geometry)


def test_what_a_request_leaves_out_comes_from_the_session(session: Session) -> None:
    edit = SegmentRequest(prompt=RIGHT).to_edit(session.context)
    assert edit == Segment("object", RIGHT, None, Plane.AXIAL, session.window, "mask", zoom=False)
    assert request_of(edit).to_edit(session.context) == edit


def test_a_correction_is_compared_with_the_prompt_that_it_corrects() -> None:
    started = SegmentRequest(prompt=RIGHT, bounds=Bounds(7, 19))
    geometry = SCENE.volume.geometry
    far = CorrectionRequest(points=(Point(i=9, j=9, k=25),))
    far.check(geometry)
    with pytest.raises(PromptError, match="outside the bounds 7 to 19"):
        far.check(geometry, started)
    with pytest.raises(PromptError, match="axial slices 9, 12"):
        CorrectionRequest(points=(Point(i=9, j=9, k=9), Point(i=9, j=9, k=12))).check(geometry, started)
    with pytest.raises(PromptError, match=r"(?s)k=98.*k=99"):
        CorrectionRequest(points=(Point(i=9, j=9, k=98), Point(i=9, j=9, k=99))).check(geometry)


def test_a_session_does_every_request(session: Session) -> None:
    session.segment(SegmentRequest(name="a", prompt=RIGHT, bounds=Bounds(7, 19)))
    session.correct(CorrectionRequest(name="a", points=(Point(i=9, j=14, k=15),)))
    for request in (
        Lock("a"),
        Lock("a", False),
        SetOverlap(Overlap.KEEP_FIRST),
        Delete(1),
        Remove("a"),
    ):
        list(session.run(request))
    assert [type(each) for each in session.history.done] == [Segment, Correct, Lock, Lock, SetOverlap, Delete, Remove]
    assert not session.objects


def test_a_request_for_another_mask_becomes_a_mask_prompt(session: Session) -> None:
    masks = session.preview(SegmentRequest(prompt=RIGHT))
    found = session.segment(SegmentRequest(prompt=RIGHT, bounds=Bounds(13, 13), alternative=2, policy=PolicyName.COPY))
    (placed,) = found.placed_prompts
    assert isinstance(placed.prompt, Mask)
    np.testing.assert_array_equal(placed.prompt.pixels, masks[2].mask.decode())


def test_an_object_that_is_locked_or_not_there_is_not_changed(session: Session) -> None:
    point = (Point(i=9, j=14, k=15),)
    with pytest.raises(SessionError, match="There is no object 'b'"):
        CorrectionRequest(name="b", points=point).to_edit(session.context)
    session.segment(SegmentRequest(name="a", prompt=RIGHT, bounds=Bounds(13, 15)))
    session.lock("a")
    for request in (
        SegmentRequest(name="a", prompt=RIGHT),
        CorrectionRequest(name="a", points=point),
        Remove("a"),
        Delete(0),
    ):
        with pytest.raises(SessionError, match="'a' is locked"):
            next(session.run(request))


@pytest.mark.parametrize("reach", [-1, "far", "5", 1.5, True, None])
def test_a_reach_that_does_not_exist_is_refused_in_plain_words(reach: object) -> None:
    given = {"name": "it", "points": [Point(i=1, j=1, k=1)], "reach": reach}
    words = f'^reach must be "slice", "next", "ends", or a number of slices from 0 on, not {reach!r}.$'
    with pytest.raises(RequestError, match=words):
        CorrectionRequest.model_validate(given)


def test_requests_take_the_names_of_the_first_releases() -> None:
    box = Box(k=1, i0=1, j0=1, i1=3, j1=3)
    stroke = {"brush": {"path": [[1, 1, 1]], "radius_mm": 2.0}}
    for name in ("window", "window_hu"):
        assert SegmentRequest.model_validate({"prompt": box, name: [0, 80]}).window == Window(0.0, 80.0)
    for name in ("within", "within_hu"):
        request = PaintRequest.model_validate({"name": "a", "shape": stroke, name: [0, 80]})
        assert request.within == Window(0.0, 80.0)
