"""The ONNX Runtime engine, for machines that OpenVINO has no wheel for."""

from __future__ import annotations

import numpy as np
import onnxruntime
from jaxtyping import Float16, Float32

from radsam.errors import BackendError
from radsam.runtime.backend import Decoded, FramePrompt, Precision, decoder_inputs, usable_cores
from radsam.runtime.bundle import Bundle


class OnnxBackend:
    """Run a bundle's graphs with ONNX Runtime on the CPU, in float32.

    Args:
        bundle: The model.
        threads: CPU threads; None for all.

    Raises:
        BackendError: ONNX Runtime cannot read the graphs.
    """

    name = "onnx cpu f32"
    precision: Precision = "f32"

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all
        try:
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
                for graph in (bundle.encoder, bundle.decoder)
            )
        except Exception as error:  # its errors share no base class but Exception
            raise BackendError(f"ONNX Runtime cannot load bundle {bundle.spec.name!r}: {error}") from error
        self._spec = bundle.spec
        self.threads = threads or usable_cores()

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        (embedding,) = self._run(self._encoder, ["embedding"], {"image": images})
        return embedding.astype(np.float16)

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        inputs = {"embedding": embedding[None].astype(np.float32), **decoder_inputs(prompt, self._spec)}
        logits, scores = self._run(self._decoder, ["logits", "scores"], inputs)
        return Decoded.of(logits[0], scores[0])

    @staticmethod
    def _run(
        session: onnxruntime.InferenceSession, outputs: list[str], inputs: dict[str, np.ndarray]
    ) -> list[np.ndarray]:
        try:
            return list(session.run(outputs, inputs))
        except Exception as error:  # its errors share no base class but Exception
            raise BackendError(f"ONNX Runtime failed: {error}") from error
