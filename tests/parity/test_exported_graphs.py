"""Do the exported graphs predict as torch does, and do they hold its weights by name?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from radsam.errors import BackendError, BundleError, MissingExtraError
from radsam.model import onnx_export
from radsam.model.onnx_export import ExportedGraphs, decoder_input_names, export_graphs, state_dict_from_graphs
from radsam.model.published_checkpoint import restore_sam
from radsam.model.sam import Sam, build_sam
from small_models import PROMPTS, SMALL_CONFIGS, SMALL_VIT, decoder_inputs, random_model

Run = Callable[[dict[str, Any]], list[Any]]


def onnxruntime_engine(path: Path) -> Run:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    session = onnxruntime.InferenceSession(path)
    return lambda inputs: list(session.run(None, inputs))


def openvino_engine(path: Path) -> Run:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    # Left to itself, it computes in bfloat16 where the processor can.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: [compiled(inputs)[index] for index in range(len(compiled.outputs))]


ENGINES = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}


@dataclass(frozen=True)
class Exported:
    model: Sam
    graphs: ExportedGraphs


@pytest.fixture(scope="module", params=SMALL_CONFIGS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model in half precision; the torch side has the same rounded weights."""
    config = SMALL_CONFIGS[request.param]
    graphs = export_graphs(random_model(config), tmp_path_factory.mktemp("graphs"))
    state = state_dict_from_graphs(graphs.encoder.read_bytes(), graphs.decoder.read_bytes())
    return Exported(restore_sam(config, state), graphs)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_encoder_graph_embeds_as_torch_does(exported: Exported, engine: str, batch: int) -> None:
    size = exported.model.config.input_size
    images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = exported.model.encode(images).numpy()
    (embedding,) = ENGINES[engine](exported.graphs.encoder)({"image": images.numpy()})
    np.testing.assert_allclose(embedding, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_decoder_graph_decodes_every_prompt_as_torch_does(exported: Exported, engine: str) -> None:
    config = exported.model.config
    run = ENGINES[engine](exported.graphs.decoder)
    shape = (1, config.embedding_channels, config.embedding_grid, config.embedding_grid)
    embedding = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    # One session for all: the number of points changes from call to call, down to none and up again.
    for prompt in [*PROMPTS, "points", "mask"]:
        inputs = {"embedding": embedding, **decoder_inputs(config, prompt)}
        with torch.no_grad():
            expected = exported.model.decode(**inputs)
        found = run({name: inputs[name].numpy() for name in decoder_input_names(config)})
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-3, atol=1e-4, err_msg=prompt)


@pytest.mark.parametrize("name", SMALL_CONFIGS)
@pytest.mark.parametrize("half", [True, False])
def test_initializers_are_the_state_dict_by_name(tmp_path: Path, name: str, half: bool) -> None:
    # Fresh weights, many of them equal: an exporter that merges equal tensors would lose names.
    model = build_sam(SMALL_CONFIGS[name])
    graphs = export_graphs(model, tmp_path, half=half)
    expected = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
    named = {part: {weight.name for weight in onnx.load(path).graph.initializer} for part, path in vars(graphs).items()}
    assert named["encoder"] == {key for key in expected if key.startswith("image_encoder.")}
    assert named["decoder"] == {key for key in expected if not key.startswith("image_encoder.")}
    assert model.training


def test_only_what_a_caller_gives_is_an_input(exported: Exported) -> None:
    for path, inputs, outputs in (
        (exported.graphs.encoder, onnx_export.ENCODER_INPUTS, onnx_export.ENCODER_OUTPUTS),
        (exported.graphs.decoder, decoder_input_names(exported.model.config), onnx_export.DECODER_OUTPUTS),
    ):
        graph = onnx.load(path)
        onnx.checker.check_model(graph, full_check=True)
        assert [value.name for value in graph.graph.input] == inputs
        assert [value.name for value in graph.graph.output] == outputs


@pytest.mark.parametrize("name", SMALL_CONFIGS)
def test_whole_weights_come_back_from_the_graphs_unchanged(tmp_path: Path, name: str) -> None:
    model = random_model(SMALL_CONFIGS[name])
    graphs = export_graphs(model, tmp_path, half=False)
    restored = build_sam(SMALL_CONFIGS[name])
    state = state_dict_from_graphs(graphs.encoder.read_bytes(), graphs.decoder.read_bytes())
    restored.load_state_dict(state, strict=True)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[key], value, rtol=0, atol=0)


def test_half_precision_rounds_large_weights_and_only_those(tmp_path: Path) -> None:
    model = random_model(SMALL_VIT)
    graphs = export_graphs(model, tmp_path)
    state = state_dict_from_graphs(graphs.encoder.read_bytes(), graphs.decoder.read_bytes())
    large = {key for key, value in model.state_dict().items() if value.numel() >= onnx_export.HALF_FROM_ELEMENTS}
    assert large
    for key, value in model.state_dict().items():
        torch.testing.assert_close(state[key], value.half().float() if key in large else value, rtol=0, atol=0)


def test_a_weight_beyond_half_precision_stays_whole(tmp_path: Path) -> None:
    model = random_model(SMALL_VIT)
    key = "image_encoder.neck.2.weight"
    with torch.no_grad():
        model.get_parameter(key)[0, 0, 0, 0] = 1e6
    graphs = export_graphs(model, tmp_path)
    state = state_dict_from_graphs(graphs.encoder.read_bytes(), graphs.decoder.read_bytes())
    torch.testing.assert_close(state[key], model.state_dict()[key], rtol=0, atol=0)


def test_half_precision_makes_smaller_files(tmp_path: Path) -> None:
    model = random_model(SMALL_CONFIGS["tiny_vit"])
    (tmp_path / "half").mkdir()
    (tmp_path / "whole").mkdir()
    half, whole = export_graphs(model, tmp_path / "half"), export_graphs(model, tmp_path / "whole", half=False)
    assert half.encoder.stat().st_size < 0.8 * whole.encoder.stat().st_size
    assert sorted(path.name for path in (tmp_path / "half").iterdir()) == ["decoder.onnx", "encoder.onnx"]


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(BundleError, match="encoder graph"):
        state_dict_from_graphs(b"not a graph", b"")


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"radsam\[torch\]"):
        export_graphs(random_model(SMALL_VIT), tmp_path)


def test_an_exporter_that_renames_weights_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = torch.onnx.export

    def folding(*args: Any, **settings: Any) -> None:
        whole(*args, **{**settings, "do_constant_folding": True, "training": torch.onnx.TrainingMode.EVAL})

    monkeypatch.setattr(torch.onnx, "export", folding)
    with pytest.raises(BackendError, match="lost their names"):
        export_graphs(random_model(SMALL_VIT), tmp_path)
    assert list(tmp_path.iterdir()) == []
