"""Two programs with one session file: the second one loses nothing of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import fake_engine, fake_session
from phantoms import touching_balls
from radsam.errors import SessionError
from radsam.session import Session, read_session
from radsam.volume import Box, Point

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    session = fake_session(SCENE.volume)
    session.segment(RIGHT, bounds=(12, 14))
    session.save(tmp_path / "s.radsam")
    return tmp_path / "s.radsam"


def opened(path: Path) -> Session:
    return fake_engine().reopen(path, SCENE.volume)


def test_a_session_does_not_replace_what_another_program_saved_meanwhile(saved: Path, tmp_path: Path) -> None:
    first, second = opened(saved), opened(saved)
    first.correct(Point(i=4, j=14, k=13, positive=False))
    second.correct(Point(i=9, j=8, k=13, positive=False))
    first.save(saved)
    with pytest.raises(SessionError, match=r"s\.radsam was changed by another program since it was read"):
        second.save(saved)
    assert read_session(saved).history == first.history
    assert [each.name for each in tmp_path.iterdir()] == ["s.radsam"]
    second.save(tmp_path / "mine.radsam")
    assert read_session(tmp_path / "mine.radsam").history == second.history


def test_a_session_saves_again_and_again(saved: Path) -> None:
    session = opened(saved)
    for step in (session.undo, session.redo):
        step()
        session.save(saved)
    saved.unlink()  # nothing is left to lose
    session.save(saved)
    assert read_session(saved).history == session.history
    other = fake_session(SCENE.volume)
    other.save(saved)  # a session that was not read from there is saved as the user says
    assert read_session(saved).history == other.history
