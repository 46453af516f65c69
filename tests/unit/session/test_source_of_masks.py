"""Does a model that takes the source of a mask get the right picture and the right way, through every edit?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fakes import BRIGHT, FakeBackend, fake_engine, fake_predictor, fake_session, fake_spec
from phantoms import ORIGIN_LPS, ball
from radsam.predictor.prototypes import pooled_prototypes
from radsam.preprocess import Window
from radsam.runtime import Decoded, FramePrompt
from radsam.session import CapabilityWarning, Session
from radsam.volume import Box, Geometry, Plane, Point, SliceGrid

SLICE_MM, SIDE_MM = 1.5, 96.0
SCENE = ball(Geometry.from_parts((24, 96, 96), ORIGIN_LPS, (1.0, 1.0, SLICE_MM), np.eye(3)), radius_mm=12.0)
START, LOW, HIGH = 12, 5, 19
BOX = Box(k=START, i0=35, j0=35, i1=60, j1=60)
WITH_PROTOTYPES = {"source_channels": 8, "prototype_channels": 4, "embedding_channels": 1}


@dataclass(eq=False)
class SourceBackend(FakeBackend):
    """Its masks depend on the source: they stay near what is bright on the mask's slice, and shrink on the way."""

    decoded: list[tuple[np.ndarray, FramePrompt]] = field(default_factory=list)

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        """Predict as the fake does, changed by the source."""
        self.decoded.append((embedding[0], prompt))
        found = super().decode(embedding, prompt)
        if prompt.source is None:
            return found
        near = ndimage.binary_dilation(prompt.source.pictures[0] > BRIGHT, iterations=2)
        near = ndimage.binary_erosion(near, iterations=1 + int(4 * prompt.source.distance[2]))
        return Decoded(np.where(near, found.logits, -8.0).astype(np.float32), found.scores)

    @property
    def sources(self) -> list[tuple[int, int, list[float]]]:
        """The mask's slice, the predicted slice and the way, of every prediction from a mask of another slice."""
        return [
            (slice_of(prompt.source.pictures[0]), slice_of(prompt.source.pictures[1]), prompt.source.distance.tolist())
            for _, prompt in self.decoded
            if prompt.source
        ]


def backend() -> SourceBackend:
    return SourceBackend(fake_spec(model={"source_channels": 8}))


def slice_of(picture: np.ndarray) -> int:
    """The slice that a picture of whole slices shows: the fake's embedding of a slice is its picture."""
    (found,) = (index for index, shown in PICTURES.items() if np.array_equal(shown, picture.astype(np.float16)))
    return found


def pictures() -> dict[int, np.ndarray]:
    predictor, grid = fake_predictor(), SliceGrid.of(SCENE.volume.geometry, Plane.AXIAL)
    view = predictor.view(grid, Window(-160.0, 240.0))
    return {index: predictor.encode(SCENE.volume, view, index).embedding[0] for index in range(grid.count)}


PICTURES = pictures()


def way(source: int, here: int, start: int, bound: int) -> list[float]:
    length = abs(bound - start) + 1
    left, gap = abs(bound - here) * SLICE_MM / SIDE_MM, abs(here - source) * SLICE_MM / SIDE_MM
    return [1, abs(source - start) / length, abs(here - start) / length, left, gap]


def test_every_step_gets_the_slice_of_its_mask_and_the_way_to_the_bound() -> None:
    model = backend()
    fake_session(SCENE.volume, model).segment(BOX, bounds=(LOW, HIGH), zoom=False)
    assert model.decoded[0][1].source is None, "the prompted slice has no mask from elsewhere"
    found = {here: (source, way_there) for source, here, way_there in model.sources}
    assert sorted(found) == [*range(LOW, START), *range(START + 1, HIGH + 1)]
    for here, (source, way_there) in found.items():
        side = 1 if here > START else -1
        assert source == here - side
        assert way_there == pytest.approx(way(source, here, START, HIGH if side > 0 else LOW))
    for embedding, prompt in model.decoded[1:]:
        assert prompt.source is not None
        np.testing.assert_array_equal(prompt.source.pictures[1].astype(np.float16), embedding)


def test_both_pictures_show_the_crop_that_the_model_sees() -> None:
    model = backend()
    fake_session(SCENE.volume, model).segment(BOX, bounds=(LOW, HIGH), zoom=True)
    seen = [model.decoded[0][0]]
    for embedding, prompt in model.decoded[1:]:
        assert prompt.source is not None
        before, here = (picture.astype(np.float16) for picture in prompt.source.pictures)
        assert any(np.array_equal(before, each) for each in seen)
        np.testing.assert_array_equal(here, embedding)
        assert prompt.source.distance[4] > SLICE_MM / SIDE_MM * 1.5, "distances are shares of the crop"
        seen.append(embedding)


@pytest.mark.parametrize("bounds", [None, (0, 23)])
def test_without_a_bound_only_the_gap_is_given(bounds: tuple[int, int] | None) -> None:
    model = backend()
    fake_session(SCENE.volume, model).segment(BOX, bounds=bounds, zoom=False)
    assert model.sources
    for source, here, way_there in model.sources:
        assert way_there == pytest.approx([0, 0, 0, 0, abs(here - source) * SLICE_MM / SIDE_MM])


def test_a_mask_that_comes_over_an_empty_slice_is_of_the_slice_before_it() -> None:
    class Gap(SourceBackend):
        def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
            found = super().decode(embedding, prompt)
            return found if slice_of(embedding[0]) != 14 else Decoded(np.full_like(found.logits, -8.0), found.scores)

    model = Gap(fake_spec(model={"source_channels": 8}))
    fake_session(SCENE.volume, model).segment(BOX, bounds=(LOW, HIGH), zoom=False)
    assert (13, 15, pytest.approx(way(13, 15, START, HIGH))) in model.sources


