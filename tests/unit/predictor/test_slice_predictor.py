from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes import ALL_PROMPTS, SCORES, FakeBackend, fake_predictor, fake_spec
from phantoms import ball
from radsam.errors import BackendError, PromptError
from radsam.metrics import dice
from radsam.model.prompt_tokens import BOX_END, BOX_START, NEGATIVE, PAD, POSITIVE
from radsam.predictor import EmbeddingCache, EmbeddingStore, EncodedSlice, SlicePredictor, SlicePrompt
from radsam.predictor.slice_predictor import frame_prompt
from radsam.preprocess import Window
from radsam.volume import Plane, RunMask, SliceGrid

SCENE = ball("anisotropic")
GRID = SliceGrid.of(SCENE.volume.geometry, "axial")
MIDDLE, WINDOW = 4, Window(-160.0, 240.0)
TRUTH = GRID.take(SCENE.truth, MIDDLE)
BOX = SlicePrompt(box_uvuv=(5, 5, 34, 30))


def encode(predictor: SlicePredictor, index: int = MIDDLE, window: Window = WINDOW) -> EncodedSlice:
    return predictor.encode(SCENE.volume, predictor.view(GRID, window), index)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def predictor(backend: FakeBackend) -> SlicePredictor:
    return fake_predictor(backend)


