"""Which precision an engine computes in, and that nothing computed in one is read in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bf16_machine import has_bf16
from phantoms import touching_balls
from radsam.errors import BackendError, InputError
from radsam.predictor import EmbeddingCache, EmbeddingStore, SlicePredictor
from radsam.preprocess import Window
from radsam.runtime import Backend, Bundle, open_backend, openvino_compile, read_bundle
from radsam.volume import SliceGrid

SCENE = touching_balls("anisotropic")
GRID = SliceGrid.of(SCENE.volume.geometry, "axial")


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.mark.parametrize("engine", ["openvino", "onnx", "torch:cpu"])
def test_f32_is_computed_where_it_is_asked_for(bundle: Bundle, engine: str, bf16_machine: None) -> None:
    opened = open_backend(bundle, engine, precision="f32")
    assert opened.precision == "f32"
    assert opened.name.endswith(" cpu f32")


@pytest.mark.parametrize(("engine", "chosen"), [("openvino", "bf16"), ("onnx", "f32"), ("torch:cpu", "f32")])
def test_left_to_itself_only_openvino_takes_bf16(bundle: Bundle, engine: str, chosen: str, bf16_machine: None) -> None:
    assert open_backend(bundle, engine).precision == chosen


@pytest.mark.skipif(has_bf16(), reason="this processor computes in bf16")
def test_a_processor_without_bf16_refuses_it(bundle: Bundle, request: pytest.FixtureRequest) -> None:
    if "everything_in_bf16" in request.fixturenames:
        pytest.skip("the tests run as on a processor with bf16")
    assert open_backend(bundle, "openvino").precision == "f32"
    with pytest.raises(BackendError, match=r"does not compute in bf16\. Take --precision f32 or auto"):
        open_backend(bundle, "openvino", precision="bf16")


def test_onnx_runtime_refuses_bf16_and_nobody_knows_another_precision(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="ONNX Runtime computes in f32 only"):
        open_backend(bundle, "onnx", precision="bf16")
    with pytest.raises(InputError, match="'fp16' is not a precision; choose one of auto, f32, bf16"):
        open_backend(bundle, precision="fp16")


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_an_engine_tells_its_threads(bundle: Bundle, engine: str) -> None:
    assert open_backend(bundle, engine, threads=1).threads == 1
    assert open_backend(bundle, engine).threads >= 1


@pytest.mark.parametrize("engine", ["torch:cpu", "openvino"])
def test_bf16_answers_a_little_differently(bundle: Bundle, engine: str, bf16_machine: None) -> None:
    image = np.random.default_rng(0).random((1, 3, bundle.spec.input_size, bundle.spec.input_size), np.float32)
    exact, other = (
        open_backend(bundle, engine, precision=each).encode(image).astype(np.float32) for each in ("f32", "bf16")
    )
    size = np.sqrt(np.square(exact).mean())
    assert 0 < np.sqrt(np.square(other - exact).mean()) < 0.05 * size


def test_an_embedding_is_read_only_in_the_precision_and_with_the_threads_that_made_it(
    bundle: Bundle, tmp_path: Path, bf16_machine: None
) -> None:
    store = EmbeddingStore(tmp_path)

    def embedding(backend: Backend) -> np.ndarray:
        predictor = SlicePredictor(bundle.spec, bundle.sha256, backend, EmbeddingCache(store=store))
        return predictor.encode(SCENE.volume, predictor.view(GRID, Window(-160.0, 240.0)), 3).embedding

    in_bf16, in_f32 = (open_backend(bundle, "openvino", precision=each, threads=1) for each in ("bf16", "f32"))
    embedding(in_bf16)
    view = SliceGrid.take(GRID, SCENE.volume.values, 3)
    assert view.size
    first = embedding(in_f32)
    assert len([*tmp_path.iterdir()]) == 2
    assert not np.array_equal(first, embedding(in_bf16))
    np.testing.assert_array_equal(first, embedding(in_f32))
    assert len([*tmp_path.iterdir()]) == 2
    in_f32_wide = open_backend(bundle, "openvino", precision="f32")
    if in_f32_wide.threads > 1:
        embedding(in_f32_wide)
        assert len([*tmp_path.iterdir()]) == 3


def test_a_compiled_graph_is_read_only_in_its_own_precision(bundle: Bundle) -> None:
    import openvino

    core = openvino.Core()
    names = {
        openvino_compile._key(core, bundle.encoder, {"INFERENCE_PRECISION_HINT": each}, ()) for each in ("f32", "bf16")
    }
    assert len(names) == 2
