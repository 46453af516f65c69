from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import ball, touching_balls
from radsam.errors import BackendError, PromptError, RadsamError, SessionError
from radsam.metrics import dice
from radsam.model.prompt_tokens import NEGATIVE, PAD
from radsam.preprocess import Percentiles, Window
from radsam.propagate import EndReason, SliceDone, StopRule
from radsam.session import CapabilityWarning, Session
from radsam.session.edit import Correct, Segment
from radsam.volume import Bounds, Box, Mask, Modality, Plane, Point, Volume

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)
LEFT = Box(k=13, i0=16, j0=8, i1=26, j1=19)
BOUNDS = (7, 19)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def session(backend: FakeBackend) -> Session:
    return fake_session(SCENE.volume, backend)


def state(session: Session) -> tuple[bytes, dict[int, str], list[str], str]:
    """All that a user sees of a session."""
    labels = session.labels
    locked = [name for name, each in session.objects.items() if each.locked]
    return labels.ids.tobytes(), dict(labels.names), locked, session.overlap


# Segmenting


@pytest.mark.parametrize(
    "prompt",
    [RIGHT, Point(i=9, j=14, k=13), Mask(pixels=SCENE.truths["right"][13], k=13)],
    ids=["box", "point", "mask"],
)
def test_an_object_is_segmented_from_any_prompt(session: Session, prompt: Box | Point | Mask) -> None:
    found = session.segment(prompt, bounds=BOUNDS, name="right")
    assert (found.name, found.id, found.locked) == ("right", 1, False)
    assert list(found.slices) == list(range(7, 20))
    assert (found.low_end, found.high_end) == (EndReason.BOUND, EndReason.BOUND)
    assert found.window == (-160.0, 240.0)
    assert [(each.number, each.index, each.prompt) for each in found.placed_prompts] == [(0, 13, prompt)]
    # Nothing but the box tells the touching balls apart on the prompted slice.
    assert (session.mask("right") & SCENE.truths["right"]).sum() > 0.95 * SCENE.truths["right"].sum()
    assert dice(session.mask("right"), SCENE.truth) > 0.8


def test_the_label_map_is_on_the_volumes_grid_and_names_its_objects(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS, name="right", policy="box")
    session.segment(LEFT, bounds=(8, 18), name="left", policy="box")
    assert session.labels.geometry is SCENE.volume.geometry
    assert session.labels.ids.dtype == np.uint8
    assert dict(session.labels.names) == {1: "right", 2: "left"}
    assert set(np.unique(session.labels.ids)) == {0, 1, 2}
    np.testing.assert_array_equal(session.mask("left"), session.labels.ids == 2)


def test_an_object_can_be_started_anew(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS, name="it")
    session.correct(Point(i=9, j=14, k=15), name="it")
    again = session.segment(LEFT, bounds=(8, 18), name="it", policy="box")
    assert list(session.objects) == ["it"]
    assert [each.number for each in again.placed_prompts] == [2]
    assert list(again.slices) == list(range(8, 19))


@pytest.mark.parametrize("plane", list(Plane))
def test_an_object_can_be_walked_in_any_plane(plane: Plane) -> None:
    scene = ball("sagittal")
    session = fake_session(scene.volume)
    found = session.segment(Point(i=14, j=15, k=4), plane=plane)
    assert found.grid.plane is plane
    assert dice(session.mask("object"), scene.truth) > 0.95


def test_the_window_decides_what_the_model_sees(session: Session, backend: FakeBackend) -> None:
    session.segment(RIGHT, bounds=(13, 13), name="a")
    other = session.segment(RIGHT, bounds=(13, 13), name="b", window=(-1000.0, 150.0))
    assert other.window == (-1000.0, 150.0)
    assert len(set(backend.encoded)) == 2
    # Everything is bright in that window: the mask is the whole box.
    assert other.slices[13].mask.area == 13 * 14


def test_progress_is_told_slice_by_slice(session: Session) -> None:
    seen: list[SliceDone] = []
    session.segment(RIGHT, bounds=BOUNDS, progress=seen.append)
    assert [(each.done, each.total) for each in seen] == [(n, 13) for n in range(1, 14)]


def test_the_stop_rule_of_the_session_ends_walks_without_bounds() -> None:
    strict = fake_session(SCENE.volume, stop_rule=StopRule(min_score=0.95))
    assert list(strict.segment(RIGHT).slices) == [13]
    assert strict.objects["object"].high_end is EndReason.LOW_SCORE


# Correcting


def test_a_negative_point_takes_voxels_away_and_is_passed_on(session: Session) -> None:
    before = session.segment(Point(i=9, j=14, k=13), bounds=BOUNDS)
    after = session.correct(Point(i=21, j=14, k=14, positive=False))
    assert before.slices[14].mask.decode()[14, 21]
    assert not after.slices[14].mask.decode()[14, 21]
    assert after.slices[14].mask.area < before.slices[14].mask.area
    assert [(each.number, each.index) for each in after.placed_prompts] == [(0, 13), (1, 14)]


