"""A propagation that was stopped keeps what is done, replays to the same masks, and continues as if never stopped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session, fake_spec
from phantoms import ORIGIN_LPS, ball
from radsam.errors import PromptError, SessionError
from radsam.propagate import EndReason, Record, SideDone, SliceDone
from radsam.session import Session
from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, ContinueRequest, PaintRequest
from radsam.session.history import History
from radsam.session.requests import ObjectRequest
from radsam.volume import Bounds, Box, Brush, Geometry, Plane, Point, SparseMask

SCENE = ball(Geometry.from_parts((24, 40, 44), ORIGIN_LPS, (1.0, 1.3, 1.5), np.diag([1.0, -1.0, 1.0])), radius_mm=12.0)
MIDDLE = 12
BOX = Box(k=MIDDLE, i0=8, j0=8, i1=36, j1=32)
#: The first and last slice of the ball.
FOUND = (5, 19)
START = SegmentRequest(name="it", prompt=BOX)
IN_BOUNDS = SegmentRequest(name="it", prompt=BOX, bounds=Bounds(6, 18))
CORONAL = SegmentRequest(name="it", prompt=Point(i=22, j=20, k=12), plane=Plane.CORONAL)


def stop(session: Session, request: ObjectRequest, after: int) -> list[Record]:
    """Run a request, take some records, and keep what is done, if that is not all."""
    run, history = session.run(request), session.history
    records = list(islice(run, after))
    run.close()
    if session.history is history:
        list(session.keep(request, records))
    return records


def done(records: Sequence[Record]) -> dict[int, np.ndarray]:
    return {each.slice_mask.index: each.slice_mask.mask.decode() for each in records if isinstance(each, SliceDone)}


def same_masks(session: Session, other: Session) -> None:
    assert session.objects.keys() == other.objects.keys()
    for name, shown in session.objects.items():
        assert shown.slices == other.objects[name].slices
        assert (shown.low_end, shown.high_end) == (other.objects[name].low_end, other.objects[name].high_end)


def afresh(session: Session, backend: FakeBackend | None = None) -> Session:
    """The same edits, replayed by a session that knows no mask."""
    again = fake_session(SCENE.volume, backend)
    again.restore(History(session.history.edits, session.history.cursor), {})
    return again


@pytest.mark.parametrize("request_", [START, IN_BOUNDS, CORONAL], ids=["stop rule", "bounds", "coronal"])
@pytest.mark.parametrize("after", [0, 1, 2, 5, 8])
def test_what_is_done_stays_and_replays_the_same(request_: SegmentRequest, after: int) -> None:
    session = fake_session(SCENE.volume)
    records = stop(session, request_, after)
    shown = session.objects["it"]
    for index, mask in done(records).items():
        np.testing.assert_array_equal(shown.slices[index].mask.decode(), mask)
    assert shown.slices.keys() == done(records).keys() or (not records and len(shown.slices) == 1)
    assert shown.bounds == Bounds(min(shown.slices), max(shown.slices))
    assert (shown.low_end, shown.high_end) == (EndReason.STOPPED, EndReason.STOPPED)
    same_masks(session, afresh(session))


@pytest.mark.parametrize("request_", [START, IN_BOUNDS, CORONAL], ids=["stop rule", "bounds", "coronal"])
@pytest.mark.parametrize("after", [0, 1, 4, 9, 15])
def test_continuing_gives_the_masks_of_a_run_that_was_not_stopped(request_: SegmentRequest, after: int) -> None:
    backend = FakeBackend(fake_spec(taper=1.0))
    whole = fake_session(SCENE.volume, FakeBackend(fake_spec(taper=1.0)))
    list(whole.run(request_))
    session = fake_session(SCENE.volume, backend)
    stop(session, request_, after)
    before, known = len(backend.prompts), set(session.objects["it"].slices)
    if session.objects["it"].unfinished:
        session.continue_object("it")
    same_masks(session, whole)
    shown = session.objects["it"]
    assert (shown.bounds, shown.unfinished) == (request_.bounds, {})
    # Only the rest was computed: each new slice once, and beyond an end that the stop rule finds one more.
    assert len(backend.prompts) - before <= len(shown.slices.keys() - known) + (0 if request_.bounds else 2)


def test_a_stopped_object_says_to_where_it_continues() -> None:
    session = fake_session(SCENE.volume)
    stop(session, IN_BOUNDS, 5)
    assert session.objects["it"].unfinished == {"low": 6, "high": 18}
    stop(session, START, 5)
    assert session.objects["it"].unfinished == {"low": None, "high": None}
    session.undo()
    session.undo()
    assert not session.objects


def test_an_end_that_was_found_before_the_stop_is_finished() -> None:
    request = SegmentRequest(name="it", prompt=Box(k=17, i0=8, j0=8, i1=36, j1=32))
    session = fake_session(SCENE.volume)
    records: list[Record] = []
    for record in (run := session.run(request)):
        records.append(record)
        if isinstance(record, SideDone):
            break
    run.close()
    list(session.keep(request, records))
    shown = session.objects["it"]
    assert shown.unfinished == {"low": None}
    assert shown.low_end is EndReason.STOPPED
    assert shown.high_end not in (EndReason.STOPPED, EndReason.BOUND)
    whole = fake_session(SCENE.volume)
    list(whole.run(request))
    session.continue_object("it")
    same_masks(session, whole)


def test_it_can_be_stopped_again_and_again() -> None:
    whole, session = fake_session(SCENE.volume), fake_session(SCENE.volume)
    list(whole.run(START))
    stop(session, START, 3)
    rounds = 0
    while session.objects["it"].unfinished:
        records = stop(session, ContinueRequest(name="it"), 3)
        same_masks(session, afresh(session))
        assert MIDDLE not in done(records), "what is done is not done again"
        rounds += 1
    assert rounds > 2
    same_masks(session, whole)


def test_it_survives_saving_and_opening(tmp_path: Path) -> None:
    session = fake_session(SCENE.volume)
    stop(session, IN_BOUNDS, 5)
    session.save(tmp_path / "session")
    opened = fake_engine().reopen(tmp_path / "session", SCENE.volume)
    assert opened.objects["it"].unfinished == {"low": 6, "high": 18}
    done_before = dict(opened.objects["it"].slices)
    opened.continue_object("it")
    whole = fake_session(SCENE.volume)
    list(whole.run(IN_BOUNDS))
    same_masks(opened, whole)
    opened.undo()
    assert opened.objects["it"].slices == done_before


def test_a_stopped_object_is_corrected_inside_what_is_done_and_then_continues_from_the_correction() -> None:
    session = fake_session(SCENE.volume)
    stop(session, START, 5)
    ends = session.objects["it"].bounds
    session.correct(Point(i=22, j=20, k=MIDDLE + 1, positive=False), name="it", reach="ends")
    shown = session.objects["it"]
    assert (shown.bounds, set(shown.unfinished)) == (ends, {"low", "high"})
    corrected = dict(shown.slices)
    shown = session.continue_object("it")
    assert corrected.items() <= shown.slices.items(), "what was done and corrected stays"
    assert len(shown.slices) > len(corrected)
    same_masks(session, afresh(session))
    stop(session, START, 5)
    with pytest.raises(PromptError, match="outside the bounds"):
        session.correct(Point(i=22, j=20, k=18), name="it")


def test_an_end_that_the_user_sets_stays_when_the_other_one_continues() -> None:
    session = fake_session(SCENE.volume)
    stop(session, START, 7)
    low = min(session.objects["it"].slices) + 1
    session.trim(low, name="it")
    shown = session.objects["it"]
    assert set(shown.unfinished) == {"high"}
    assert (shown.low_end, shown.high_end) == (EndReason.BOUND, EndReason.STOPPED)
    shown = session.continue_object("it")
    assert (min(shown.slices), max(shown.slices)) == (low, FOUND[1])
    # Nothing grows below it later.
    session.correct(Point(i=22, j=20, k=low + 1), name="it", reach="ends")
    assert min(session.objects["it"].slices) == low
    same_masks(session, afresh(session))


def test_a_finished_object_has_nothing_to_continue() -> None:
    session = fake_session(SCENE.volume)
    list(session.run(START))
    with pytest.raises(SessionError, match="'it' is finished"):
        session.continue_object("it")
    with pytest.raises(SessionError, match="no object 'that'"):
        session.continue_object("that")


CHANGES = {
    "click": CorrectionRequest(name="it", points=(Point(i=22, j=20, k=MIDDLE, positive=False),), reach="ends"),
    "box": CorrectionRequest(name="it", points=(Box(k=MIDDLE + 1, i0=14, j0=12, i1=30, j1=28),), reach="ends"),
    "stroke": PaintRequest(
        name="it", shape=Brush(path_ijk=((4, 4, 10), (8, 8, 10)), radius_mm=3.0, plane=Plane.AXIAL), reach="ends"
    ),
    "extend": BoundsRequest(name="it", low=2, high=22),
    "extend one end": BoundsRequest(name="it", high=21),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_stopped_change_keeps_the_slices_that_it_has_changed(kind: str, after: int) -> None:
    session = fake_session(SCENE.volume)
    list(session.run(START))
    before = dict(session.objects["it"].slices)
    records = stop(session, CHANGES[kind], after)
    shown = session.objects["it"]
    for index, mask in done(records).items():
        np.testing.assert_array_equal(shown.slices[index].mask.decode(), mask)
    own = set(shown.edits[-1].slices)  # of a stroke and a click their own slices
    for index in shown.slices.keys() - done(records).keys() - own:
        assert shown.slices[index] == before[index], "a slice that it had not reached is as before"
    same_masks(session, afresh(session))
    session.undo()
    assert session.objects["it"].slices == before


def test_a_stopped_extension_continues_to_the_end_that_was_asked_for() -> None:
    session = fake_session(SCENE.volume)
    list(session.run(START))
    stop(session, CHANGES["extend one end"], 2)
    shown = session.objects["it"]
    assert shown.unfinished == {"high": 21}
    assert (shown.low_end, shown.high_end) == (EndReason.EMPTY, EndReason.STOPPED)
    shown = session.continue_object("it")
    assert (max(shown.slices), shown.high_end, shown.unfinished) == (21, EndReason.BOUND, {})


def test_a_stopped_refinement_leaves_the_other_slices_as_given() -> None:
    given = SparseMask.of(SCENE.truth, 2)
    session = fake_session(SCENE.volume)
    request = StartFromMaskRequest(name="it", mask=given, refine=True)
    records = stop(session, request, 3)
    shown = session.objects["it"]
    assert len(done(records)) == 3
    for index in given.slices.keys() - done(records).keys():
        assert shown.slices[index].mask == given.slices[index]
    same_masks(session, afresh(session))
    stop(session, request, 0)
    assert {index: each.mask for index, each in session.objects["it"].slices.items()} == dict(given.slices)


def test_keeping_nothing_of_another_session_state_is_refused() -> None:
    session = fake_session(SCENE.volume)
    list(session.run(START))
    run = session.run(CHANGES["click"])
    records = list(islice(run, 2))
    run.close()
    session.lock("it")
    history = session.history
    with pytest.raises(SessionError, match="locked"):
        list(session.keep(CHANGES["click"], records))
    assert session.history is history
