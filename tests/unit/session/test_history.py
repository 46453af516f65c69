from __future__ import annotations

import pytest

from radsam.errors import SessionError
from radsam.preprocess import Window
from radsam.session.edit import Correct, Delete, Lock, Remove, Segment
from radsam.session.history import History, edits_of, numbered_edits_of, object_names
from radsam.volume import Box, Plane, Point


def start(name: str, k: int = 0) -> Segment:
    return Segment(name, Box(k=k, i0=0, j0=0, i1=4, j1=4), None, Plane.AXIAL, Window(-160.0, 240.0), "mask")


def fix(name: str, k: int = 0) -> Correct:
    return Correct(name, (Point(i=1, j=1, k=k),))


def test_a_new_history_is_empty() -> None:
    assert History().done == ()


def test_what_is_undone_stays_until_something_new_is_done() -> None:
    history = History().push(start("a")).push(fix("a", 1)).push(fix("a", 2))
    undone = history.undo().undo()
    assert undone.done == (start("a"),)
    assert undone.edits == history.edits
    assert undone.redo().redo() == history
    branched = undone.push(fix("a", 3))
    assert branched.edits == branched.done == (start("a"), fix("a", 3))


def test_a_step_changes_no_earlier_history() -> None:
    history = History().push(start("a"))
    history.push(fix("a"))
    history.undo()
    assert history.edits == history.done == (start("a"),)


def test_there_is_an_end_on_both_sides() -> None:
    history = History().push(start("a"))
    with pytest.raises(SessionError, match="nothing to redo"):
        history.redo()
    with pytest.raises(SessionError, match="nothing to undo"):
        history.undo().undo()


@pytest.mark.parametrize("cursor", [-1, 2])
def test_a_cursor_outside_is_refused(cursor: int) -> None:
    with pytest.raises(SessionError, match=f"has 1 edits, its cursor is {cursor}"):
        History((start("a"),), cursor)


def test_objects_are_named_in_order_of_their_first_prompt_also_when_removed() -> None:
    edits = [start("b"), start("a"), fix("b"), Remove("b"), start("c"), start("b")]
    assert object_names(edits) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("edits", "kept"),
    [
        ([], []),
        ([start("b")], []),
        ([start("a"), start("b"), fix("b"), fix("a"), Lock("a")], [0, 3]),
        ([start("a"), fix("a", 1), fix("a", 2), Delete(1)], [0, 2]),
        ([start("a"), fix("a", 1), Delete(0)], []),
        ([start("a"), fix("a", 1), Delete(0), start("a", 3), fix("a", 4)], [3, 4]),
        ([start("a"), fix("a", 1), start("a", 2), Delete(2)], [0, 1]),
        ([start("a"), fix("a", 1), start("a", 2), Delete(0)], [2]),
        ([start("a"), fix("a", 1), Remove("a")], []),
        ([start("a"), Remove("b"), fix("a", 1)], [0, 2]),
        ([start("a"), Remove("a"), start("a", 2), fix("a", 3)], [2, 3]),
    ],
)
def test_an_object_is_made_by_the_edits_that_still_count(edits: list, kept: list[int]) -> None:
    assert list(numbered_edits_of(edits, "a")) == kept
    assert edits_of(edits, "a") == tuple(edits[number] for number in kept)
