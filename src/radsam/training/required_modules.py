"""The packages that training imports beyond the default installation; none of them is imported here."""

from __future__ import annotations

from importlib.util import find_spec

TRAINING_MODULES = ("torch", "onnx", "lightning_fabric")


def can_train() -> bool:
    """Whether the extra "train" is installed."""
    return all(find_spec(each) is not None for each in TRAINING_MODULES)
