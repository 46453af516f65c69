"""Who owns a voxel that two objects claim?"""

from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_session
from phantoms import ball
from radsam.errors import SessionError
from radsam.session import Overlap, Session
from radsam.session.edit import Segment
from radsam.session.history import History
from radsam.volume import Bounds, Mask, Plane, SliceGrid

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")

SCENE = ball("flipped")
GRID = SliceGrid.of(SCENE.volume.geometry, "axial")
SHAPE = GRID.shape_vu


def stripe(u0: int, u1: int) -> np.ndarray:
    pixels = np.zeros(SHAPE, bool)
    pixels[:, u0 : u1 + 1] = True
    return pixels


#: Neighbours overlap; a and c do not.
STRIPES = {"a": stripe(0, 9), "b": stripe(6, 20), "c": stripe(15, 25)}


@pytest.fixture
def session() -> Session:
    return fake_session(SCENE.volume)


def draw(session: Session, name: str, *, plane: str = "axial", index: int = 4) -> None:
    """Give an object exactly its stripe on one slice: copying needs no model."""
    grid = SliceGrid.of(SCENE.volume.geometry, plane)
    pixels = STRIPES[name] if plane == "axial" else np.ones(grid.shape_vu, bool)
    session.segment(Mask.on(grid, index, pixels), bounds=(index, index), name=name, policy="copy", plane=plane)


def owners(session: Session, u: int) -> str | None:
    number = int(session.labels.ids[4, 0, u])
    return session.labels.names[number] if number else None


def test_the_last_prompt_wins_unless_told_otherwise(session: Session) -> None:
    for name in STRIPES:
        draw(session, name)
    assert session.overlap is Overlap.LAST_WINS
    assert [owners(session, u) for u in (3, 8, 12, 18, 25, 28)] == ["a", "b", "b", "c", "c", None]
    draw(session, "a")
    assert [owners(session, u) for u in (3, 8, 12, 18, 25)] == ["a", "a", "b", "c", "c"]


def test_the_first_object_can_keep_its_voxels(session: Session) -> None:
    for name in STRIPES:
        draw(session, name)
    session.overlap = "keep first"
    assert [owners(session, u) for u in (3, 8, 12, 18, 25)] == ["a", "a", "b", "b", "c"]
    draw(session, "a")
    draw(session, "c")
    assert [owners(session, u) for u in (3, 8, 12, 18, 25)] == ["a", "a", "b", "b", "c"]
    session.overlap = Overlap.LAST_WINS
    assert [owners(session, u) for u in (8, 18)] == ["a", "c"]


def test_taking_back_the_last_prompt_gives_the_voxels_back(session: Session) -> None:
    draw(session, "a")
    draw(session, "b")
    draw(session, "a")
    assert owners(session, 8) == "a"
    session.delete(2)
    assert owners(session, 8) == "b"
    session.remove("b")
    assert [owners(session, u) for u in (8, 12)] == ["a", None]


@pytest.mark.parametrize("overlap", list(Overlap))
def test_a_locked_object_loses_and_gains_no_voxel(session: Session, overlap: Overlap) -> None:
    session.overlap = overlap
    draw(session, "b")
    draw(session, "a")
    session.lock("b")
    owned = session.mask("b")
    draw(session, "c")
    draw(session, "a")
    np.testing.assert_array_equal(session.mask("b"), owned)
    session.remove("a")
    np.testing.assert_array_equal(session.mask("b"), owned)
    session.overlap = Overlap.KEEP_FIRST
    np.testing.assert_array_equal(session.mask("b"), owned)


def test_the_object_that_the_order_names_first_has_the_voxel(session: Session) -> None:
    for name in STRIPES:
        draw(session, name)
    session.order("b", "a")
    assert [owners(session, u) for u in (3, 8, 12, 18, 25)] == ["a", "b", "b", "b", "c"]
    draw(session, "a")
    assert owners(session, 8) == "b"
    session.order("a", "b")
    assert [owners(session, u) for u in (8, 18)] == ["a", "b"]  # c is not named, so it comes after them
    session.rename("b", "liver")
    assert [owners(session, u) for u in (8, 18)] == ["a", "liver"]
    session.lock("c")
    session.order("liver")
    assert [owners(session, u) for u in (8, 18, 22)] == ["liver", "liver", "c"]
    session.order()
    assert [owners(session, u) for u in (8, 18)] == ["a", "liver"]
    session.undo()
    session.undo()
    assert owners(session, 8) == "a"


@pytest.mark.parametrize("overlap", list(Overlap))
def test_objects_that_the_order_does_not_name_follow_the_policy(session: Session, overlap: Overlap) -> None:
    session.overlap = overlap
    for name in STRIPES:
        draw(session, name)
    session.order("c")
    first = overlap is Overlap.KEEP_FIRST
    assert [owners(session, u) for u in (8, 18)] == ["a" if first else "b", "c"]


def test_an_order_with_unknown_or_repeated_names_is_refused(session: Session) -> None:
    draw(session, "a")
    with pytest.raises(SessionError, match="There is no object 'lung' in this session; its objects: a"):
        session.order("a", "lung")
    with pytest.raises(SessionError, match="names 'a' twice"):
        session.order("a", "a")
    assert session.history.cursor == 1


def test_unlocking_opens_the_contest_again(session: Session) -> None:
    draw(session, "a")
    session.lock("a")
    draw(session, "b")
    assert owners(session, 8) == "a"
    session.lock("a", False)
    assert owners(session, 8) == "b"


def test_two_locked_objects_share_as_when_they_were_locked(session: Session) -> None:
    draw(session, "a")
    session.lock("a")
    draw(session, "b")
    session.lock("b")
    draw(session, "c")
    assert [owners(session, u) for u in (3, 8, 12, 18, 25)] == ["a", "a", "b", "b", "c"]
    assert {name for name, each in session.objects.items() if each.locked} == {"a", "b"}


def test_objects_of_different_planes_meet_in_one_label_map(session: Session) -> None:
    draw(session, "a")
    draw(session, "b", plane="sagittal", index=8)
    ids = session.labels.ids
    assert (ids[:, :, 8] == 2).all()
    assert (ids[4, :, 3] == 1).all()
    assert np.count_nonzero(ids) == SHAPE[0] * 9 + ids[:, :, 8].size
    assert session.objects["b"].grid.plane is Plane.SAGITTAL


def test_more_than_255_objects_need_wider_ids(session: Session) -> None:
    history = History()
    for number in range(256):
        pixels = np.zeros(SHAPE, bool)
        pixels[number // SHAPE[1], number % SHAPE[1]] = True
        mask = Mask(pixels=pixels, k=4)
        history = history.push(Segment(str(number), mask, Bounds(4, 4), Plane.AXIAL, session.window, "copy"))
    session.restore(history, {})
    assert session.labels.ids.dtype == np.uint16
    assert session.labels.ids.max() == 256
    session.undo()
    assert session.labels.ids.dtype == np.uint8
    assert session.labels.ids.max() == 255