def test_a_correction_is_of_its_own_slice_and_a_new_start_of_the_way() -> None:
    model = backend()
    session = fake_session(SCENE.volume, model)
    session.segment(BOX, bounds=(LOW, HIGH), zoom=False)
    model.decoded.clear()
    with pytest.warns(CapabilityWarning, match="did not follow"):
        session.correct(Point(i=60, j=47, k=15))
    assert model.decoded[0][1].source is None
    assert len(model.decoded[0][1].point_labels)
    found = {here: (source, way_there) for source, here, way_there in model.sources}
    # Inwards it changes the slices that are nearer to it than to the prompt, but the object goes on to its bound.
    assert found[14] == (15, pytest.approx(way(15, 14, 15, LOW)))
    assert found[16] == (15, pytest.approx(way(15, 16, 15, HIGH)))


def test_other_models_get_no_source() -> None:
    model = FakeBackend()
    fake_session(SCENE.volume, model).segment(BOX, bounds=(LOW, HIGH))
    assert all(prompt.source is None for prompt in model.prompts)


@pytest.mark.parametrize("zoom", [True, False])
def test_replay_and_a_reopened_session_give_the_same_masks(tmp_path: Path, zoom: bool) -> None:
    def work(session: Session) -> None:
        session.correct(Point(i=52, j=47, k=15, positive=False))
        session.correct(Point(i=47, j=38, k=9, positive=True))

    session = fake_session(SCENE.volume, backend())
    session.segment(BOX, bounds=(LOW, HIGH), zoom=zoom)
    session.save(tmp_path / "first.radsam")
    work(session)
    expected = session.labels.ids
    assert expected.any()

    session.undo()
    session.undo()
    session.redo()
    session.redo()
    np.testing.assert_array_equal(session.labels.ids, expected)

    # Edits replayed by a model that has encoded and predicted nothing yet, after its masks were read from the file.
    reopened = fake_engine(backend()).reopen(tmp_path / "first.radsam", SCENE.volume)
    work(reopened)
    np.testing.assert_array_equal(reopened.labels.ids, expected)

    # And from the first edit on.
    again = fake_session(SCENE.volume, backend())
    again.segment(BOX, bounds=(LOW, HIGH), zoom=zoom)
    work(again)
    np.testing.assert_array_equal(again.labels.ids, expected)


def test_the_source_changes_the_answer_here() -> None:
    with_source, without = (fake_session(SCENE.volume, model) for model in (backend(), FakeBackend()))
    for session in (with_source, without):
        session.segment(BOX, bounds=(LOW, HIGH))
    assert 0 < np.count_nonzero(with_source.labels.ids) < np.count_nonzero(without.labels.ids)


def prototypes_at(index: int, mask: np.ndarray) -> np.ndarray:
    """The prototypes of a slice of the whole view: its frame shows the slice pixel by pixel, two to a frame's."""
    predictor, grid = fake_predictor(), SliceGrid.of(SCENE.volume.geometry, Plane.AXIAL)
    encoded = predictor.encode(SCENE.volume, predictor.view(grid, Window(-160.0, 240.0)), index)
    found = pooled_prototypes(encoded.embedding, encoded.frame.mask_to_frame(mask))
    assert found is not None
    return found


def test_every_step_is_compared_with_the_slice_that_it_started_from() -> None:
    model = SourceBackend(fake_spec(model=WITH_PROTOTYPES))
    session = fake_session(SCENE.volume, model)
    session.segment(BOX, bounds=(LOW, HIGH), zoom=False)
    expected = prototypes_at(START, session.labels.ids[START] > 0)
    assert expected[0, 0] > BRIGHT > expected[1, 0], "the object is bright, and its surroundings are not"
    steps = [prompt.source for _, prompt in model.decoded if prompt.source]
    assert len(steps) == HIGH - LOW
    for source in steps:
        np.testing.assert_array_equal(source.prototypes, expected)

    model.decoded.clear()
    encoded = len(model.encoded)
    with pytest.warns(CapabilityWarning, match="did not follow"):
        session.correct(Point(i=60, j=47, k=15))
    corrected = prototypes_at(15, session.labels.ids[15] > 0)
    steps = [prompt.source for _, prompt in model.decoded if prompt.source]
    assert steps
    for source in steps:
        np.testing.assert_array_equal(source.prototypes, corrected)
    assert len(model.encoded) == encoded, "an edit encodes nothing again"


@pytest.mark.parametrize("zoom", [True, False])
def test_prototypes_are_of_the_view_of_the_object(zoom: bool) -> None:
    model = SourceBackend(fake_spec(model=WITH_PROTOTYPES))
    session = fake_session(SCENE.volume, model)
    session.segment(BOX, bounds=(LOW, HIGH), zoom=zoom)
    for _, prompt in model.decoded:
        if prompt.source:
            assert prompt.source.prototypes is not None
            assert prompt.source.prototypes[0, 0] > BRIGHT > prompt.source.prototypes[1, 0]


def test_a_model_that_does_not_compare_gets_no_prototypes() -> None:
    model = backend()
    fake_session(SCENE.volume, model).segment(BOX, bounds=(LOW, HIGH))
    assert model.sources
    assert all(prompt.source.prototypes is None for _, prompt in model.decoded if prompt.source)
