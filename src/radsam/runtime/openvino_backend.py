"""The OpenVINO engine: the default on CPUs, without torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import openvino
from jaxtyping import Float16, Float32

from radsam.errors import BackendError
from radsam.runtime.backend import OTHER_PRECISIONS, Decoded, FramePrompt, Precision, decoder_inputs
from radsam.runtime.bundle import Bundle
from radsam.runtime.openvino_compile import compile_graph


class OpenVinoBackend:
    """Run a bundle's graphs with OpenVINO on the CPU.

    Args:
        bundle: The model.
        threads: CPU threads; None for all.
        precision: "f32", "bf16", or "auto": bf16 where the processor computes in it.
        lazy: Whether to compile the graphs when they are first used, instead of now.

    Raises:
        BackendError: OpenVINO cannot read or compile the graphs, or the processor does not compute in bf16.
    """

    def __init__(
        self, bundle: Bundle, threads: int | None = None, precision: str = "auto", *, lazy: bool = False
    ) -> None:
        self._core = openvino.Core()
        self.precision = _precision_here(self._core, precision)
        self._bundle, self._threads = bundle, threads
        if not lazy:
            # Both at once: OpenVINO reads and compiles without the interpreter's lock.
            with ThreadPoolExecutor(2) as both:
                tuple(both.map(lambda load: load(), (lambda: self._encoder, lambda: self._decoder)))

    @property
    def name(self) -> str:
        """The engine, its device and its precision."""
        return f"openvino cpu {self.precision}"

    @property
    def threads(self) -> int:
        """Number of its threads; OpenVINO takes fewer than it was given where the process has fewer cores."""
        return int(self._decoder.get_property("INFERENCE_NUM_THREADS"))

    @cached_property
    def _encoder(self) -> openvino.CompiledModel:
        return self._compiled(self._bundle.encoder)

    @cached_property
    def _decoder(self) -> openvino.CompiledModel:
        return self._compiled(self._bundle.decoder)

    def _compiled(self, graph: bytes) -> openvino.CompiledModel:
        try:
            return _compile(self._core, graph, self.precision, self._threads)
        except RuntimeError as error:
            name = self._bundle.spec.name
            raise BackendError(f"OpenVINO cannot load bundle {name!r}: {_short(error)}") from error

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        return np.array(_run(self._encoder, {"image": images})["embedding"])

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        inputs = {"embedding": embedding[None], **decoder_inputs(prompt, self._bundle.spec)}
        outputs = _run(self._decoder, inputs)
        return Decoded.of(np.array(outputs["logits"][0]), np.array(outputs["scores"][0]))


def _precision_here(core: openvino.Core, wanted: str) -> Precision:
    if wanted == "bf16" and not _has_bf16(core):
        # OpenVINO itself would compute in f32, and not say so.
        raise BackendError(f"This processor does not compute in bf16. {OTHER_PRECISIONS}")
    return "bf16" if wanted != "f32" and _has_bf16(core) else "f32"


def _has_bf16(core: openvino.Core) -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _compile(core: openvino.Core, graph: bytes, precision: Precision, threads: int | None) -> openvino.CompiledModel:
    settings: dict[str, object] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        # Unpinned: of two processes with a thread each, both would be pinned to the first core.
        settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    # The engine converts embeddings ten times as fast as numpy does.
    return compile_graph(core, graph, settings, half=["embedding"])


def _run(model: openvino.CompiledModel, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    try:
        outputs = model(inputs)
    except RuntimeError as error:
        raise BackendError(f"OpenVINO failed: {_short(error)}") from error
    return {each.get_any_name(): outputs[each] for each in model.outputs}


def _short(error: Exception) -> str:
    """Keep the last line: the earlier ones are OpenVINO's own source locations."""
    return str(error).strip().splitlines()[-1]
