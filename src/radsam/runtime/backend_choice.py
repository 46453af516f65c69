"""Choosing the backend by name."""

from __future__ import annotations

from importlib.util import find_spec

from radsam.errors import BackendError, InputError, MissingExtraError
from radsam.runtime.backend import OTHER_PRECISIONS, Backend
from radsam.runtime.bundle import Bundle

#: Names of `--backend`.
BACKENDS = ("openvino", "onnx", "torch", "torch:cpu", "torch:cuda", "torch:mps")
#: Values of `--precision`.
PRECISIONS = ("auto", "f32", "bf16")


def open_backend(
    bundle: Bundle,
    name: str = "auto",
    *,
    precision: str = "auto",
    threads: int | None = None,
    lazy: bool = False,
) -> Backend:
    """Load a bundle on a backend.

    Args:
        bundle: The model.
        name: One of `BACKENDS`, or "auto": OpenVINO, or ONNX Runtime where OpenVINO has no wheel.
            "torch" takes a GPU where there is one.
        precision: "f32"; "bf16"; or "auto": bf16 with OpenVINO on a processor that computes in it, else f32.
        threads: CPU threads that it may use; None for all.
        lazy: Whether OpenVINO may compile the model, which takes seconds, when it is first used.

    Raises:
        InputError: The name or the precision is unknown.
        BackendError: The engine cannot run on this machine, or not in this precision.
        MissingExtraError: The engine is not installed.
    """
    if name == "auto":
        name = "openvino" if find_spec("openvino") else "onnx"
    engine, _, device = name.partition(":")
    if name not in BACKENDS:
        raise InputError(f"{name!r} is not a backend; choose auto or one of {', '.join(BACKENDS)}.")
    check_precision(precision)
    if engine == "openvino":
        if find_spec("openvino") is None:
            raise BackendError(
                "OpenVINO is installed with RadSAM except on Intel Macs, and is missing here: choose onnx."
            )
        from radsam.runtime.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(bundle, threads, precision, lazy=lazy)
    if engine == "onnx":
        _require("onnxruntime", "The ONNX Runtime backend", "onnx")
        if precision == "bf16":
            raise BackendError(f"ONNX Runtime computes in f32 only. {OTHER_PRECISIONS}")
        from radsam.runtime.onnx_backend import OnnxBackend

        return OnnxBackend(bundle, threads)
    _require("torch", "The torch backend", "torch")
    from radsam.runtime.torch_backend import TorchBackend

    return TorchBackend(bundle, device or None, threads, precision)


def check_precision(precision: str) -> None:
    """Refuse an unknown precision.

    Raises:
        InputError: It is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"{precision!r} is not a precision; choose one of {', '.join(PRECISIONS)}.")


def can_use_gpu(name: str) -> bool:
    """Whether `open_backend` runs a bundle on a GPU of CUDA where there is one."""
    engine, _, device = name.partition(":")
    return engine == "torch" and device in ("", "cuda")


def _require(module: str, what: str, extra: str) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(what, extra)
