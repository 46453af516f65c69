"""A processor that computes in bf16, on one that does not: OpenVINO's bf16 is computed by torch, which emulates it.

``RADSAM_TEST_BF16=1 python -m pytest …`` runs every test that opens an engine in pytest's own process as on such a
machine. On a processor with bf16 nothing is replaced.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest

from radsam.runtime import Bundle, Decoded, FramePrompt, openvino_backend
from radsam.runtime.openvino_backend import OpenVinoBackend
from radsam.runtime.torch_backend import TorchBackend


def has_bf16() -> bool:
    """Whether this processor computes in bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def make_bf16_machine(patch: pytest.MonkeyPatch) -> None:
    """Let OpenVINO compute in bf16 in this process."""
    if has_bf16():
        return
    begin, encode, decode = OpenVinoBackend.__init__, OpenVinoBackend.encode, OpenVinoBackend.decode

    def begin_and_emulate(
        self: Any, bundle: Bundle, threads: int | None = None, precision: str = "auto", **more: Any
    ) -> None:
        begin(self, bundle, threads, precision, **more)
        self.emulated = TorchBackend(bundle, "cpu", threads, "bf16") if self.precision == "bf16" else None

    def encode_emulated(self: Any, images: np.ndarray) -> np.ndarray:
        return encode(self, images) if self.emulated is None else self.emulated.encode(images)

    def decode_emulated(self: Any, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        return decode(self, embedding, prompt) if self.emulated is None else self.emulated.decode(embedding, prompt)

    patch.setattr(openvino_backend, "_has_bf16", lambda core: True)
    patch.setattr(OpenVinoBackend, "__init__", begin_and_emulate)
    patch.setattr(OpenVinoBackend, "encode", encode_emulated)
    patch.setattr(OpenVinoBackend, "decode", decode_emulated)
