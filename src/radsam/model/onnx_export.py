"""From torch modules to two ONNX graphs, and from the graphs back to the weights.

A graph's initializers keep the names of the official checkpoints: a bundle stores every
weight once, inference engines run the graphs, and torch gets its weights back from them.
Stored in half precision, a weight is followed by a cast to float32, so that a graph is
half as large and still computes in the precision that the engine chooses. The weights
that torch gets back are then the rounded ones.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxtyping
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from radsam.errors import BackendError, BundleError, MissingExtraError
from radsam.model.fast_decoder import FastDecoder
from radsam.model.prompt_tokens import DISTANCE_VALUES, PROTOTYPES
from radsam.model.published_checkpoint import COUNTER
from radsam.model.sam import Sam
from radsam.model.sam_config import SamConfig

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

#: The first with LayerNormalization; every release of OpenVINO and ONNX Runtime in use reads it.
OPSET = 17

#: Smaller tensors (biases, norms, the prompt encoder's frequencies) stay float32: they
#: hardly count for the size, and rounded frequencies would move every prompt.
HALF_FROM_ELEMENTS = 4096

#: Names of the graphs' inputs and outputs.
ENCODER_INPUTS, ENCODER_OUTPUTS = ["image"], ["embedding"]
DECODER_INPUTS, DECODER_OUTPUTS = ["embedding", "points_xy", "point_labels", "mask", "has_mask"], ["logits", "scores"]

#: What the decoder takes besides in a model that reads where a mask comes from.
SOURCE_INPUTS = ["has_source", "pictures", "distance"]
#: And in one that compares a slice with the prompted one.
PROTOTYPE_INPUTS = ["prototypes"]

#: Prefix of the weights' names, in a state dict and in the graphs.
ENCODER_PREFIX = "image_encoder."
PREFIXES = (ENCODER_PREFIX, "prompt_encoder.", "mask_decoder.")


@dataclass(frozen=True)
class ExportedGraphs:
    """The two graphs of one model.

    Args:
        encoder: ``encoder.onnx``: image (b, 3, n, n) → embedding (b, c, g, g); b is free.
        decoder: ``decoder.onnx``: embedding (1, c, g, g), points_xy (1, p, 2), point_labels
            (1, p), mask (1, 1, m, m), has_mask (1,) → logits (1, 4, m, m), scores (1, 4);
            p is free and may be 0. Every tensor is float32. A model with `SamConfig.source_channels` takes
            has_source (1,), pictures (1, 2, m, m) and distance (1, 5), too, and one with
            `SamConfig.prototype_channels` prototypes (1, 2, c). With `SamConfig.presence`, scores are (1, 5): the last
            are the log-odds that the object is on the slice.
    """

    encoder: Path
    decoder: Path


def export_graphs(model: Sam, folder: Path, *, half: bool = True) -> ExportedGraphs:
    """Write a model as ``encoder.onnx`` and ``decoder.onnx``.

    Args:
        model: On the CPU, with float32 weights. It is exported as for inference.
        folder: Where the files go; it must exist.
        half: Store large weights as float16.

    Raises:
        MissingExtraError: The package `onnx` is not installed.
        BackendError: The installed torch does not export the weights under their names.
        BundleError: The graph would exceed the 2 GB of an ONNX file.
    """
    config, training = model.config, model.training
    n, g, m = config.input_size, config.embedding_grid, config.low_res_size
    model.eval()
    try:
        _export(
            _EncoderGraph(model),
            (torch.zeros(1, 3, n, n),),
            folder / "encoder.onnx",
            (ENCODER_INPUTS, ENCODER_OUTPUTS),
            {"image": {0: "batch"}, "embedding": {0: "batch"}},
            half=half,
        )
        example = [torch.zeros(1, config.embedding_channels, g, g), torch.zeros(1, 2, 2), torch.zeros(1, 2)]
        example += [torch.zeros(1, 1, m, m), torch.zeros(1)]
        if config.source_channels:
            example += [torch.zeros(1), torch.zeros(1, 2, m, m), torch.zeros(1, DISTANCE_VALUES)]
        if config.prototype_channels:
            example.append(torch.zeros(1, PROTOTYPES, config.embedding_channels))
        _export(
            FastDecoder(model),
            tuple(example),
            folder / "decoder.onnx",
            (decoder_input_names(config), DECODER_OUTPUTS),
            {"points_xy": {1: "points"}, "point_labels": {1: "points"}},
            half=half,
        )
    finally:
        model.train(training)
    return ExportedGraphs(folder / "encoder.onnx", folder / "decoder.onnx")


def decoder_input_names(config: SamConfig) -> list[str]:
    """Name the inputs of a model's decoder, in the order of `Sam.decode`."""
    source = SOURCE_INPUTS if config.source_channels else []
    return [*DECODER_INPUTS, *source, *(PROTOTYPE_INPUTS if config.prototype_channels else ())]