def test_a_correction_walks_away_from_the_prompted_slice(session: Session) -> None:
    before = session.segment(RIGHT, bounds=BOUNDS, policy="box")
    after = session.correct(Point(i=22, j=14, k=15))
    changed = [index for index in before.slices if after.slices[index].mask != before.slices[index].mask]
    assert changed[:2] == [15, 16]


def test_every_slice_follows_the_nearest_prompt(session: Session) -> None:
    first = session.segment(RIGHT, bounds=BOUNDS, policy="box")
    second = session.correct(Point(i=22, j=14, k=16))  # the prompt is on slice 13
    third = session.correct(Point(i=9, j=14, k=18, positive=False))
    assert all(second.slices[index] == first.slices[index] for index in (12, 13, 14))
    assert all(second.slices[index].mask != first.slices[index].mask for index in (16, 17))
    assert all(third.slices[index] == second.slices[index] for index in range(12, 18))
    assert third.slices[18].mask != second.slices[18].mask


def test_a_correction_of_the_prompted_slice_propagates_both_ways(session: Session) -> None:
    before = session.segment(RIGHT, bounds=BOUNDS, policy="box")
    after = session.correct(Point(i=22, j=14, k=13))
    assert all(after.slices[index].mask != before.slices[index].mask for index in (12, 13, 14))


def test_a_click_that_the_model_does_not_follow_is_painted(session: Session, backend: FakeBackend) -> None:
    before = session.segment(RIGHT, bounds=BOUNDS, policy="box")
    prompts = len(backend.prompts)
    with pytest.warns(
        CapabilityWarning, match=r"did not follow the click at \(1, 1, 15\) in 'object': only the pixels around"
    ):
        after = session.correct(Point(i=1, j=1, k=15))  # where nothing is bright
    assert len(backend.prompts) > prompts
    changed = before.slices[15].mask.decode() != after.slices[15].mask.decode()
    assert after.slices[15].mask.decode()[1, 1]
    assert changed.sum() < 80
    assert all(after.slices[index] == before.slices[index] for index in (12, 13, 14))


def test_a_positive_point_brings_voxels_in(session: Session) -> None:
    before = session.segment(RIGHT, bounds=BOUNDS, policy="box")
    assert not before.slices[15].mask.decode()[14, 22]
    after = session.correct(Point(i=22, j=14, k=15))
    assert after.slices[15].mask.decode()[14, 22]


def test_a_correction_keeps_the_points_of_earlier_ones(session: Session, backend: FakeBackend) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    session.correct(Point(i=4, j=14, k=14, positive=False))
    session.correct(Point(i=14, j=14, k=16, positive=False))
    backend.prompts.clear()
    last = session.correct(Point(i=9, j=9, k=14, positive=False))
    labels = [prompt.point_labels.tolist() for prompt in backend.prompts if prompt.point_labels.size]
    assert labels == [[NEGATIVE, NEGATIVE, PAD]]  # slice 16 stays as it was corrected
    pixels = {index: each.mask.decode() for index, each in last.slices.items()}
    assert not pixels[14][14, 4]
    assert not pixels[14][9, 9]
    assert not pixels[16][14, 14]


def test_correcting_never_encodes_again(session: Session, backend: FakeBackend) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    assert len(backend.encoded) == 13
    session.correct(Point(i=4, j=14, k=14, positive=False))
    session.correct(Point(i=9, j=14, k=8))
    session.delete(1)
    session.undo()
    session.redo()
    assert len(backend.encoded) == 13


def test_an_unbounded_object_keeps_the_slice_of_its_prompt_when_its_end_is_corrected(session: Session) -> None:
    before = session.segment(LEFT, policy="box")
    end = min(before.slices)
    v, u = np.argwhere(before.slices[end].mask.decode())[0]
    after = session.correct(Point(i=int(u), j=int(v), k=end, positive=False))
    assert {*range(end, 14)} <= set(after.slices)
    assert after.slices[13] == before.slices[13]


def test_a_copied_object_is_corrected_by_the_model(session: Session, backend: FakeBackend) -> None:
    mask = Mask(pixels=SCENE.truths["right"][13], k=13)
    session.segment(mask, bounds=BOUNDS, policy="copy")
    assert backend.prompts == backend.encoded == []
    after = session.correct(Point(i=9, j=14, k=16, positive=False))
    assert len(backend.prompts) == 1
    assert not after.slices[16].mask.decode()[14, 9]
    assert after.slices[18] == after.slices[17].__class__(18, after.slices[16].mask, 1.0)


