"""Does the same bundle give the same masks on every engine, from every prompt?"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fakes import fake_spec
from phantoms import touching_balls
from radsam.metrics import dice
from radsam.model.onnx_export import export_graphs
from radsam.predictor import EmbeddingCache, SlicePredictor, SlicePrompt
from radsam.predictor.slice_predictor import frame_prompt
from radsam.preprocess import Normalisation, SliceFrame, Window
from radsam.runtime import Backend, Bundle, open_backend
from radsam.volume import RunMask, SliceGrid
from small_models import SMALL_CONFIGS, random_model

REFERENCE = "torch:cpu"
#: OpenVINO as users have it, which computes in bfloat16 where the processor can, and made to keep to float32;
#: and torch, which computes in bfloat16 on every processor.
ENGINES = ("onnx", "openvino f32", "openvino", "torch:cpu bf16")
SCENE = touching_balls("anisotropic")
GRID = SliceGrid.of(SCENE.volume.geometry, "axial")
INDEX, WINDOW = 3, Window(-160.0, 240.0)
BOX = (5, 8, 22, 27)
POINTS = ((13, 17, True), (27, 18, False), (9, 14, True))
MASK = RunMask.encode(GRID.take(SCENE.truths["right"], INDEX))

PROMPTS = {
    "box": SlicePrompt(box_uvuv=BOX),
    "point": SlicePrompt(points_uv=POINTS[:1]),
    "points": SlicePrompt(points_uv=POINTS),
    "box and points": SlicePrompt(box_uvuv=BOX, points_uv=POINTS),
    "mask": SlicePrompt(mask=MASK),
    "mask and points": SlicePrompt(mask=MASK, points_uv=POINTS),
    "mask and box": SlicePrompt(mask=MASK, box_uvuv=BOX),
    "everything": SlicePrompt(mask=MASK, box_uvuv=BOX, points_uv=POINTS),
}


class Engines:
    """One model on every engine, each opened when first used."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.frame = SliceFrame(GRID, bundle.spec.input_size, bundle.spec.low_res_size)
        self.open = cache(self._open)

    def _open(self, name: str) -> Backend:
        engine, _, precision = name.partition(" ")
        return open_backend(self.bundle, engine, precision=precision or "auto")

    def predictor(self, name: str) -> SlicePredictor:
        return SlicePredictor(self.bundle.spec, self.bundle.sha256, self.open(name), EmbeddingCache())

    def embedding(self, name: str) -> np.ndarray:
        return self.open(name).encode(
            self.frame.image(GRID.take(SCENE.volume.values, INDEX), Normalisation(WINDOW))[None]
        )[0]

    def precise(self, name: str) -> bool:
        return self.open(name).precision == "f32"


@pytest.fixture(scope="module", params=SMALL_CONFIGS)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    config = SMALL_CONFIGS[request.param]
    graphs = export_graphs(random_model(config, seed=5), tmp_path_factory.mktemp("graphs"))
    spec = fake_spec(model=config.to_dict(), input_size=config.input_size, low_res_size=config.low_res_size)
    return Engines(
        Bundle(spec, graphs.encoder.read_bytes(), graphs.decoder.read_bytes(), "", request.param, Path("small"))
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_embeddings_agree(engines: Engines, engine: str) -> None:
    reference, other = (engines.embedding(name).astype(np.float32) for name in (REFERENCE, engine))
    # Embeddings are rounded to float16, of three digits; bfloat16 has two.
    tolerance = 2e-3 if engines.precise(engine) else 5e-2
    assert np.abs(other - reference).max() <= tolerance * np.abs(reference).max()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_logits_and_scores_agree_on_the_same_embedding(engines: Engines, engine: str, prompt: str) -> None:
    embedding = engines.embedding(REFERENCE)
    mapped = frame_prompt(engines.frame, PROMPTS[prompt])
    reference, other = (engines.open(name).decode(embedding, mapped) for name in (REFERENCE, engine))
    tolerance = 1e-4 if engines.precise(engine) else 5e-2
    np.testing.assert_allclose(other.logits, reference.logits, rtol=0, atol=tolerance * np.abs(reference.logits).max())
    np.testing.assert_allclose(other.scores, reference.scores, rtol=0, atol=tolerance * np.abs(reference.scores).max())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_masks_on_the_slice_differ_only_where_the_reference_is_undecided(
    engines: Engines, engine: str, prompt: str
) -> None:
    masks = []
    for name in (REFERENCE, engine):
        predictor = engines.predictor(name)
        encoded = predictor.encode(SCENE.volume, predictor.view(GRID, WINDOW), INDEX)
        masks.append(predictor.alternatives(encoded, PROMPTS[prompt]))
    mapped = frame_prompt(engines.frame, PROMPTS[prompt])
    low_res = engines.open(REFERENCE).decode(engines.embedding(REFERENCE), mapped).logits
    # Random weights leave many pixels near zero: there the last digit decides.
    undecided = (5e-3 if engines.precise(engine) else 0.15) * np.abs(low_res).max()
    for reference, other, logits in zip(*masks, low_res, strict=True):
        expected, got = reference.mask.decode(), other.mask.decode()
        assert np.abs(engines.frame.logits_to_slice(logits)[expected != got]).max(initial=0.0) <= undecided
        if engines.precise(engine):
            assert dice(got, expected) > 0.99
    assert any(0 < each.mask.area < each.mask.decode().size for each in masks[0])


def test_different_prompts_have_different_answers(engines: Engines) -> None:
    predictor = engines.predictor("onnx")
    encoded = predictor.encode(SCENE.volume, predictor.view(GRID, WINDOW), INDEX)
    masks = {prompt: predictor.decode(encoded, given) for prompt, given in PROMPTS.items()}
    assert len({each.score for each in masks.values()}) == len(PROMPTS)
