"""Clean-up as an edit of a session: it can be undone and replayed, and keeps to what a person has set."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import FakeBackend, fake_session
from phantoms import touching_balls
from radsam.errors import PromptError
from radsam.session import Session
from radsam.session.hand_request import CleanUpRequest
from radsam.volume import Box
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
    clean_up,
)

SCENE = touching_balls()
SPACING = SCENE.volume.geometry.spacing_mm_ijk[::-1]
STEPS = [
    KeepLargest(),
    KeepAt((24, 3, 12)),
    RemoveIslands(0.1),
    FillHoles(in_slices=True),
    Smooth(2),
    Grow(1),
    Grow(-2),
    Interpolate((10, 16), axis=2),
    Interpolate((5, 12), axis=0),
    CopySlice(13, (14, 15), axis=2),
]


@pytest.fixture
def session() -> Session:
    session = fake_session(SCENE.volume, FakeBackend())
    session.segment(Box(k=13, i0=3, j0=7, i1=15, j1=20), bounds=(9, 17), name="it", policy="box")
    return session


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_a_clean_up_changes_the_mask_inside_the_bounds_and_can_be_undone(session: Session, step: CleanUpStep) -> None:
    before = session.mask("it")
    session.clean_up(step, name="it")
    expected = clean_up(before, step, SPACING)
    expected[:9] = expected[18:] = False
    np.testing.assert_array_equal(session.mask("it"), expected)
    session.undo()
    np.testing.assert_array_equal(session.mask("it"), before)
    session.redo()
    np.testing.assert_array_equal(session.mask("it"), expected)


def test_painted_voxels_and_slices_marked_right_stay(session: Session) -> None:
    island = np.zeros_like(session.mask("it"))
    island[12, 3, 24] = True
    session.paint(island, name="it")
    session.confirm(14, name="it")
    right = session.mask("it")[14]
    session.clean_up(KeepLargest(), name="it")
    assert session.mask("it")[12, 3, 24]
    session.clean_up(Grow(-2), name="it")
    np.testing.assert_array_equal(session.mask("it")[14], right)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Interpolate((0, 12), axis=2), "no voxels on slice k=0"),
        (Interpolate((12, 900), axis=2), "k=900, but k goes from 0"),
        (CopySlice(0, (12,), axis=2), "no voxels on slice k=0"),
        (CopySlice(13, (18,), axis=2), "Slice 18 lies outside 'it', which goes from slice 9 to 17: extend it first"),
        (KeepAt((-1, 0, 0)), "i=-1"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_refused_and_leaves_the_session_as_it_was(
    session: Session, step: CleanUpStep, words: str
) -> None:
    edits, before = session.history.done, session.mask("it")
    with pytest.raises(PromptError, match=words):
        session.clean_up(step, name="it")
    assert session.history.done == edits
    np.testing.assert_array_equal(session.mask("it"), before)


def test_the_json_of_a_request_does_the_same(session: Session) -> None:
    session.clean_up(Smooth(2), name="it")
    smooth = session.mask("it")
    session.undo()
    for _ in session.run(CleanUpRequest.model_validate({"name": "it", "step": {"step": "smooth", "mm": 2}})):
        pass
    np.testing.assert_array_equal(session.mask("it"), smooth)
