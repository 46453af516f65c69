"""Is the reach that is shown before an edit the one that it has?"""

from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_session
from phantoms import touching_balls
from radsam.session import Session
from radsam.session.edit_request import CorrectionRequest
from radsam.volume import Bounds, Box, Point, Prompt

SCENE = touching_balls()


@pytest.fixture
def session() -> Session:
    session = fake_session(SCENE.volume)
    session.segment(Box(k=13, i0=3, j0=7, i1=15, j1=20), bounds=(7, 19), name="it", policy="box")
    return session


@pytest.mark.parametrize(
    ("prompt", "reach", "shown"),
    [
        (Point(i=6, j=14, k=17, positive=False), "next", Bounds(16, 19)),  # half-way to the first prompt
        (Box(k=17, i0=6, j0=10, i1=12, j1=17), "next", Bounds(14, 19)),  # the shape between both boxes: all the way
        (Box(k=17, i0=6, j0=10, i1=12, j1=17), "slice", Bounds(17, 17)),
        (Box(k=17, i0=6, j0=10, i1=12, j1=17), 1, Bounds(16, 18)),
        (Point(i=6, j=14, k=17, positive=False), "ends", Bounds(7, 19)),
    ],
    ids=["click", "anchor", "slice", "one", "ends"],
)
def test_an_edit_changes_no_slice_beyond_the_reach_that_is_shown(
    session: Session, prompt: Prompt, reach: str | int, shown: Bounds
) -> None:
    request = CorrectionRequest.model_validate({"name": "it", "points": [prompt], "reach": reach})
    assert session.reach(request) == shown
    before = session.mask("it")
    session.correct(request)
    changed = np.flatnonzero((session.mask("it") != before).any(axis=(1, 2)))
    assert changed.size > 0
    assert shown.low <= changed[0] <= changed[-1] <= shown.high