def test_points_on_an_empty_slice_that_are_all_negative_leave_it_empty(session: Session) -> None:
    session.segment(Mask(pixels=SCENE.truths["right"][13], k=13), bounds=(2, 19))
    assert session.objects["object"].slices[3].mask.area == 0
    after = session.correct(Point(i=9, j=14, k=3, positive=False))
    assert after.slices[3].mask.area == 0


# Taking back


def test_deleting_a_correction_in_the_middle_equals_never_having_made_it(session: Session) -> None:
    points = [Point(i=4, j=14, k=14, positive=False), Point(i=22, j=14, k=16), Point(i=14, j=14, k=10, positive=False)]
    other = fake_session(SCENE.volume)
    for each, chosen in ((session, points), (other, [points[0], points[2]])):
        each.segment(RIGHT, bounds=BOUNDS)
        for point in chosen:
            each.correct(point)
    session.delete(2)
    assert session.objects["object"].slices == other.objects["object"].slices
    assert session.labels.ids.tobytes() == other.labels.ids.tobytes()
    assert [each.number for each in session.objects["object"].placed_prompts] == [0, 1, 3]


def test_deleting_the_only_prompt_removes_the_object_with_its_corrections(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    session.correct(Point(i=4, j=14, k=14, positive=False))
    session.delete(0)
    assert session.objects == {}
    assert not session.labels.ids.any()
    session.undo()
    assert list(session.objects) == ["object"]


@pytest.mark.parametrize("number", [-1, 1, 2, 9])
def test_only_prompts_that_count_can_be_deleted(session: Session, number: int) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    session.lock("object")
    session.lock("object", False)
    before = state(session)
    with pytest.raises(SessionError, match=f"no edit number {number} to delete"):
        session.delete(number)
    assert state(session) == before


def test_a_deleted_prompt_cannot_be_deleted_twice(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    session.correct(Point(i=4, j=14, k=14, positive=False))
    session.delete(1)
    with pytest.raises(SessionError, match="no edit number 1"):
        session.delete(1)


def test_a_removed_object_is_gone_and_its_id_is_not_given_to_another(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS, name="right")
    session.segment(LEFT, bounds=(8, 18), name="left")
    session.remove("right")
    assert dict(session.labels.names) == {2: "left"}
    assert set(np.unique(session.labels.ids)) == {0, 2}
    with pytest.raises(SessionError, match="no object 'right' in this session; its objects: left"):
        session.mask("right")


def test_undo_and_redo_step_through_every_kind_of_edit(session: Session) -> None:
    steps: list[Callable[[], object]] = [
        lambda: session.segment(RIGHT, bounds=BOUNDS, name="right"),
        lambda: session.correct(Point(i=4, j=14, k=14, positive=False), name="right"),
        lambda: session.lock("right"),
        lambda: session.segment(LEFT, bounds=(8, 18), name="left"),
        lambda: setattr(session, "overlap", "keep first"),
        lambda: session.lock("right", False),
        lambda: session.delete(1),
        lambda: session.remove("left"),
    ]
    seen = [state(session)]
    for step in steps:
        step()
        seen.append(state(session))
    assert len(set(map(repr, seen))) == len(seen)
    for earlier in reversed(seen[:-1]):
        session.undo()
        assert state(session) == earlier
    with pytest.raises(SessionError, match="nothing to undo"):
        session.undo()
    for later in seen[1:]:
        session.redo()
        assert state(session) == later
    with pytest.raises(SessionError, match="nothing to redo"):
        session.redo()


# What is refused, and leaves everything as it was


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (lambda s: s.segment(Box(k=13, i0=3, j0=7, i1=40, j1=20)), PromptError, "i goes from 0 to 29"),
        (lambda s: s.segment(Box(j=13, i0=3, k0=7, i1=15, k1=20)), PromptError, "choose another plane"),
        (lambda s: s.segment(RIGHT, bounds=(14, 19)), PromptError, "widen them"),
        (lambda s: s.segment(RIGHT, bounds=(7, 99)), PromptError, "numbered 0 to 25"),
        (lambda s: s.segment(RIGHT, bounds=(19, 7)), PromptError, "smaller slice first"),
        (
            lambda s: s.segment(RIGHT, plane="diagonal"),
            PromptError,
            "plane must be one of axial, coronal, sagittal, not 'diagonal'",
        ),
        (
            lambda s: s.segment(RIGHT, policy="guess"),
            PromptError,
            "must be one of mask, box, point, copy, not 'guess'",
        ),
        (lambda s: s.segment(RIGHT, name=" "), PromptError, "needs a name"),
        (lambda s: s.segment(RIGHT, window=(240.0, -160.0)), PromptError, "lower end first"),
        (lambda s: s.segment(Point(i=9, j=14, k=13, positive=False)), PromptError, "starts with a positive point"),
        (lambda s: s.segment(Point(i=1, j=1, k=1)), PromptError, "found nothing .* axial slice 1.*another slice"),
        (lambda s: s.segment(RIGHT, name="locked"), SessionError, "Unlock it to change it"),
        (lambda s: s.correct(Point(i=9, j=14, k=13), name="other"), SessionError, "its objects: here, locked"),
        (lambda s: s.correct(Point(i=9, j=14, k=13), name="locked"), SessionError, "Unlock it to change it"),
        (lambda s: s.correct(name="here"), PromptError, "points needs at least 1 value,"),
        (lambda s: s.correct(Point(i=9, j=14, k=99), name="here"), PromptError, "k goes from 0 to 25"),
        (lambda s: s.correct(Point(i=9, j=14, k=20), name="here"), PromptError, "Extend its bounds"),
        (
            lambda s: s.correct(Point(i=9, j=14, k=13), Point(i=9, j=14, k=15), name="here"),
            PromptError,
            "axial slices 13, 15; .* one after the other",
        ),
        (lambda s: s.delete(1), SessionError, "Unlock it to change it"),
        (lambda s: s.remove("locked"), SessionError, "Unlock it to change it"),
        (lambda s: s.remove("other"), SessionError, "no object 'other'"),
        (lambda s: s.lock("other"), SessionError, "no object 'other'"),
        (lambda s: setattr(s, "overlap", "mine"), SessionError, "choose one of last wins, keep first, keep both"),
        (lambda s: s.redo(), SessionError, "nothing to redo"),
    ],
)
def test_what_cannot_be_done_says_what_to_try_and_changes_nothing(
    session: Session, edit: Callable[[Session], object], kind: type[RadsamError], message: str
) -> None:
    session.segment(RIGHT, bounds=BOUNDS, name="here")
    session.segment(LEFT, bounds=(8, 18), name="locked")
    session.lock("locked")
    before, history = state(session), session.history
    with pytest.raises(kind, match=message):
        edit(session)
    assert session.history is history
    assert state(session) == before


