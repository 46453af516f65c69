"""Objects from masks that others made, through a session of the fake model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import GRIDS, touching_balls
from radsam.errors import BackendError, GridMismatchError, PromptError, SessionError
from radsam.session import OverlapWarning, Session
from radsam.session.label_objects import label_requests
from radsam.volume import Box, Geometry, LabelVolume, Plane, Point

SCENE = touching_balls()
LEFT = SCENE.truths["left"] & ~SCENE.truths["right"]
RIGHT = SCENE.truths["right"]


def labels(ids: np.ndarray | None = None, names: dict[int, str] | None = None) -> LabelVolume:
    if ids is None:
        ids = np.where(LEFT, 7, np.where(RIGHT, 3, 0)).astype(np.uint8)
    return LabelVolume(ids, SCENE.volume.geometry, {3: "right"} if names is None else names)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def session(backend: FakeBackend) -> Session:
    return fake_session(SCENE.volume, backend)


@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("grid", ["anisotropic", "flipped", "sagittal"])
def test_each_label_becomes_an_object_without_a_prediction(plane: Plane, grid: str) -> None:
    scene, backend = touching_balls(grid), FakeBackend()
    masks = [scene.truths["right"], scene.truths["left"] & ~scene.truths["right"]]
    ids = np.where(masks[1], 7, np.where(masks[0], 3, 0)).astype(np.uint8)
    session = fake_session(scene.volume, backend)
    found = session.add_objects(LabelVolume(ids, scene.volume.geometry, {3: "right"}), plane=plane)
    assert list(found) == ["right", "label 7"]
    for name, mask in zip(found, masks, strict=True):
        np.testing.assert_array_equal(session.mask(name), mask)
        assert (found[name].grid.plane, found[name].start) == (plane, "start_from_mask")
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != 2 - found[name].grid.axis)))
        assert (found[name].bounds.low, found[name].bounds.high) == (inside[0], inside[-1])
    assert not backend.encoded
    assert not backend.prompts
    assert session.precisions == ()
    np.testing.assert_array_equal(session.labels.ids, ids)


def test_objects_that_overlap_stay_whole(session: Session) -> None:
    both = RIGHT & np.roll(RIGHT, 3, axis=2)
    shifted = np.roll(RIGHT, 3, axis=2)
    ids = np.where(shifted, 2, np.where(RIGHT, 1, 0)).astype(np.uint8)
    given = LabelVolume(ids, SCENE.volume.geometry, {1: "liver", 2: "tumour"}, {1: np.flatnonzero(both)})
    with pytest.warns(OverlapWarning, match="'tumour' takes"):
        session.add_objects(given)
    np.testing.assert_array_equal(session.mask("liver", whole=True), RIGHT)
    np.testing.assert_array_equal(session.mask("tumour", whole=True), shifted)


def test_objects_are_chosen_by_name_or_number(session: Session) -> None:
    assert list(session.add_objects(labels(), names=[7])) == ["label 7"]
    assert list(session.add_objects(labels(), names=["right"])) == ["right"]
    with pytest.raises(PromptError, match=r"no object 'liver'.*3: 'right', 7: 'label 7'"):
        session.add_objects(labels(), names=["liver"])


@pytest.mark.filterwarnings("ignore::radsam.session.OverlapWarning")
def test_labels_keep_their_values_where_they_are_free(session: Session, tmp_path: Path) -> None:
    session.add_objects(labels(), names=[7])
    session.add_objects(labels(np.where(RIGHT, 7, 0).astype(np.uint8), {7: "other 7"}))
    session.add_objects(labels(), names=["right"])
    ids = {name: each.id for name, each in session.objects.items()}
    assert ids == {"label 7": 7, "other 7": 2, "right": 3}
    session.save(tmp_path / "s.radsam")
    again = fake_engine().reopen(tmp_path / "s.radsam", SCENE.volume)
    assert {name: each.id for name, each in again.objects.items()} == ids
    again.undo()
    assert list(again.objects) == ["label 7", "other 7"]


def test_two_labels_of_one_name_are_told_apart(session: Session) -> None:
    assert list(session.add_objects(labels(names={3: "cyst", 7: "cyst"}))) == ["cyst", "cyst (7)"]


@pytest.mark.filterwarnings("ignore::radsam.session.OverlapWarning")  # the fake model takes both balls
def test_each_object_is_an_edit_that_is_saved_and_undone(
    session: Session, backend: FakeBackend, tmp_path: Path
) -> None:
    session.add_objects(labels())
    session.undo()
    assert list(session.objects) == ["right"]
    session.redo()
    session.save(tmp_path / "s.radsam")
    again = fake_engine(backend).reopen(tmp_path / "s.radsam", SCENE.volume)
    for name in session.objects:
        np.testing.assert_array_equal(again.mask(name), session.mask(name))
        assert again.objects[name] == session.objects[name]
    k, j, i = np.argwhere(LEFT)[300].tolist()
    again.correct(Point(i=i, j=j, k=k), name="label 7", reach="slice")
    assert not backend.failing


# --- corrections of what others made


@pytest.mark.filterwarnings("ignore::radsam.session.OverlapWarning")  # the fake model takes both balls
@pytest.mark.parametrize(
    ("reach", "slices"), [("slice", {13}), (0, {13}), (2, {11, 12, 13, 14, 15}), ("next", None), ("ends", None)]
)
def test_a_correction_predicts_nothing_beyond_its_reach(
    session: Session, backend: FakeBackend, reach: str | int, slices: set[int] | None
) -> None:
    session.add_objects(labels())
    before = session.mask("right", whole=True)
    seen = []
    session.correct(
        Point(i=9, j=13, k=13, positive=False), name="right", reach=reach, progress=lambda r: seen.append(r)
    )
    touched = {each.slice_mask.index for each in seen}
    every = set(np.flatnonzero(RIGHT.any(axis=(1, 2))).tolist())
    within = every if slices is None else slices
    assert touched <= within
    assert 0 < len(backend.encoded) <= len(within)
    changed = set(np.flatnonzero((before != session.mask("right", whole=True)).any(axis=(1, 2))).tolist())
    assert 13 in changed
    assert changed <= within
    np.testing.assert_array_equal(session.mask("label 7", whole=True), LEFT)


# --- a mask of the whole object as the prompt


def test_a_mask_starts_an_object_as_it_is(session: Session, backend: FakeBackend) -> None:
    found = session.segment(RIGHT, name="right")
    np.testing.assert_array_equal(session.mask("right"), RIGHT)
    assert found.start == "start_from_mask"
    assert not backend.prompts


@pytest.mark.parametrize("plane", list(Plane))
def test_a_refined_mask_prompts_each_slice_with_its_own_slice(
    session: Session, backend: FakeBackend, plane: Plane
) -> None:
    given = np.roll(LEFT, (1, 1), axis=(1, 2))  # not quite in place, as of an earlier study
    seen = []
    session.segment(
        LabelVolume(given * np.uint8(9), SCENE.volume.geometry),
        name="it",
        refine=True,
        plane=plane,
        progress=seen.append,
    )
    grid = session.objects["it"].grid
    slices = np.flatnonzero(given.any(axis=tuple(a for a in range(3) if a != 2 - grid.axis)))
    assert len(backend.encoded) == len(backend.prompts) == len(slices) == len(seen)
    assert all(each.mask is not None for each in backend.prompts)
    assert [each.slice_mask.index for each in seen] == slices.tolist()
    # The fake model finds what is bright near the mask: more than a copy holds.
    assert (session.mask("it") & LEFT).sum() > (given & LEFT).sum()
    # No slice lies on the way to another one, so each is expected to be as good as its own score says.
    expected = session.objects["it"].expected_dice
    scores = {index: each.score for index, each in session.objects["it"].slices.items()}
    assert len({round(expected[index], 6) for index in scores if scores[index] == max(scores.values())}) == 1
    assert session.precisions == ("f32",)


@pytest.mark.filterwarnings("ignore::radsam.session.OverlapWarning")  # the fake model takes both balls
def test_refining_several_counts_all_slices(session: Session) -> None:
    seen = []
    session.add_objects(labels(), refine=True, progress=lambda each: seen.append((each.done, each.total)))
    total = sum(int(mask.any(axis=(1, 2)).sum()) for mask in (RIGHT, LEFT))
    assert seen == [(number, total) for number in range(1, total + 1)]


# --- what is refused, with the session as before


def test_300_labels_are_refused_with_their_number(session: Session) -> None:
    ids = np.zeros(SCENE.volume.geometry.shape_kji, np.uint16)
    ids.reshape(-1)[:300] = np.arange(1, 301)
    with pytest.raises(PromptError, match=r"300 objects; at most 255.*--roi NAME.*'label 1', 'label 2'"):
        session.add_objects(labels(ids))
    assert list(session.add_objects(labels(ids), names=["300", 12])) == ["label 300", "label 12"]
    most = labels(np.where(ids > 255, 0, ids))
    assert len(label_requests(most, most.geometry, [])) == 255


def test_what_is_no_mask_of_this_volume_is_refused(session: Session) -> None:
    other = Geometry(SCENE.volume.geometry.shape_kji, np.diag([1.0, 1.0, 2.0, 1.0]))
    for refused, words, given in [
        (session.add_objects, "another grid.*resample=True", LabelVolume(labels().ids, other)),
        (session.segment, "another grid", LabelVolume(labels().ids, other)),
        (session.add_objects, "is empty", labels(np.zeros_like(labels().ids))),
        (session.segment, "has no objects", labels(np.zeros_like(labels().ids))),
        (session.segment, r"2 objects.*add_objects", labels()),
        (session.segment, "is empty", np.zeros_like(RIGHT)),
        (session.segment, "3 *× *4|5×4×3", np.ones((3, 4, 5), bool)),
    ]:
        with pytest.raises((PromptError, GridMismatchError), match=words):
            refused(given)
    assert not session.history.edits


def test_names_that_are_taken_are_refused(session: Session) -> None:
    session.segment(Box(k=13, i0=3, j0=7, i1=15, j1=20), bounds=(12, 14), name="right")
    with pytest.raises(SessionError, match=r"already has 'right'.*Rename or remove"):
        session.add_objects(labels())
    assert list(session.objects) == ["right"]
    with pytest.warns(OverlapWarning):
        session.add_objects(labels(), names=["7"])
    assert list(session.objects) == ["right", "label 7"]


def test_a_failure_on_the_way_leaves_the_session_as_it_was(session: Session, backend: FakeBackend) -> None:
    def fail(record: object) -> None:
        backend.failing = True

    with pytest.raises(BackendError):
        session.add_objects(labels(), refine=True, progress=fail)
    assert not session.history.edits
    assert not session.objects


def test_every_grid_is_copied_exactly() -> None:
    for geometry in GRIDS.values():
        scene = touching_balls(geometry)
        session = fake_session(scene.volume)
        session.segment(scene.truths["left"], name="left", plane="sagittal")
        np.testing.assert_array_equal(session.mask("left"), scene.truths["left"])