@pytest.mark.parametrize(
    "prompt",
    [BOX, SlicePrompt(points_uv=((20, 18, True),)), SlicePrompt(mask=RunMask.encode(TRUTH))],
    ids=["box", "point", "mask"],
)
@pytest.mark.parametrize("plane", list(Plane))
def test_the_answer_lies_where_the_object_is(predictor: SlicePredictor, prompt: SlicePrompt, plane: Plane) -> None:
    grid = SliceGrid.of(SCENE.volume.geometry, plane)
    index = grid.count // 2
    truth = grid.take(SCENE.truth, index)
    v, u = np.nonzero(truth)
    if prompt.box_uvuv:
        prompt = SlicePrompt(box_uvuv=(int(u.min()), int(v.min()), int(u.max()), int(v.max())))
    elif prompt.mask:
        prompt = SlicePrompt(mask=RunMask.encode(truth))
    else:
        prompt = SlicePrompt(points_uv=((int(u[len(u) // 2]), int(v[len(v) // 2]), True),))
    found = predictor.decode(predictor.encode(SCENE.volume, predictor.view(grid, WINDOW), index), prompt)
    assert found.index == index
    assert dice(found.mask.decode(), truth) > 0.97


def test_a_slice_is_encoded_once(predictor: SlicePredictor, backend: FakeBackend) -> None:
    for _ in range(3):
        predictor.decode(encode(predictor), BOX)
    assert len(backend.encoded) == 1
    encode(predictor, MIDDLE + 1)
    encode(predictor, window=Window(-160.0, 1300.0))
    encode(predictor, window=Window(-500.0, 240.0))
    assert len(backend.encoded) == 4


def test_cached_equals_uncached(tmp_path: Path) -> None:
    masks = []
    for folder in ("a", "b", "b"):  # the third time from the disk
        predictor = fake_predictor(cache=EmbeddingCache(store=EmbeddingStore(tmp_path / folder)))
        for _ in range(2):  # the second time from memory
            masks.append(predictor.alternatives(encode(predictor), BOX))
    assert all(each == masks[0] for each in masks)
    assert predictor.backend.encoded == []  # type: ignore[attr-defined]


def test_an_equal_question_is_answered_from_memory(predictor: SlicePredictor, backend: FakeBackend) -> None:
    first = predictor.decode(encode(predictor), SlicePrompt(points_uv=((20, 18, True),), mask=RunMask.encode(TRUTH)))
    again = predictor.decode(
        encode(predictor), SlicePrompt(points_uv=((20, 18, True),), mask=RunMask.encode(TRUTH.copy()))
    )
    assert again is first
    assert len(backend.prompts) == 1


def test_another_prompt_or_another_slice_is_predicted(predictor: SlicePredictor, backend: FakeBackend) -> None:
    predictor.decode(encode(predictor), SlicePrompt(points_uv=((20, 18, True),)))
    predictor.decode(encode(predictor), SlicePrompt(points_uv=((20, 18, False),)))
    predictor.decode(encode(predictor, MIDDLE + 1), SlicePrompt(points_uv=((20, 18, True),)))
    predictor.decode(encode(predictor, window=Window(-500.0, 1300.0)), SlicePrompt(points_uv=((20, 18, True),)))
    assert len(backend.prompts) == 4


def test_an_empty_prompt_is_refused(predictor: SlicePredictor, backend: FakeBackend) -> None:
    assert not SlicePrompt()
    for predict in (predictor.decode, predictor.alternatives):
        with pytest.raises(PromptError, match="give a box, a point or a mask"):
            predict(encode(predictor), SlicePrompt())
    assert backend.prompts == []


def test_the_primary_answer_is_the_first_of_four(predictor: SlicePredictor) -> None:
    four = predictor.alternatives(encode(predictor), BOX)
    assert [each.score for each in four] == pytest.approx(SCORES.tolist())
    assert four[0] == predictor.decode(encode(predictor), BOX)
    assert four[1].mask.area < four[0].mask.area < four[2].mask.area
    assert four[3].mask.area == 0


def test_an_error_of_the_engine_is_not_remembered(predictor: SlicePredictor, backend: FakeBackend) -> None:
    backend.failing = True
    with pytest.raises(BackendError):
        predictor.decode(encode(predictor), BOX)
    backend.failing = False
    assert predictor.decode(encode(predictor), BOX).mask.area


@pytest.mark.parametrize("index", [-1, 8])
def test_a_slice_that_is_not_there_is_refused(predictor: SlicePredictor, index: int) -> None:
    with pytest.raises(PromptError, match="numbered 0 to 7"):
        encode(predictor, index)


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        (SlicePrompt(points_uv=((1, 2, True), (3, 4, False))), [POSITIVE, NEGATIVE, PAD]),
        (BOX, [BOX_START, BOX_END]),
        (
            SlicePrompt(box_uvuv=(5, 5, 34, 30), points_uv=((1, 2, False), (3, 4, True))),
            [NEGATIVE, POSITIVE, BOX_START, BOX_END],
        ),
        (SlicePrompt(mask=RunMask.encode(TRUTH)), []),
        (SlicePrompt(mask=RunMask.encode(TRUTH), points_uv=((1, 2, True),)), [POSITIVE, PAD]),
    ],
)
def test_prompts_come_in_the_order_that_sam_was_trained_with(
    predictor: SlicePredictor, prompt: SlicePrompt, labels: list[int]
) -> None:
    frame = encode(predictor).frame
    mapped = frame_prompt(frame, prompt)
    assert mapped.point_labels.tolist() == labels
    uv = [(u, v) for u, v, _ in prompt.points_uv]
    np.testing.assert_allclose(mapped.points_xy[: len(uv)], frame.points_to_frame(np.array(uv, float).reshape(-1, 2)))
    if prompt.box_uvuv:
        np.testing.assert_allclose(mapped.points_xy[-2:], frame.box_to_frame(prompt.box_uvuv))
    assert (mapped.mask is not None) == (prompt.mask is not None)


def test_normalisation_is_the_models_own() -> None:
    spec = fake_spec(pixel_mean=(0.5, 0.0, 0.0), pixel_std=(0.25, 1.0, 1.0), capabilities=ALL_PROMPTS)
    plain, normalised = fake_predictor(), fake_predictor(FakeBackend(spec))
    rows, cols = (n // 2 for n in encode(plain).frame.content_shape)
    np.testing.assert_allclose(
        encode(normalised).embedding[0, :rows, :cols],
        (encode(plain).embedding[0, :rows, :cols] - 0.5) / 0.25,
        atol=5e-3,
    )
