"""Any order of edits, undo, redo and reopening, against snapshots and a session that starts afresh."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import touching_balls
from radsam.cli.session_outputs import report
from radsam.errors import InputError, SessionError
from radsam.preprocess import Window
from radsam.server.mask_revisions import MaskRevisions
from radsam.server.state_json import session_details
from radsam.session import CapabilityWarning, Overlap, SegmentedObject, Session
from radsam.session.history import edits_of
from radsam.session.prompt_json import prompt_to_json
from radsam.volume import Box, Geometry, Mask, Plane, Point, Prompt

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")

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
    """All that a user sees: of Python's objects every field, and the JSON of the server and of the command line."""

    ids: bytes
    names: dict[int, str]
    objects: dict[str, dict[str, Any]]
    overlap: Overlap
    window: Window
    state: dict[str, Any]
    report: dict[str, Any]

    @property
    def locked(self) -> frozenset[str]:
        return frozenset(name for name, each in self.objects.items() if each["locked"])


def snapshot(session: Session) -> Snapshot:
    masks = MaskRevisions()
    masks.update(session.label_map, session.objects)
    # These are of the whole session, not of a step of its history.
    of_all = ("revision", "can_undo", "can_redo", "precisions", "notes", "seconds")
    state = {name: each for name, each in session_details(session, masks).items() if name not in of_all}
    return Snapshot(
        ids=session.labels.ids.tobytes(),
        names=dict(session.labels.names),
        objects={name: fields_of(each) for name, each in session.objects.items()},
        overlap=session.overlap,
        window=session.window,
        state=state,
        report={name: each for name, each in report(session, 0.0).items() if name not in of_all},
    )


def fields_of(shown: SegmentedObject) -> dict[str, Any]:
    """Every field, a new one too, in values that compare: a grid and a mask prompt compare by identity."""
    compared = {each.name: getattr(shown, each.name) for each in fields(shown)}
    placed = [(each.number, each.index, prompt_to_json(each.prompt)) for each in shown.placed_prompts]
    return compared | {"grid": shown.grid.plane, "placed_prompts": placed}


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
        before = self.session
        with tempfile.TemporaryDirectory() as folder:
            self.session.save(Path(folder) / "session")
            self.backend = FakeBackend()
            self.session = fake_engine(self.backend).reopen(Path(folder) / "session", SCENE.volume)
        snapshot(self.session)
        assert self.session.precisions == before.precisions
        assert (self.session.history.cursor, len(self.session.history.edits)) == (
            before.history.cursor, len(before.history.edits),
        )  # fmt: skip
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
        for name, seen in self.seen[self.at].objects.items():
            afresh = fake_session(SCENE.volume)
            for edit in edits_of(self.session.history.done, name):
                list(afresh.run(edit))
            now = afresh.objects[name]
            assert (now.slices, now.low_end, now.high_end) == (seen["slices"], seen["low_end"], seen["high_end"])
            assert now.unfollowed == seen["unfollowed"]


Work.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestWork = Work.TestCase
