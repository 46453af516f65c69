"""The torch engine: GPUs, and the reference that the other engines agree with."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float16, Float32

from radsam.errors import BackendError
from radsam.model.onnx_export import state_dict_from_graphs
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_config import SamConfig
from radsam.runtime.backend import OTHER_PRECISIONS, Decoded, FramePrompt, Precision, decoder_inputs
from radsam.runtime.bundle import Bundle, BundleSpec


class ModelBackend:
    """Run a torch model where it is.

    Args:
        model: The model, ready for inference, with float32 weights.
        spec: Its spec.
        precision: What it computes in; in bf16 by `torch.autocast`.
    """

    def __init__(self, model: Sam, spec: BundleSpec, precision: Precision = "f32") -> None:
        self.precision = precision
        self._model, self._spec = model, spec
        self._device = model.prompt_encoder.no_mask_embed.weight.device

    @property
    def name(self) -> str:
        """The engine, its device and precision."""
        return f"torch {self._device.type} {self.precision}"

    @property
    def threads(self) -> int:
        """CPU threads of the process."""
        return torch.get_num_threads()

    @torch.inference_mode()
    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        with self._autocast():
            embedding = self._model.encode(torch.from_numpy(images).to(self._device))
        return np.asarray(embedding.float().cpu().numpy().astype(np.float16))

    @torch.inference_mode()
    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        inputs = {"embedding": embedding[None].astype(np.float32), **decoder_inputs(prompt, self._spec)}
        with self._autocast():
            logits, scores = self._model.decode(**{k: torch.from_numpy(v).to(self._device) for k, v in inputs.items()})
        return Decoded.of(logits[0].float().cpu().numpy(), scores[0].float().cpu().numpy())

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")


class TorchBackend(ModelBackend):
    """Run a bundle with our own torch modules.

    Args:
        bundle: The model; its weights come from the graphs.
        device: "cpu", "cuda" or "mps"; None takes a GPU where there is one.
        threads: CPU threads of the whole process; None for all.
        precision: "bf16", emulated on a processor without it; "f32" and "auto" compute in float32.

    Raises:
        BackendError: The device is not available, or does not compute in bf16.
    """

    def __init__(
        self, bundle: Bundle, device: str | None = None, threads: int | None = None, precision: str = "auto"
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = device or _available_devices()[-1]
        if chosen not in _available_devices():
            raise BackendError(f"torch has no device {device!r} here; available: {', '.join(_available_devices())}.")
        if precision == "bf16" and not _computes_bf16(chosen):
            raise BackendError(f"The device {chosen} does not compute in bf16. {OTHER_PRECISIONS}")
        model = build_sam(SamConfig.from_dict(bundle.spec.model))
        model.load_state_dict(state_dict_from_graphs(bundle.encoder, bundle.decoder))
        super().__init__(model.eval().to(chosen), bundle.spec, "bf16" if precision == "bf16" else "f32")


def _computes_bf16(device: str) -> bool:
    """Whether a device computes in bf16; the CPU of every machine does, where it must by emulation."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu"


def _available_devices() -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