def state_dict_from_graphs(encoder_onnx: bytes, decoder_onnx: bytes) -> dict[str, Tensor]:
    """Read the weights back from two graphs, as float32.

    Returns:
        A whole state dict of the model that was exported. The counters of batch
        normalisation, which graphs don't hold, are zero.

    Raises:
        MissingExtraError: The package `onnx` is not installed.
        BundleError: The bytes are not ONNX graphs.
    """
    onnx = _onnx()
    state: dict[str, Tensor] = {}
    for name, content in (("encoder", encoder_onnx), ("decoder", decoder_onnx)):
        try:
            graph = onnx.load_model_from_string(content).graph
        except Exception as error:  # protobuf's own error has no stable home to import it from
            raise BundleError(f"The {name} graph is not an ONNX file, or it is not complete.") from error
        for initializer in graph.initializer:
            if initializer.name.startswith(PREFIXES):
                values = np.array(onnx.numpy_helper.to_array(initializer), dtype=np.float32)
                state[initializer.name] = torch.from_numpy(values)
    for key in [key for key in state if key.endswith(".running_mean")]:
        state[key.replace("running_mean", COUNTER)] = torch.zeros((), dtype=torch.int64)
    return state


class _EncoderGraph(nn.Module):
    """The costly half, under the names of a state dict."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.image_encoder = model.image_encoder

    def forward(self, image: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b c g g"]:
        embedding: Tensor = self.image_encoder(image)
        return embedding


def _export(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    target: Path,
    names: tuple[list[str], list[str]],
    dynamic_axes: dict[str, dict[int, str]],
    *,
    half: bool,
) -> None:
    onnx = _onnx()
    graph.eval()
    with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as scratch:
        raw = Path(scratch) / target.name
        with torch.no_grad(), exporting():
            torch.onnx.export(
                graph,
                example,
                str(raw),
                input_names=names[0],
                output_names=names[1],
                dynamic_axes=dynamic_axes,
                opset_version=OPSET,
                # The newer exporter fails on the encoder's windows.
                dynamo=False,
                # These three keep every weight as it is and under its name: no folding into
                # new constants, no convolution merged with its normalisation, no two equal
                # tensors made one.
                do_constant_folding=False,
                training=torch.onnx.TrainingMode.PRESERVE,
                keep_initializers_as_inputs=True,
            )
        exported = onnx.load(str(raw))
    _drop_weight_inputs(exported.graph)
    _require_all_weights(exported.graph, graph)
    if half:
        _store_half(exported.graph)
    _save(exported, target)


def _drop_weight_inputs(graph: GraphProto) -> None:
    """Keep only the inputs that a caller gives; engines treat the other weights as constant."""
    weights = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)


def _require_all_weights(graph: GraphProto, module: nn.Module) -> None:
    names = {initializer.name for initializer in graph.initializer}
    lost = sorted(key for key in module.state_dict() if key not in names and not key.endswith(COUNTER))
    if lost:
        raise BackendError(
            f"PyTorch {torch.__version__} exports a graph in which weights have lost their names "
            f"(first: {lost[0]}). Use a PyTorch release that this version of RadSAM supports."
        )


def _store_half(graph: GraphProto) -> None:
    """Store large weights as float16, each followed by a cast to float32."""
    onnx = _onnx()
    casts = []
    widened: dict[str, str] = {}
    for initializer in graph.initializer:
        if initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(initializer)
        # A weight beyond float16's range would turn into infinity.
        if values.size < HALF_FROM_ELEMENTS or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = initializer.name
        widened[name] = f"{name}.float32"
        initializer.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(onnx.helper.make_node("Cast", [name], [widened[name]], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = widened.get(name, name)
    # Copies first: clearing the field invalidates the nodes that it owns.
    rewired = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend([*casts, *rewired])


def _save(model: ModelProto, target: Path) -> None:
    """Write the file whole or not at all."""
    onnx = _onnx()
    partial = target.with_name(target.name + ".partial")
    try:
        onnx.save(model, str(partial))
        partial.replace(target)
    except ValueError as error:
        raise BundleError(
            f"{target.name} would exceed 2 GB, the limit of an ONNX file. Export it in half precision."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def exporting() -> Iterator[None]:
    """Pause shape checks and silence the exporter's known, harmless warnings, nothing else."""
    checks_off = jaxtyping.config.jaxtyping_disable
    with warnings.catch_warnings():
        # The older exporter announces its end; it is the one that works here (see `dynamo`).
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # Padding exports to a reversed list, which shape inference leaves to the engine.
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1 can be constant folded", UserWarning)
        # The exporter records what it sees; it would record the checks of a test run as well.
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            yield
        finally:
            jaxtyping.config.update("jaxtyping_disable", checks_off)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtraError("Exporting a model to ONNX", "torch") from error
    return onnx
