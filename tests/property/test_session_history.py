"""Any order of edits, undo, redo and reopening, against snapshots and a session that starts afresh."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
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
from radsam.predictor import SlicePrompt
from radsam.preprocess import Window
from radsam.propagate import SliceDone
from radsam.server.mask_revisions import MaskRevisions
from radsam.server.state_json import session_details
from radsam.session import CapabilityWarning, Overlap, SegmentedObject, Session
from radsam.session.edit import ObjectEdit, Paint, SetBounds, StartEdit, StartFromMask
from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, ContinueRequest, PaintRequest
from radsam.session.history import History, edits_of
from radsam.session.prompt_json import prompt_to_json
from radsam.session.requests import ObjectRequest
from radsam.volume import (
    Bounds,
    Box,
    Brush,
    Geometry,
    HandShape,
    Lasso,
    Mask,
    Plane,
    Point,
    Prompt,
    Scribble,
    SliceGrid,
    SparseMask,
)
from radsam.volume.clean_up import (
    CleanUpStep,
    CopySlice,
    FillHoles,
    Grow,
    Interpolate,
    KeepAt,
    KeepLargest,
    RemoveIslands,
    Smooth,
)
from radsam.volume.hand_shape import shape_voxels

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = [
    pytest.mark.filterwarnings("ignore::radsam.OverlapWarning"),
    # It is the type checker that looks at random elements of what a strategy makes.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

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
GEOMETRY = SCENE.volume.geometry
SHAPE_KJI = GEOMETRY.shape_kji
PLANES = st.sampled_from(list(Plane))
REACHES = st.sampled_from(["slice", 0, 1, 2, "next", "ends"])
MASKS = [
    SparseMask.of(SCENE.truths["right"], 2),
    SparseMask.of(SCENE.truths["left"] & (np.arange(6) != 3)[:, None, None], 0),  # without a slice in its middle
]
INDICES_IJK = st.tuples(st.integers(0, 17), st.integers(0, 15), st.integers(0, 5))
#: How often each rule has changed a session, over all examples.
DONE: Counter[str] = Counter()


@st.composite
def drawn(draw: st.DrawFn, grid: SliceGrid, kinds: tuple[type, ...]) -> Any:
    """A prompt or shape of one of some kinds on a slice of a grid, near the balls."""
    kind, positive = draw(st.sampled_from(kinds)), draw(st.booleans())
    rows, cols = grid.shape_vu
    index = draw(st.integers(0, grid.count - 1))
    u0, v0 = draw(st.integers(0, cols - 2)), draw(st.integers(0, rows - 2))
    u1, v1 = draw(st.integers(u0 + 1, min(cols - 1, u0 + 8))), draw(st.integers(v0 + 1, min(rows - 1, v0 + 8)))
    on = {grid.axis_name: index}
    if kind is Point:
        i, j, k = grid.join(index, u0, v0)
        return Point(i=i, j=j, k=k, positive=positive)
    if kind is Scribble:
        return Scribble(voxels_ijk=(grid.join(index, u0, v0), grid.join(index, u1, v1)), positive=positive)
    if kind is Brush:
        path, ball = (grid.join(index, u0, v0), grid.join(index, u1, v1)), draw(st.booleans())
        return Brush(path_ijk=path, radius_mm=draw(st.sampled_from([1.0, 4.0])), ball=ball, plane=grid.plane)
    if kind is SparseMask:
        array = np.zeros(SHAPE_KJI, bool)
        for i, j, k in draw(st.lists(INDICES_IJK, min_size=1, max_size=3)):
            array[k, j, i] = True
        return SparseMask.of(array, draw(st.integers(0, 2)))
    if kind is Lasso:
        polygon = ((float(u0), float(v0)), (float(u1), float(v0)), (float(u1), float(v1)))
        return Lasso(**on, polygon=polygon, positive=positive)
    if kind is Box:
        u, v = ("ijk"[axis] for axis in grid.uv_axes)
        return Box(**on, **{f"{u}0": u0, f"{u}1": u1, f"{v}0": v0, f"{v}1": v1}, positive=positive)
    pixels = np.zeros(grid.shape_vu, bool)
    pixels[v0 : v1 + 1, u0:u1] = True
    return Mask(**on, pixels=pixels, positive=positive)


@st.composite
def clean_ups(draw: st.DrawFn) -> CleanUpStep:
    axis = draw(st.integers(0, 2))
    slices = st.integers(0, SHAPE_KJI[2 - axis] - 1)
    step = draw(st.sampled_from((CopySlice, FillHoles, Grow, Interpolate, KeepAt, KeepLargest, RemoveIslands, Smooth)))
    match step.__name__:
        case "CopySlice":
            index = draw(slices)
            to = draw(st.lists(slices.filter(lambda each: each != index), min_size=1, max_size=2))
            return CopySlice(index, tuple(to), axis)
        case "FillHoles":
            return FillHoles(draw(st.booleans()), axis)
        case "Grow":
            return Grow(draw(st.sampled_from([-3.0, -2.0, 2.0, 3.0])))
        case "Interpolate":
            low = draw(st.integers(0, SHAPE_KJI[2 - axis] - 3))
            return Interpolate((low, draw(st.integers(low + 2, SHAPE_KJI[2 - axis] - 1))), axis)
        case "KeepAt":
            return KeepAt(draw(INDICES_IJK))
        case "RemoveIslands":
            return RemoveIslands(draw(st.sampled_from([0.02, 0.5])))
        case "Smooth":
            return Smooth(2.0, axis)
        case _:
            return KeepLargest()


def set_by_hand(edits: tuple[ObjectEdit, ...]) -> dict[tuple[int, ...], bool]:
    """The voxels (k, j, i) that a person has set, each with its side, from the edits of an object alone."""
    sides: dict[tuple[int, ...], bool] = {}
    for edit in edits:
        ends = None
        if isinstance(edit, StartEdit):
            across = 2 - SliceGrid.of(GEOMETRY, edit.plane).axis
            ends = edit.bounds and (edit.bounds.low, edit.bounds.high)
        if isinstance(edit, StartFromMask):
            voxels_kji = [tuple(each) for each in np.argwhere(edit.mask.decode()).tolist()]
            sides |= dict.fromkeys(voxels_kji, True) if edit.by_hand else {}
            at = [each[across] for each in voxels_kji]
            ends = ends or (min(at), max(at))
        elif isinstance(edit, Paint):
            sides |= dict.fromkeys((tuple(each) for each in np.argwhere(edit.voxels.decode()).tolist()), edit.positive)
        elif isinstance(edit, SetBounds):
            ends = edit.bounds.low, edit.bounds.high
        if ends:
            sides = {each: side for each, side in sides.items() if ends[0] <= each[across] <= ends[1]}
    return sides


def whole(session: Session) -> dict[str, np.ndarray]:
    """The voxels of every object, before the overlap policy."""
    return {name: session.mask(name, whole=True) for name in session.objects}


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

    def do(self, edit: Callable[[], object], *, elsewhere: Callable[[SegmentedObject], set[int]] | None = None) -> bool:
        """Do one edit: it changes the session by one step, or not at all.

        Args:
            edit: What to do.
            elsewhere: Of an object before the edit, the slices that the edit must leave as they are.

        Returns:
            Whether it was done.
        """
        history, outcome, masks, objects = self.session.history, self.session.outcome, whole(self.session), None
        if elsewhere:
            objects = self.session.objects
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CapabilityWarning)
                edit()
        except InputError as refused:
            assert self.session.history is history
            assert self.session.outcome is outcome
            message = str(refused)
            assert message.endswith((".", ")"))
            return False
        assert self.session.history.cursor == history.cursor + 1 == len(self.session.history.edits)
        del self.seen[self.at + 1 :]
        self.seen.append(snapshot(self.session))
        self.at += 1
        DONE[type(self.session.history.edits[-1]).__name__] += 1
        self.check_outcome(masks)
        if elsewhere and objects is not None and (name := self.session.outcome.name) in objects:
            now = self.session.objects[name]
            for index in elsewhere(objects[name]):
                if now.bounds is None or index in now.bounds:
                    np.testing.assert_array_equal(
                        now.grid.take(masks[name], index), now.grid.take(whole(self.session)[name], index)
                    )
        return True

    def check_outcome(self, before: dict[str, np.ndarray]) -> None:
        """Compare what the session says of its last edit with the masks before and after it."""
        outcome, after, empty = self.session.outcome, whole(self.session), np.zeros(SHAPE_KJI, bool)
        if outcome is None:
            return
        was, now = before.get(outcome.name, empty), after.get(outcome.name, empty)
        assert (outcome.added, outcome.taken) == (np.count_nonzero(now & ~was), np.count_nonzero(was & ~now))
        if outcome.name in after:
            changed = np.moveaxis(was != now, 2 - self.session.objects[outcome.name].grid.axis, 0).any(axis=(1, 2))
            assert outcome.slices == tuple(np.flatnonzero(changed))
        for name in before.keys() & after.keys() - {outcome.name}:
            np.testing.assert_array_equal(before[name], after[name])

    def some_object(self, data: st.DataObject) -> SegmentedObject:
        return self.session.objects[data.draw(st.sampled_from(sorted(self.session.objects)))]

    @rule(name=NAMES, which=st.sampled_from(PROMPTS), bounds=BOUNDS, policy=st.sampled_from([None, "box", "copy"]))
    def segment(
        self, name: str, which: tuple[Prompt, Plane], bounds: tuple[int, int] | None, policy: str | None
    ) -> None:
        prompt, plane = which
        self.do(lambda: self.session.segment(prompt, bounds=bounds, name=name, plane=plane, policy=policy))

    @rule(name=NAMES, which=st.sampled_from(MASKS), plane=PLANES, refine=st.booleans(), by_hand=st.booleans())
    def start_from_mask(self, name: str, which: SparseMask, plane: Plane, refine: bool, by_hand: bool) -> None:
        request = StartFromMaskRequest(name=name, mask=which, plane=plane, refine=refine, by_hand=by_hand)
        self.do(lambda: list(self.session.run(request)))

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), reach=REACHES, plane=PLANES)
    def correct(self, data: st.DataObject, reach: str | int, plane: Plane) -> None:
        shown = self.some_object(data)
        prompt = data.draw(drawn(shown.grid, (Point, Scribble, Lasso, Box, Mask)))
        if isinstance(prompt, Scribble):  # may lie in another plane
            prompt = data.draw(drawn(SliceGrid.of(GEOMETRY, plane), (Scribble,)))
        on = set(SlicePrompt.by_slice(prompt, shown.grid))
        self.do(
            lambda: self.session.correct(prompt, name=shown.name, reach=reach),
            elsewhere=lambda each: {*each.confirmed, *(placed.index for placed in each.placed_prompts)} - on,
        )

    @rule(data=st.data(), name=NAMES, reach=REACHES, plane=PLANES, positive=st.booleans(), limited=st.booleans())
    def paint(
        self, data: st.DataObject, name: str, reach: str | int, plane: Plane, positive: bool, limited: bool
    ) -> None:
        shape: HandShape = data.draw(drawn(SliceGrid.of(GEOMETRY, plane), (Brush, SparseMask, Lasso, Box, Mask)))
        limit = {"within": (0.0, 200.0)} if limited else {}
        voxels, before = shape_voxels(shape, GEOMETRY), len(self.backend.prompts)
        done = self.do(
            lambda: self.session.paint(shape, name=name, positive=positive, reach=reach, **limit),
            elsewhere=lambda each: (
                {*each.confirmed, *(placed.index for placed in each.placed_prompts)}
                - set(voxels.along(each.grid.axis).slices)
            ),
        )
        if done and reach == "slice":
            assert len(self.backend.prompts) == before

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data())
    def delete_slice(self, data: st.DataObject) -> None:
        shown = self.some_object(data)
        index = data.draw(st.integers(0, shown.grid.count - 1))
        if self.do(lambda: self.session.delete_slice(index, name=shown.name)):
            assert not shown.grid.take(whole(self.session)[shown.name], index).any()
            DONE["delete_slice"] += 1

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), change=st.sampled_from(["trim", "extend", "set"]))
    def set_bounds(self, data: st.DataObject, change: str) -> None:
        shown, before = self.some_object(data), len(self.backend.prompts)
        ends = st.none() | st.integers(0, shown.grid.count - 1)
        low, high, was = data.draw(ends), data.draw(ends), whole(self.session)[shown.name]
        request = {"name": shown.name, "low": low, "high": high, "change": change}
        if not self.do(lambda: list(self.session.run(BoundsRequest.model_validate(request)))):
            return
        now = self.session.objects[shown.name]
        new = set(now.slices) - set(shown.slices)
        assert len(self.backend.prompts) - before <= len(new)
        for index in set(now.slices) - new:
            np.testing.assert_array_equal(now.grid.take(was, index), now.slices[index].mask.decode())
        if change == "trim":
            assert not new
            assert len(self.backend.prompts) == before
        DONE[change] += 1

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), confirmed=st.booleans())
    def confirm(self, data: st.DataObject, confirmed: bool) -> None:
        shown = self.some_object(data)
        slices = data.draw(st.sets(st.integers(0, shown.grid.count - 1), min_size=1, max_size=2))
        if self.do(lambda: self.session.confirm(*slices, name=shown.name, confirmed=confirmed)):
            now = set(self.session.objects[shown.name].confirmed)
            assert slices <= now if confirmed else not slices & now
            assert self.session.outcome.slices == ()

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), step=clean_ups())
    def clean_up(self, data: st.DataObject, step: CleanUpStep) -> None:
        shown, before = self.some_object(data), len(self.backend.prompts)
        done = self.do(lambda: self.session.clean_up(step, name=shown.name), elsewhere=lambda each: set(each.confirmed))
        assert len(self.backend.prompts) == before
        if done:
            DONE[type(step).__name__] += 1

    def stop(self, request: ObjectRequest, after: int) -> None:
        """Run a request, stop it after some records, and keep what is done: no slice of it changes."""
        found: dict[int, np.ndarray] = {}

        def edit() -> None:
            run, history, records = self.session.run(request), self.session.history, []
            for record in islice(run, after):
                records.append(record)
                if isinstance(record, SliceDone):
                    found[record.slice_mask.index] = record.slice_mask.mask.decode()
            run.close()
            if self.session.history is history:
                list(self.session.keep(request, records))

        if self.do(edit):
            shown, hand = self.session.objects[request.name], np.zeros(SHAPE_KJI, bool)
            for voxel in set_by_hand(edits_of(self.session.history.done, request.name)):
                hand[voxel] = True  # by an earlier edit: they stay, whatever the model predicts
            for index, mask in found.items():
                free = ~shown.grid.take(hand, index)
                np.testing.assert_array_equal(shown.slices[index].mask.decode()[free], mask[free])
            DONE["stop"] += 1

    @rule(name=NAMES, which=st.sampled_from(PROMPTS), bounds=BOUNDS, after=st.integers(0, 5))
    def stop_a_start(self, name: str, which: tuple[Prompt, Plane], bounds: tuple[int, int] | None, after: int) -> None:
        request = {"name": name, "prompt": which[0], "plane": which[1], "bounds": bounds and Bounds(*bounds)}
        self.stop(SegmentRequest.model_validate(request), after)

    @precondition(lambda self: self.session.objects)
    @rule(data=st.data(), reach=REACHES, after=st.integers(0, 5), change=st.sampled_from(["click", "stroke", "ends"]))
    def stop_a_change(self, data: st.DataObject, reach: str | int, after: int, change: str) -> None:
        shown = self.some_object(data)
        request: dict[str, Any] = {"name": shown.name}
        if change == "click":
            points = (data.draw(drawn(shown.grid, (Point, Box))),)
            self.stop(CorrectionRequest.model_validate(request | {"points": points, "reach": reach}), after)
        elif change == "stroke":
            shape = data.draw(drawn(shown.grid, (Brush,)))
            self.stop(PaintRequest.model_validate(request | {"shape": shape, "reach": reach}), after)
        else:
            ends = st.integers(0, shown.grid.count - 1)
            low, high = sorted((data.draw(ends), data.draw(ends)))
            self.stop(BoundsRequest.model_validate(request | {"low": low, "high": high}), after)

    @precondition(lambda self: any(each.unfinished for each in self.session.objects.values()))
    @rule(data=st.data(), after=st.none() | st.integers(0, 5))
    def continue_object(self, data: st.DataObject, after: int | None) -> None:
        unfinished = sorted(name for name, each in self.session.objects.items() if each.unfinished)
        name = data.draw(st.sampled_from(unfinished))
        if after is not None:
            self.stop(ContinueRequest(name=name), after)
        elif self.do(lambda: self.session.continue_object(name)):
            assert not self.session.objects[name].unfinished
            DONE["continue"] += 1

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
    def what_a_hand_has_set_stays(self) -> None:
        for name, mask in whole(self.session).items():
            shown = self.session.objects[name]
            for voxel, side in set_by_hand(edits_of(self.session.history.done, name)).items():
                assert mask[voxel] == side
            slices = np.flatnonzero(np.moveaxis(mask, 2 - shown.grid.axis, 0).any(axis=(1, 2))).tolist()
            assert shown.bounds is None or all(index in shown.bounds for index in slices)
            assert all(0 <= index < shown.grid.count for index in shown.confirmed)

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
            edits = edits_of(self.session.history.done, name)
            afresh.restore(History(edits, len(edits)), {})
            now = afresh.objects[name]
            assert (now.slices, now.low_end, now.high_end) == (seen["slices"], seen["low_end"], seen["high_end"])
            assert now.unfollowed == seen["unfollowed"]


Work.TestCase.settings = settings(max_examples=9, stateful_step_count=25)
TestWork = Work.TestCase
