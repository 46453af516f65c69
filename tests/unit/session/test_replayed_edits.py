"""Edits that are replayed among other edits than they were made among, and values of other kinds than expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import touching_balls
from radsam.errors import InputError, SessionError
from radsam.session import Session
from radsam.session.edit import edit_from_json
from radsam.session.edit_request import CorrectionRequest
from radsam.session.hand_request import BoundsRequest, ConfirmRequest, PaintRequest
from radsam.volume import Bounds, Box, Lasso, Mask, Plane, Point, Prompt, SparseMask
from radsam.volume.clean_up import KeepAt
from radsam.volume.hand_shape import Brush

#: Some corrections here are made where the fake model finds nothing.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.session.CapabilityWarning")

SCENE = touching_balls()
SHAPE_KJI = SCENE.volume.geometry.shape_kji
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def session(backend: FakeBackend) -> Session:
    session = fake_session(SCENE.volume, backend)
    session.segment(RIGHT, bounds=(9, 17), name="it", policy="box")
    return session


@pytest.mark.parametrize(
    "correction",
    [
        Box(j=14, i0=3, k0=9, i1=15, k1=17),
        Mask(j=14, pixels=SCENE.truths["right"][:, 14]),
        Lasso(j=14, polygon=((3.0, 9.0), (15.0, 9.0), (15.0, 17.0))),
    ],
)
def test_what_names_slices_goes_with_the_start_of_its_plane(session: Session, correction: Prompt) -> None:
    before = session.mask("it")
    session.segment(Point(i=9, j=13, k=13), plane=Plane.CORONAL, name="it")
    session.correct(correction, name="it")
    session.trim(10, 16, name="it")
    session.confirm(12, name="it")
    assert [each.slices for each in session.objects["it"].edits] == [(13,), (13,), (14,), (), (12,)]
    session.delete(1)
    np.testing.assert_array_equal(session.mask("it"), before)
    assert [each.kind for each in session.objects["it"].edits] == ["segment"]
    assert session.objects["it"].confirmed == ()


def test_a_trim_also_drops_paint_for_a_later_start(session: Session) -> None:
    session.paint(Brush(path_ijk=((20, 5, 17),), radius_mm=1.0), name="it")
    session.paint(Brush(path_ijk=((20, 5, 12),), radius_mm=1.0), name="it")
    session.trim(high=15, name="it")
    session.segment(Point(i=9, j=13, k=13), plane=Plane.CORONAL, name="it", bounds=(4, 20))
    assert session.mask("it")[12, 5, 20]
    assert not session.mask("it")[17, 5, 20]


def test_a_trim_to_a_slice_without_a_mask_predicts_nothing(session: Session, backend: FakeBackend) -> None:
    session.remove("it")
    session.paint(np.isin(np.arange(SHAPE_KJI[0]), (9, 10, 14))[:, None, None] & SCENE.truths["right"], name="it")
    predicted = len(backend.prompts)
    session.trim(high=12, name="it")
    assert list(session.objects["it"].slices) == [9, 10]
    assert len(backend.prompts) == predicted
    session.extend(high=13, name="it")
    assert list(session.objects["it"].slices) == [9, 10, 11, 12, 13]


def test_a_correction_outside_the_bounds_it_was_made_in_changes_nothing(session: Session) -> None:
    session.extend(high=19, name="it")
    session.correct(Point(i=9, j=13, k=19), name="it")
    session.confirm(19, name="it")
    session.delete(1)
    assert max(session.objects["it"].slices) == 17
    assert session.objects["it"].confirmed == ()


def test_a_slice_without_a_mask_that_is_marked_right_stays_without_one(session: Session) -> None:
    session.segment(RIGHT, name="it", policy="box")
    last = max(session.objects["it"].slices)
    session.confirm(last + 2, name="it")
    session.correct(Point(i=9, j=13, k=13), Point(i=4, j=14, k=13, positive=False), name="it", reach="ends")
    assert max(session.objects["it"].slices) <= last
    session.extend(high=last + 4, name="it")
    assert not session.mask("it")[last + 2].any()


def test_numbers_of_numpy_are_taken_and_saved(session: Session, tmp_path: Path) -> None:
    n, stroke = np.int64, Brush(path_ijk=((5, 6, 12),), radius_mm=2.5)
    for request in (
        BoundsRequest.model_validate({"name": "it", "low": n(10), "high": n(18)}),
        ConfirmRequest.model_validate({"name": "it", "slices": (n(10), n(11)), "confirmed": np.bool_(True)}),
        PaintRequest.model_validate({"name": "it", "shape": stroke, "positive": np.bool_(True), "reach": n(1)}),
        PaintRequest.model_validate({"name": "it", "shape": stroke, "within": (n(-500), np.float32(500))}),
        CorrectionRequest.model_validate({"name": "it", "points": (Point(i=9, j=13, k=13),), "reach": n(1)}),
    ):
        list(session.run(request))
    session.save(tmp_path / "session")
    again = fake_engine().reopen(tmp_path / "session", SCENE.volume)
    np.testing.assert_array_equal(again.mask("it"), session.mask("it"))
    assert again.objects["it"].bounds == Bounds(10, 18)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda session: session.delete_slice(99, name="it"),
        lambda session: session.delete_slice(name="it"),
        lambda session: session.trim(name="it"),
        lambda session: session.trim(15, 12, name="it"),
        lambda session: session.trim(14, name="it"),
        lambda session: session.extend(12, name="it"),
        lambda session: session.extend(high=99, name="it"),
        lambda session: session.confirm(3, name="it"),
        lambda session: session.confirm(name="it"),
        lambda session: session.paint(np.ones((2, 2, 2), bool), name="it"),
        lambda session: session.paint(Brush(path_ijk=((5, 6, 99),), radius_mm=2.0), name="it"),
        lambda session: session.paint(RIGHT, name="it", within=(5000.0, 6000.0)),
        lambda session: session.erase(RIGHT, name="other"),
        lambda session: session.clean_up(KeepAt((99, 0, 0)), name="it"),
        lambda session: session.correct(Point(i=5, j=5, k=3), name="it"),
    ],
)
def test_what_is_refused_leaves_the_session_as_it_was(session: Session, backend: FakeBackend, wrong: Any) -> None:
    history, outcome, predicted, before = session.history, session.outcome, len(backend.prompts), session.mask("it")
    with pytest.raises(InputError) as refused:
        wrong(session)
    assert "\n" not in str(refused.value)
    assert session.history is history
    assert session.outcome is outcome
    assert len(backend.prompts) == predicted
    np.testing.assert_array_equal(session.mask("it"), before)


def test_a_stroke_touches_its_own_slices_only(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a stroke does not grow with the strokes before it."""
    for k in range(9, 17):
        session.paint(Brush(path_ijk=((5, 6, k),), radius_mm=2.0), name="it")
    before = session.objects["it"].slices
    session.paint(Brush(path_ijk=((20, 6, 16),), radius_mm=2.0), name="it")
    now = session.objects["it"].slices
    assert [index for index in now if now[index] is not before[index]] == [16]


def test_an_edit_of_a_newer_version_is_named() -> None:
    with pytest.raises(SessionError, match="'warp', which this program does not know: a newer version"):
        edit_from_json({"edit": "warp", "name": "it"})


def test_another_axis_of_the_same_voxels_is_the_mask_itself() -> None:
    mask = SparseMask.of(SCENE.truth, 2)
    assert mask.along(2) is mask
