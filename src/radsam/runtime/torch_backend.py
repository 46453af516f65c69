"""The torch engine: GPUs, and the reference that the other engines agree with."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float16, Float32

from radsam.errors import BackendError
from radsam.model.onnx_export import state_dict_from_graphs
from radsam.model.sam import build_sam
from radsam.model.sam_config import SamConfig
from radsam.runtime.backend import Decoded, FramePrompt, decoder_inputs
from radsam.runtime.bundle import Bundle


class TorchBackend:
    """Run a bundle with our own torch modules, in float32.

    Args:
        bundle: The model; its weights come from the graphs.
        device: "cpu", "cuda" or "mps"; None takes a GPU where there is one.
        threads: CPU threads of the whole process; None for all.

    Raises:
        BackendError: The device is not available.
    """

    def __init__(self, bundle: Bundle, device: str | None = None, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device or _available_devices()[-1])
        if str(self._device) not in _available_devices():
            raise BackendError(f"torch has no device {device!r} here; available: {', '.join(_available_devices())}.")
        model = build_sam(SamConfig.from_dict(bundle.spec.model))
        model.load_state_dict(state_dict_from_graphs(bundle.encoder, bundle.decoder))
        self._model = model.eval().to(self._device)
        self._spec = bundle.spec

    @property
    def name(self) -> str:
        """The engine, its device and precision."""
        return f"torch {self._device} f32"

    @torch.inference_mode()
    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        embedding = self._model.encode(torch.from_numpy(images).to(self._device))
        return np.asarray(embedding.cpu().numpy().astype(np.float16))

    @torch.inference_mode()
    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        inputs = {"embedding": embedding[None].astype(np.float32), **decoder_inputs(prompt, self._spec)}
        logits, scores = self._model.decode(**{k: torch.from_numpy(v).to(self._device) for k, v in inputs.items()})
        return Decoded(logits[0].cpu().numpy(), scores[0].cpu().numpy())


def _available_devices() -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
