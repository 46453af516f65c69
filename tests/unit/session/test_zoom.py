"""Does the model see a crop around a small object, chosen once, so that no edit encodes again?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_session, fake_spec
from phantoms import ORIGIN_LPS, ball, tube
from radsam.metrics import dice
from radsam.predictor import ObjectView, SlicePrompt, choose_view
from radsam.preprocess import Window
from radsam.runtime import Decoded, FramePrompt
from radsam.session import Session
from radsam.session.session_file import read_session
from radsam.volume import Bounds, Box, Geometry, Plane, Point, SliceGrid

#: A slice of 96 mm in 64 low-res pixels: a ball of 4 mm has few of them.
WIDE = Geometry.from_parts((12, 96, 96), ORIGIN_LPS, (1.0, 1.0, 1.0), np.eye(3))
SCENE = ball(WIDE, radius_mm=4.0)
BOX = Box(k=6, i0=43, j0=43, i1=52, j1=52)
BOUNDS = (3, 8)
SPEC = fake_spec(max_zoom=4.0)


def zoomed(**settings: object) -> tuple[Session, FakeBackend]:
    backend = FakeBackend(SPEC)
    session = fake_session(SCENE.volume, backend)
    session.segment(settings.pop("prompt", BOX), bounds=settings.pop("bounds", BOUNDS), **settings)  # type: ignore[arg-type]
    return session, backend


def test_a_small_object_is_found_better() -> None:
    scores = [dice(zoomed(zoom=zoom)[0].mask("object"), SCENE.truth) for zoom in (True, False)]
    assert scores[0] > scores[1] + 0.02
    assert scores[0] > 0.95


def test_a_model_that_was_trained_on_crops_zooms_by_default() -> None:
    assert zoomed()[0].history.done[0].zoom
    backend = FakeBackend(fake_spec())
    session = fake_session(SCENE.volume, backend)
    session.segment(BOX, bounds=BOUNDS)
    assert not session.history.done[0].zoom


def test_an_edit_encodes_nothing() -> None:
    session, backend = zoomed()
    before = len(backend.encoded)
    assert before == BOUNDS[1] - BOUNDS[0] + 1
    session.correct(Point(i=51, j=47, k=5, positive=False))
    session.correct(Point(i=47, j=47, k=7))
    session.undo()
    session.redo()
    assert len(backend.encoded) == before


@pytest.mark.parametrize("prompt", [BOX, Point(i=47, j=47, k=6)])
def test_the_crop_is_chosen_once(prompt: Box | Point, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = zoomed(prompt=prompt)
    monkeypatch.setattr("radsam.session.started_object.choose_view", None)
    session.correct(Point(i=51, j=47, k=5, positive=False))
    session.correct(Point(i=47, j=47, k=7))


def test_a_point_is_predicted_on_the_whole_slice_first() -> None:
    session, backend = zoomed(prompt=Point(i=47, j=47, k=6))
    assert len(backend.encoded) == BOUNDS[1] - BOUNDS[0] + 2
    assert dice(session.mask("object"), SCENE.truth) > 0.95


def view_of(index: int, bounds: Bounds | None) -> ObjectView:
    """How the model sees an object that is prompted by the box on a slice."""
    session = fake_session(SCENE.volume, FakeBackend(SPEC))
    grid = SliceGrid.of(SCENE.volume.geometry, Plane.AXIAL)
    view = session.predictor.view(grid, Window(-160.0, 240.0))
    return choose_view(session.predictor, SCENE.volume, view, index, SlicePrompt(box_uvuv=(43, 43, 52, 52)), bounds)


def test_the_crop_of_a_prompt_near_an_end_leaves_room_for_the_middle() -> None:
    def rows(index: int, low: int, high: int) -> int:
        crop = view_of(index, Bounds(low, high)).crop
        assert crop is not None
        return crop.rows

    alone = view_of(3, None).crop
    assert alone is not None
    middle, beside, end = rows(6, 3, 9), rows(5, 3, 9), rows(3, 3, 9)
    assert alone.rows == middle == beside < end
    assert rows(3, 3, 9) == rows(9, 3, 9)
    # A bound that is moved by a slice mostly leaves the crop, and so the encoded slices, as they are.
    assert rows(6, 2, 9) == rows(6, 3, 9)
    # One slice alone has no ends, and a tube is as wide at its ends.
    assert rows(6, 6, 6) == rows(1, 1, 60) == alone.rows


def test_the_prompted_slice_keeps_its_own_crop() -> None:
    wide, alone = view_of(3, Bounds(3, 9)), view_of(3, None)
    assert wide.first is not None
    assert wide.first_crop == alone.crop != wide.crop


class Moody(FakeBackend):
    """Predicts the given scores for points, one after the other."""

    def __init__(self, *expected_iou: float) -> None:
        super().__init__(SPEC)
        self.expected_iou = list(expected_iou)
        self.found: list[int] = []

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        decoded = super().decode(embedding, prompt)
        if prompt.mask is not None:
            return decoded
        self.found.append(int((decoded.logits[0] > 0).sum()))
        return Decoded(decoded.logits, np.full(4, self.expected_iou.pop(0), np.float32))


@pytest.mark.parametrize("sure", [0, 1])
def test_the_mask_of_a_point_is_the_one_with_the_highest_score(sure: int) -> None:
    expected = [0.5, 0.5]
    expected[sure] = 0.9
    backend = Moody(*expected)
    session = fake_session(SCENE.volume, backend)
    started = session.segment(Point(i=47, j=47, k=6), bounds=(6, 6))
    assert started.slices[6].score == pytest.approx(0.9)
    # The ball has more low-res pixels on a smaller crop.
    assert backend.found[1] > 4 * backend.found[0]
    close = fake_session(SCENE.volume, FakeBackend(SPEC)).segment(BOX, bounds=(6, 6)).slices[6].mask
    whole = fake_session(SCENE.volume, FakeBackend(SPEC)).segment(BOX, bounds=(6, 6), zoom=False).slices[6].mask
    assert started.slices[6].mask == (close if sure else whole)


class Spilling(FakeBackend):
    """Finds something else for a point on the whole slice, and is sure of it: a square of low-res pixels."""

    def __init__(self, first: int, last: int, score: float = 0.9) -> None:
        super().__init__(SPEC)
        self.square, self.score = np.s_[:, first:last, first:last], score

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        decoded = super().decode(embedding, prompt)
        # The ball has few low-res pixels on the whole slice.
        if prompt.mask is not None or (decoded.logits[0] > 0).sum() > 40:
            return Decoded(decoded.logits, np.full(4, 0.7, np.float32))
        logits = np.full_like(decoded.logits, -1)
        logits[self.square] = 1
        return Decoded(logits, np.full(4, self.score, np.float32))


@pytest.mark.parametrize(("last", "taken"), [(40, True), (31, False)])
def test_a_mask_without_its_point_is_not_taken(last: int, taken: bool) -> None:
    # The point lies in low-res pixel 31.
    started = fake_session(SCENE.volume, Spilling(24, last)).segment(Point(i=47, j=47, k=6), bounds=(1, 10))
    found = dice(started.slices[6].mask.decode(), SCENE.truth[6])
    assert (found < 0.3) if taken else (found > 0.95)


def test_a_point_has_a_crop_of_its_own() -> None:
    scene = ball(Geometry.from_parts((12, 96, 96), ORIGIN_LPS, (3.0, 3.0, 3.0), np.eye(3)), radius_mm=12.0)
    # The model finds the whole slice, so that no other crop comes from its mask.
    backend = Spilling(0, 64, score=0.6)
    started = fake_session(scene.volume, backend).segment(Point(i=47, j=47, k=6), bounds=(6, 6))
    assert len(backend.encoded) == 2
    assert dice(started.slices[6].mask.decode(), scene.truth[6]) > 0.95


def test_a_prompt_outside_of_the_crop_is_predicted_on_the_whole_slice() -> None:
    scene = tube(WIDE, radius_mm=4.0)
    backend = FakeBackend(SPEC)
    session = fake_session(scene.volume, backend)
    session.segment(BOX, bounds=(6, 6), policy="mask")
    seen = len(backend.encoded)
    # Far from the box: the click lies outside its crop.
    session.correct(Point(i=90, j=90, k=6, positive=False))
    assert len(backend.encoded) == seen + 1


def test_a_large_object_is_seen_on_whole_slices() -> None:
    session, _ = zoomed(prompt=Box(k=6, i0=10, j0=10, i1=80, j1=80))
    whole = fake_session(SCENE.volume, FakeBackend(SPEC))
    whole.segment(Box(k=6, i0=10, j0=10, i1=80, j1=80), bounds=BOUNDS, zoom=False)
    assert np.array_equal(session.mask("object"), whole.mask("object"))


@pytest.mark.parametrize("zoom", [True, False])
def test_a_session_file_remembers_it(zoom: bool, tmp_path: Path) -> None:
    session, _ = zoomed(zoom=zoom)
    session.save(tmp_path / "s.radsam")
    saved = read_session(tmp_path / "s.radsam")
    assert saved.history.done[0].zoom is zoom
    assert saved.history.done[0].bounds == Bounds(*BOUNDS)


class Leaky(FakeBackend):
    """Predicts everything that it sees as object."""

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        decoded = super().decode(embedding, prompt)
        return Decoded(np.full_like(decoded.logits, 9.0), decoded.scores)


@pytest.mark.parametrize("kind", [FakeBackend, Leaky])
def test_the_mask_of_the_prompted_slice_does_not_depend_on_the_bounds(kind: type[FakeBackend]) -> None:
    box = replace(BOX, k=3)
    masks = [
        fake_session(SCENE.volume, kind(SPEC)).segment(box, bounds=bounds).slices[3].mask for bounds in ((3, 3), (3, 9))
    ]
    assert masks[0] == masks[1]
