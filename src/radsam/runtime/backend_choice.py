"""Choosing the backend by name."""

from __future__ import annotations

from importlib.util import find_spec

from radsam.errors import BackendError, InputError, MissingExtraError
from radsam.runtime.backend import Backend
from radsam.runtime.bundle import Bundle

#: Names of `--backend`.
BACKENDS = ("openvino", "onnx", "torch", "torch:cpu", "torch:cuda", "torch:mps")


def open_backend(bundle: Bundle, name: str = "auto", *, threads: int | None = None) -> Backend:
    """Load a bundle on a backend.

    Args:
        bundle: The model.
        name: One of `BACKENDS`, or "auto": OpenVINO, or ONNX Runtime where OpenVINO has no wheel.
            "torch" takes a GPU where there is one.
        threads: CPU threads that it may use; None for all.

    Raises:
        InputError: The name is unknown.
        BackendError: The engine cannot run on this machine.
        MissingExtraError: The engine is not installed.
    """
    if name == "auto":
        name = "openvino" if find_spec("openvino") else "onnx"
    engine, _, device = name.partition(":")
    if name not in BACKENDS:
        raise InputError(f"{name!r} is not a backend; choose auto or one of {', '.join(BACKENDS)}.")
    if engine == "openvino":
        if find_spec("openvino") is None:
            raise BackendError(
                "OpenVINO is installed with RadSAM except on Intel Macs, and is missing here: choose onnx."
            )
        from radsam.runtime.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(bundle, threads)
    if engine == "onnx":
        _require("onnxruntime", "The ONNX Runtime backend", "onnx")
        from radsam.runtime.onnx_backend import OnnxBackend

        return OnnxBackend(bundle, threads)
    _require("torch", "The torch backend", "torch")
    from radsam.runtime.torch_backend import TorchBackend

    return TorchBackend(bundle, device or None, threads)


def _require(module: str, what: str, extra: str) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(what, extra)
