"""Edits by hand, of ends, marks and clean-up, through a session of the fake model."""

from __future__ import annotations

import inspect
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import touching_balls
from radsam.errors import PromptError, RadsamError, SessionError
from radsam.session import CapabilityWarning, Session
from radsam.session.edit import Paint, Segment
from radsam.session.replay import Replayer
from radsam.volume import Box, Lasso, Mask, Plane, Point, Scribble, SparseMask
from radsam.volume.clean_up import FillHoles, Grow, KeepLargest
from radsam.volume.hand_shape import Brush

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)
BOUNDS = (9, 17)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def session(backend: FakeBackend) -> Session:
    session = fake_session(SCENE.volume, backend)
    session.segment(RIGHT, bounds=BOUNDS, name="it", policy="box")
    return session


def voxels(*indices_ijk: tuple[int, int, int]) -> np.ndarray:
    array = np.zeros(SCENE.volume.geometry.shape_kji, bool)
    for i, j, k in indices_ijk:
        array[k, j, i] = True
    return array


def changed_slices(session: Session) -> tuple[int, ...]:
    assert session.outcome is not None
    return session.outcome.slices


def test_painted_and_erased_voxels_are_set_without_the_model(session: Session, backend: FakeBackend) -> None:
    predicted = len(backend.prompts)
    before = session.mask("it")
    session.paint(voxels((20, 3, 12), (21, 3, 12)), name="it")
    session.erase(voxels((9, 14, 13)), name="it")
    after = session.mask("it")
    assert len(backend.prompts) == predicted
    assert {tuple(each) for each in np.argwhere(before != after)} == {(12, 3, 20), (12, 3, 21), (13, 14, 9)}
    assert (session.outcome.slices, session.outcome.added, session.outcome.taken) == ((13,), 0, 1)


def test_the_model_never_changes_what_a_hand_has_set(session: Session) -> None:
    session.paint(voxels((24, 3, 12), (24, 3, 14)), name="it")
    session.erase(voxels((9, 14, 12), (9, 14, 14)), name="it")
    session.correct(Point(i=7, j=12, k=13), Point(i=4, j=14, k=13, positive=False), name="it", reach="ends")
    np.testing.assert_array_equal(session.mask("it")[[12, 14], 3, 24], [True, True])
    np.testing.assert_array_equal(session.mask("it")[[12, 14], 14, 9], [False, False])
    session.clean_up(KeepLargest(), name="it")
    session.clean_up(FillHoles(), name="it")
    np.testing.assert_array_equal(session.mask("it")[[12, 14], 3, 24], [True, True])
    np.testing.assert_array_equal(session.mask("it")[[12, 14], 14, 9], [False, False])


def test_a_later_stroke_wins_over_an_earlier_one(session: Session) -> None:
    session.paint(voxels((24, 3, 12)), name="it")
    session.erase(voxels((24, 3, 12)), name="it")
    assert not session.mask("it")[12, 3, 24]
    session.undo()
    assert session.mask("it")[12, 3, 24]


@pytest.mark.parametrize("plane", list(Plane))
def test_a_brush_paints_in_every_plane(session: Session, plane: Plane) -> None:
    before = session.mask("it")
    session.paint(Brush(path_ijk=((20, 5, 13),), radius_mm=2.5, plane=plane), name="it")
    added = session.mask("it") & ~before
    across = {Plane.AXIAL: 0, Plane.CORONAL: 1, Plane.SAGITTAL: 2}[plane]
    assert np.unique(np.argwhere(added)[:, across]).tolist() == [(13, 5, 20)[across]]
    assert added.sum() > 4


def test_paint_propagates_where_a_reach_is_given(session: Session, backend: FakeBackend) -> None:
    before, predicted = session.mask("it"), len(backend.prompts)
    session.erase(Box(k=13, i0=0, j0=0, i1=8, j1=27), name="it", reach=2)
    assert len(backend.prompts) == predicted + 4
    assert np.flatnonzero((session.mask("it") != before).any(axis=(1, 2))).tolist() == [11, 12, 13, 14, 15]


