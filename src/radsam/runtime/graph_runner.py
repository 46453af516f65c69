"""Any ONNX graph, run by OpenVINO, or by ONNX Runtime where OpenVINO has no wheel; in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float32

from radsam.errors import BackendError

Arrays = Mapping[str, Float32[np.ndarray, "..."]]
#: Inputs by name to outputs by name.
GraphRunner = Callable[[Arrays], dict[str, np.ndarray]]


def open_graph(graph: bytes, name: str, threads: int | None = None) -> GraphRunner:
    """Compile a graph.

    Args:
        graph: An ONNX graph whose inputs and outputs are float32.
        name: What it is, for messages.
        threads: CPU threads; None for all.

    Raises:
        BackendError: The engine cannot read it.
    """
    return _with_openvino(graph, name, threads) if find_spec("openvino") else _with_onnx(graph, name, threads)


def _with_openvino(graph: bytes, name: str, threads: int | None) -> GraphRunner:
    import openvino

    from radsam.runtime.openvino_compile import compile_graph

    settings: dict[str, object] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    try:
        compiled = compile_graph(openvino.Core(), graph, settings)
    except RuntimeError as error:
        raise BackendError(f"OpenVINO cannot load {name}: {_last_line(error)}") from error

    def run(inputs: Arrays) -> dict[str, np.ndarray]:
        try:
            outputs = compiled(dict(inputs))
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed to run {name}: {_last_line(error)}") from error
        return {each.get_any_name(): np.array(outputs[each]) for each in compiled.outputs}

    return run


def _with_onnx(graph: bytes, name: str, threads: int | None) -> GraphRunner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: all
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base class but Exception
        raise BackendError(f"ONNX Runtime cannot load {name}: {error}") from error
    outputs = [each.name for each in session.get_outputs()]

    def run(inputs: Arrays) -> dict[str, np.ndarray]:
        try:
            return dict(zip(outputs, session.run(outputs, dict(inputs)), strict=True))
        except Exception as error:  # its errors share no base class but Exception
            raise BackendError(f"ONNX Runtime failed to run {name}: {error}") from error

    return run


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