def test_the_first_object_of_a_session_cannot_be_corrected_before_it_is_there(session: Session) -> None:
    with pytest.raises(SessionError, match="its objects: none yet"):
        session.correct(Point(i=9, j=14, k=13))


def test_an_engine_that_fails_leaves_the_session_as_it_was(session: Session, backend: FakeBackend) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    before = state(session)
    backend.failing = True
    for edit in (
        lambda: session.correct(Point(i=4, j=14, k=14, positive=False)),
        lambda: session.segment(LEFT, name="left"),
    ):
        with pytest.raises(BackendError):
            edit()
        assert state(session) == before
    backend.failing = False
    session.correct(Point(i=4, j=14, k=14, positive=False))
    assert state(session) != before


def test_an_edit_that_is_stopped_in_the_middle_never_happened(session: Session) -> None:
    session.segment(RIGHT, bounds=BOUNDS)
    before, history = state(session), session.history
    records = session.run(Correct("object", (Point(i=4, j=14, k=14, positive=False),)))
    for _ in range(2):
        next(records)
    records.close()  # type: ignore[attr-defined]
    assert session.history is history
    assert state(session) == before
    session.correct(Point(i=4, j=14, k=14, positive=False))
    whole = fake_session(SCENE.volume)
    whole.segment(RIGHT, bounds=BOUNDS)
    whole.correct(Point(i=4, j=14, k=14, positive=False))
    assert state(session) == state(whole)


def test_an_exception_in_the_progress_callback_stops_the_edit(session: Session) -> None:
    def stop(record: SliceDone) -> None:
        if record.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.segment(RIGHT, bounds=BOUNDS, progress=stop)
    assert session.objects == {}


def test_an_edit_that_was_overtaken_by_another_is_refused_not_lost(session: Session) -> None:
    records = session.run(Segment("a", RIGHT, Bounds(12, 14), Plane.AXIAL, Window(-160.0, 240.0), "mask"))
    next(records)
    session.segment(LEFT, bounds=(12, 14), name="b")
    with pytest.raises(SessionError, match="Do it again"):
        list(records)
    assert list(session.objects) == ["b"]


def test_the_window_of_another_modality_follows_from_the_volume_unless_it_is_given() -> None:
    values = SCENE.volume.values - SCENE.volume.values.min()
    magnetic = Volume(values, SCENE.volume.geometry, modality=Modality.MR)
    expected = Percentiles().window(values)
    assert fake_session(magnetic).segment(RIGHT, bounds=BOUNDS).window == (expected.low, expected.high)
    session = fake_engine().open(magnetic, window=(-160.0, 240.0))
    assert session.segment(RIGHT, bounds=BOUNDS).window == (-160.0, 240.0)