def test_painting_starts_an_object(session: Session, backend: FakeBackend) -> None:
    predicted = len(backend.prompts)
    found = session.paint(Lasso(k=5, polygon=((2.0, 2.0), (8.0, 2.0), (8.0, 7.0))), name="new")
    assert len(backend.prompts) == predicted
    assert (found.start, list(found.slices)) == ("start_from_mask", [5])
    session.erase(Lasso(k=5, polygon=((2.0, 2.0), (8.0, 2.0), (8.0, 7.0))), name="new")
    assert not session.mask("new").any()
    with pytest.raises(SessionError, match="no object 'other'"):
        session.erase(voxels((1, 1, 1)), name="other")


def test_a_stroke_is_limited_by_values(session: Session) -> None:
    hu = SCENE.volume.values
    bright = float(hu[SCENE.truth].mean())
    session.remove("it")
    session.paint(Box(k=13, i0=0, j0=0, i1=29, j1=27), name="it", within=(bright - 20, bright + 20))
    np.testing.assert_array_equal(session.mask("it")[13], np.abs(hu[13] - bright) <= 20)
    with pytest.raises(PromptError, match="No voxel of the stroke"):
        session.paint(voxels((1, 1, 1)), name="it", within=(5000.0, 6000.0))


def test_trimming_computes_nothing_and_extending_computes_new_slices_only(
    session: Session, backend: FakeBackend
) -> None:
    whole = session.mask("it")
    predicted = len(backend.prompts)
    session.trim(11, 15, name="it")
    assert len(backend.prompts) == predicted
    assert list(session.objects["it"].slices) == list(range(11, 16))
    np.testing.assert_array_equal(session.mask("it")[11:16], whole[11:16])
    session.extend(8, name="it")
    assert list(session.objects["it"].slices) == list(range(8, 16))
    np.testing.assert_array_equal(session.mask("it")[11:16], whole[11:16])
    assert changed_slices(session) == (8, 9, 10)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.mask("it"), whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda session: session.trim(14, name="it"), "cut off slice 13, on which 'it' was prompted"),
        (lambda session: session.trim(5, name="it"), "would extend it, not trim it"),
        (lambda session: session.extend(11, name="it"), "would trim it, not extend it"),
        (lambda session: session.extend(high=900, name="it"), "leave the volume"),
        (lambda session: session.trim(name="it"), "Give the first slice, the last slice, or both"),
        (lambda session: session.trim(12, 10, name="it"), "reversed"),
        (lambda session: session.confirm(30, name="it"), "lies outside 'it'"),
        (lambda session: session.confirm(name="it"), "slices"),
        (lambda session: session.paint(np.zeros((2, 2, 2), bool), name="it"), "voxel"),
        (lambda session: session.paint(voxels(), name="it"), "no voxel"),
        (lambda session: session.paint(Brush(path_ijk=((1, 1, 1),), radius_mm=0.0), name="it"), "radius"),
        (lambda session: session.correct(Point(i=9, j=14, k=20), name="it"), "outside the bounds 9 to 17"),
        (
            lambda session: session.correct(
                Point(i=9, j=14, k=13), Box(k=13, i0=8, j0=13, i1=11, j1=16, positive=False), name="it"
            ),
            r"The voxel \(9, 14, 13\) is given as part of 'it' and as not part of it",
        ),
        (
            lambda session: session.correct(
                Box(k=13, i0=3, j0=7, i1=9, j1=20), Box(k=13, i0=10, j0=7, i1=15, j1=20), name="it"
            ),
            "Two boxes of 'it' lie on slice 13: give one around both",
        ),
        (
            lambda session: session.correct(
                Mask(pixels=SCENE.truths["right"][13], k=13), Mask(pixels=SCENE.truths["left"][13], k=13), name="it"
            ),
            "Two masks of 'it' lie on slice 13: give one that holds both",
        ),
        (
            lambda session: session.correct(RIGHT, Box(k=13, i0=2, j0=7, i1=15, j1=20, positive=False), name="it"),
            "all of it as not part",
        ),
        (lambda session: session.clean_up(Grow(-50), name="it"), "leaves nothing of 'it', so it was not done"),
        (
            lambda session: inspect.unwrap(type(session).paint)(session, voxels((9, 14, 13)) * 1, name="it"),
            "a bool array .k, j, i., not int64",
        ),
        (lambda session: session.correct(Box(k=13, i0=8, j0=13, i1=99, j1=16), name="it"), "outside the volume"),
        (lambda session: session.correct(Box(k=13, i0=24, j0=1, i1=28, j1=5), name="it"), "found nothing in the box"),
        (lambda session: session.delete_slice(13, name="nothing"), "no object 'nothing'"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(session: Session, change: object, message: str) -> None:
    history, mask = session.history, session.mask("it")
    with pytest.raises(RadsamError, match=message):
        change(session)  # type: ignore[operator]
    assert session.history is history
    np.testing.assert_array_equal(session.mask("it"), mask)


def test_a_locked_object_cannot_be_edited_by_hand(session: Session) -> None:
    session.lock("it")
    for change in (
        lambda: session.paint(voxels((1, 1, 1)), name="it"),
        lambda: session.trim(11, name="it"),
        lambda: session.confirm(12, name="it"),
        lambda: session.clean_up(Grow(2.0), name="it"),
    ):
        with pytest.raises(SessionError, match="'it' is locked"):
            change()


def test_a_deleted_slice_stays_empty(session: Session) -> None:
    session.delete_slice(12, name="it")
    assert [bool(each.any()) for each in session.mask("it")[11:14]] == [True, False, True]
    session.correct(Point(i=7, j=12, k=13), Point(i=4, j=14, k=13, positive=False), name="it", reach="ends")
    assert not session.mask("it")[12].any()


def test_slices_marked_right_do_not_change(session: Session) -> None:
    session.confirm(12, 15, name="it")
    right = session.mask("it")
    assert session.objects["it"].confirmed == (12, 15)
    session.correct(Point(i=6, j=14, k=13, positive=False), name="it", reach="ends")
    session.clean_up(Grow(2.0), name="it")
    after = session.mask("it")
    np.testing.assert_array_equal(after[[12, 15]], right[[12, 15]])
    assert not np.array_equal(after, right)
    session.confirm(12, name="it", confirmed=False)
    assert session.objects["it"].confirmed == (15,)


@pytest.mark.parametrize(("reach", "within"), [("slice", 0), (1, 1), (3, 3), ("ends", 9), ("next", 9)], ids=str)
def test_a_correction_changes_no_slice_beyond_its_reach(session: Session, reach: str | int, within: int) -> None:
    before = session.mask("it")
    session.correct(Point(i=5, j=14, k=13, positive=False), name="it", reach=reach)
    different = np.flatnonzero((session.mask("it") != before).any(axis=(1, 2)))
    assert 13 in different
    assert np.abs(different - 13).max() <= within


def test_a_box_on_a_second_slice_predicts_it_anew(session: Session, backend: FakeBackend) -> None:
    session.correct(Box(k=15, i0=7, j0=10, i1=11, j1=16), name="it", reach="slice")
    found = session.mask("it")[15]
    rows, cols = np.nonzero(found)
    assert 0 < found.sum() <= 5 * 7
    assert 6 <= cols.min() <= cols.max() <= 12
    assert 9 <= rows.min() <= rows.max() <= 17


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("kind", ["scribble", "lasso", "mask", "box"])
def test_every_prompt_of_either_sign_ends_on_its_side(session: Session, kind: str, positive: bool) -> None:
    if kind == "box" and positive:
        pytest.skip("a positive box holds the object: its pixels may be outside of it")
    j, i = (14, 9) if not positive else (3, 20)
    corners = ((i - 1.0, j - 1.0), (i + 1.0, j - 1.0), (i + 1.0, j + 1.0), (i - 1.0, j + 1.0))
    pixels = np.zeros(SCENE.volume.geometry.shape_kji[1:], bool)
    pixels[j - 1 : j + 2, i - 1 : i + 2] = True
    prompt = {
        "scribble": Scribble(voxels_ijk=((i - 1, j, 13), (i + 1, j, 13)), positive=positive),
        "lasso": Lasso(k=13, polygon=corners, positive=positive),
        "mask": Mask(pixels=pixels, k=13, positive=positive),
        "box": Box(k=13, i0=i - 1, j0=j - 1, i1=i + 1, j1=j + 1, positive=positive),
    }[kind]
    with pytest.warns(CapabilityWarning) if positive and kind != "mask" else nullcontext():
        session.correct(prompt, name="it", reach="slice")
    assert session.mask("it")[13, j, i] == positive


def test_a_scribble_of_another_plane_corrects_every_slice_that_it_crosses(session: Session) -> None:
    stroke = Scribble(voxels_ijk=((9, 14, 11), (9, 14, 14)), positive=False)
    before = session.mask("it")
    assert before[11:15, 14, 9].all()
    session.correct(stroke, name="it", reach="slice")
    assert not session.mask("it")[11:15, 14, 9].any()
    assert session.objects["it"].edits[-1].slices == (11, 12, 13, 14)


def test_an_object_started_again_keeps_what_was_painted(session: Session) -> None:
    session.paint(voxels((24, 3, 12)), name="it")
    session.segment(RIGHT, bounds=BOUNDS, name="it", policy="box")
    assert session.mask("it")[12, 3, 24]


def test_edits_are_listed_by_number_and_any_of_them_can_be_deleted(session: Session) -> None:
    session.paint(voxels((24, 3, 12)), name="it")
    session.confirm(12, name="it")
    session.trim(10, name="it")
    kinds = [(each.number, each.kind, each.slices) for each in session.objects["it"].edits]
    assert kinds == [(0, "segment", (13,)), (1, "paint", (12,)), (2, "confirm", (12,)), (3, "bounds", ())]
    session.delete(1)
    assert not session.mask("it")[12, 3, 24]
    with pytest.raises(SessionError, match="no edit number 1"):
        session.delete(1)


def test_every_edit_is_saved_and_reopened_without_the_model(session: Session, tmp_path: Path) -> None:
    session.paint(voxels((24, 3, 12)), name="it")
    session.correct(Scribble(voxels_ijk=((9, 14, 13), (11, 14, 13)), positive=False), name="it")
    session.correct(Box(k=15, i0=5, j0=8, i1=13, j1=18), name="it")
    session.confirm(12, name="it")
    session.trim(10, name="it")
    session.clean_up(Grow(1.5), name="it")
    session.extend(8, name="it")
    session.save(tmp_path / "s.radsam")
    backend = FakeBackend()
    again = fake_engine(backend).reopen(tmp_path / "s.radsam", SCENE.volume)
    assert (again.objects["it"].slices, again.objects["it"].edits) == (
        session.objects["it"].slices, session.objects["it"].edits,
    )  # fmt: skip
    for _ in range(7):
        session.undo()
        again.undo()
        assert again.objects["it"].slices == session.objects["it"].slices
    for _ in range(7):
        again.redo()
    assert backend.prompts == []
    again.erase(voxels((24, 3, 12)), name="it")
    assert again.history.cursor == 9


def test_a_long_history_is_replayed_without_deep_recursion(session: Session) -> None:
    started = session.history.done[0]
    assert isinstance(started, Segment)
    strokes = [Paint("it", SparseMask.of(voxels((1 + number, 1, 12)), 2)) for number in range(20)]
    edits = (started, *(strokes[number % 20] for number in range(200)))
    replayer = Replayer(session.volume, session.predictor, session.stop_rule)
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(len(inspect.stack()) + 180)
        masks = replayer.result(edits).slice_masks
    finally:
        sys.setrecursionlimit(limit)
    assert masks[12].mask.decode()[1, 1:21].all()
