"""Any order of edits, undo, redo and reopening, against snapshots and a session that starts afresh."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import touching_balls
from radsam.errors import InputError, SessionError
from radsam.predictor import SliceMask
from radsam.session import CapabilityWarning, Overlap, Session
from radsam.session.edit import Segment
from radsam.session.history import edits_of
from radsam.volume import Box, Geometry, Mask, Plane, Point, Prompt

SCENE = touching_balls(Geometry.from_parts((6, 16, 18), (3.0, -7.0, 11.0), (2.0, 2.0, 3.0), np.diag([-1.0, 1.0, 1.0])))
NAMES = st.sampled_from(["a", "b", "c"])
PROMPTS: list[tuple[Prompt, Plane]] = [
    (Box(k=2, i0=5, j0=3, i1=10, j1=11), Plane.AXIAL),
    (Box(k=3, i0=8, j0=4, i1=15, j1=11), Plane.AXIAL),
    (Point(i=11, j=7, k=3), Plane.AXIAL),
    (Point(i=6, j=8, k=2), Plane.CORONAL),
    (Mask(pixels=SCENE.truths["right"][3], k=3), Plane.AXIAL),
    (Point(i=0, j=0, k=0), Plane.AXIAL),  # finds nothing
]
BOUNDS = st.sampled_from([None, (1, 4), (0, 5), (2, 3)])
POINTS = st.builds(Point, i=st.integers(3, 15), j=st.integers(4, 11), k=st.integers(0, 5), positive=st.booleans())


def corrected(session: Session, name: str, *points: Point) -> None:
    """Correct anywhere, also where the fake model finds nothing and only the click is painted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapabilityWarning)
        session.correct(*points, name=name)


@dataclass(frozen=True)
class Snapshot:
    """All that a user sees."""

    ids: bytes
    names: dict[int, str]
    slices: dict[str, dict[int, SliceMask]]
    locked: frozenset[str]
    overlap: Overlap


def snapshot(session: Session) -> Snapshot:
    objects = session.objects
    return Snapshot(
        ids=session.labels.ids.tobytes(),
        names=dict(session.labels.names),
        slices={name: each.slices for name, each in objects.items()},
        locked=frozenset(name for name, each in objects.items() if each.locked),
        overlap=session.overlap,
    )


class Work(RuleBasedStateMachine):
    """A user who does anything at any time."""

    @initialize()
    def open(self) -> None:
        self.backend = FakeBackend()
        self.session = fake_session(SCENE.volume, self.backend)
        self.seen = [snapshot(self.session)]
        self.at = 0
        self.owned: dict[str, np.ndarray] = {}

    def do(self, edit: object) -> None:
        """Do one edit: it changes the session by one step, or not at all."""
        steps = self.session.history.cursor
        try:
            edit()  # type: ignore[operator]
        except InputError:
            assert self.session.history.cursor == steps
            return
        assert self.session.history.cursor == steps + 1 == len(self.session.history.edits)
        del self.seen[self.at + 1 :]
        self.seen.append(snapshot(self.session))
        self.at += 1

    @rule(name=NAMES, which=st.sampled_from(PROMPTS), bounds=BOUNDS, policy=st.sampled_from([None, "box", "copy"]))
    def segment(
        self, name: str, which: tuple[Prompt, Plane], bounds: tuple[int, int] | None, policy: str | None
    ) -> None:
        prompt, plane = which
        self.do(lambda: self.session.segment(prompt, bounds=bounds, name=name, plane=plane, policy=policy))

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), point=POINTS)
    def correct(self, data: st.DataObject, point: Point) -> None:
        name = data.draw(st.sampled_from(sorted(self.session.objects)))
        self.do(lambda: corrected(self.session, name, point))

    @precondition(lambda self: self.session.history.done)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.session.history.done) - 1))
        self.do(lambda: self.session.delete(number))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self.do(lambda: self.session.remove(name))

    @rule(name=NAMES, locked=st.booleans())
    def lock(self, name: str, locked: bool) -> None:
        self.do(lambda: self.session.lock(name, locked))

    @rule(overlap=st.sampled_from(list(Overlap)))
    def choose_overlap(self, overlap: Overlap) -> None:
        self.do(lambda: setattr(self.session, "overlap", overlap))

    @rule(steps=st.integers(1, 4))
    def undo(self, steps: int) -> None:
        for _ in range(steps):
            if self.at == 0:
                with pytest.raises(SessionError):
                    self.session.undo()
                return
            self.session.undo()
            self.at -= 1
        self.owned = {}

    @rule(steps=st.integers(1, 4))
    def redo(self, steps: int) -> None:
        for _ in range(steps):
            if self.at == len(self.seen) - 1:
                with pytest.raises(SessionError):
                    self.session.redo()
                return
            self.session.redo()
            self.at += 1
        self.owned = {}

    @rule()
    def reopen(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.session.save(Path(folder) / "session")
            self.backend = FakeBackend()
            self.session = fake_engine(self.backend).reopen(Path(folder) / "session", SCENE.volume)
        snapshot(self.session)
        assert self.backend.prompts == []

    @invariant()
    def what_is_seen_is_what_was_seen_at_this_step(self) -> None:
        assert snapshot(self.session) == self.seen[self.at]

    @invariant()
    def no_slice_is_encoded_twice(self) -> None:
        assert len(set(self.backend.encoded)) == len(self.backend.encoded)

    @invariant()
    def a_locked_object_keeps_its_voxels(self) -> None:
        locked = self.seen[self.at].locked
        owned = {name: self.session.mask(name) for name in locked}
        for name in locked & self.owned.keys():
            np.testing.assert_array_equal(owned[name], self.owned[name])
        self.owned = owned

    def teardown(self) -> None:
        """An object is what its remaining edits make of it, each done once in a new session."""
        if not hasattr(self, "session"):
            return
        for name, slices in self.seen[self.at].slices.items():
            afresh = fake_session(SCENE.volume)
            for edit in edits_of(self.session.history.done, name):
                if isinstance(edit, Segment):
                    bounds = edit.bounds and (edit.bounds.low, edit.bounds.high)
                    afresh.segment(edit.prompt, bounds=bounds, name=name, plane=edit.plane, policy=edit.policy)
                else:
                    corrected(afresh, name, *edit.points)
            assert afresh.objects[name].slices == slices


Work.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestWork = Work.TestCase
