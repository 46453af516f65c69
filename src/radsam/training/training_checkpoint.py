"""Checkpoints: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.settings import settings_from_dict
from radsam.training.training_config import TrainConfig, renamed_values

FORMAT_VERSION = 1

#: Values that may change between stopping and resuming; see `TrainConfig.identity`.
_INDIFFERENT = (
    "notes",
    "data.store",
    "embeddings.folder",
    "optim.batch",
    "optim.accumulate",
    "encoder.checkpoint_activations",
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a run needs to continue, or to be exported.

    Args:
        config: The run's configuration.
        start_sha256: Identity of the bundle it started from, which holds the frozen encoder.
        data_identity: Identity of the encoded scenes.
        train_cases: Names of the cases that were trained on.
        step: Optimizer steps done.
        seconds: Time spent training.
        best_score: Best validation score so far; -1 before the first.
        weights: The trained parameters.
        average: Their running average.
        optimizer: The optimizer's state.
        precision: State of the precision: the scale of the loss in 16-mixed, else nothing.
        train_modalities: Number of those cases by modality; empty in checkpoints of earlier versions.
    """

    config: TrainConfig
    start_sha256: str
    data_identity: str
    train_cases: tuple[str, ...]
    step: int
    seconds: float
    best_score: float
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    precision: dict[str, Any] = field(default_factory=dict)
    train_modalities: dict[str, int] = field(default_factory=dict)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in one step.

    Raises:
        OutputError: It cannot be written; the previous one stays.
    """
    content = {**vars(checkpoint), "config": checkpoint.config.to_dict(), "train_cases": list(checkpoint.train_cases)}
    with replacing(path) as scratch:
        torch.save({"format": "radsam-training", "version": FORMAT_VERSION, **content}, scratch)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: It is missing, broken, or of another version.
    """
    content = load_values(path, "training checkpoint")
    if not isinstance(content, dict) or content.get("format") != "radsam-training":
        raise InputError(f"{path} is not a training checkpoint of RadSAM. Weights alone are converted, not resumed.")
    if content["version"] != FORMAT_VERSION:
        raise InputError(
            f"{path} is a checkpoint of version {content['version']}; this program reads version {FORMAT_VERSION}."
        )
    del content["format"], content["version"]
    content["config"] = settings_from_dict(
        TrainConfig, renamed_values(content["config"]), f"The configuration in {path}"
    )
    content["train_cases"] = tuple(content["train_cases"])
    return Checkpoint(**content)


def load_values(path: Path, kind: str) -> Any:
    """Read a file that `torch.save` wrote.

    Args:
        path: The file.
        kind: What it should be, for messages.

    Raises:
        InputError: It is missing, broken, or holds more than plain values and tensors.
    """
    if not path.is_file():
        raise InputError(f"There is no {kind} at {path}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a {kind}, or it is not complete.") from error


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a model the weights of a checkpoint, which holds those that were trained.

    Raises:
        InputError: They belong to another architecture.
    """
    known = model.state_dict()
    foreign = [
        f"{name} {tuple(value.shape)}"
        for name, value in weights.items()
        if name not in known or known[name].shape != value.shape
    ]
    if foreign:
        raise InputError(
            f"{path} holds weights of another architecture: {len(foreign)} of {len(weights)} do not fit, the first is "
            f"{foreign[0]}. Take the configuration it was trained with."
        )
    model.load_state_dict(weights, strict=False)


def require_same_run(
    checkpoint: Checkpoint, config: TrainConfig, start_sha256: str, data_identity: str, path: Path
) -> None:
    """Refuse to resume a run as another one.

    Raises:
        InputError: The configuration, the start or the data differ; it says in what.
    """
    differing = []
    if checkpoint.config.identity != config.identity:
        stored, given = (
            {**each.to_dict(), "the episodes of a step": each.episodes_per_step} for each in (checkpoint.config, config)
        )
        differing += _differences(stored, given)
    if checkpoint.start_sha256 != start_sha256:
        differing.append("the weights to start from")
    if checkpoint.data_identity != data_identity:
        differing.append("the data or their embeddings")
    if differing:
        raise InputError(
            f"{path} belongs to another run; it differs in {', '.join(differing)}. Take the configuration it was "
            "started with, or another output folder for a new run."
        )


def _differences(stored: dict[str, Any], given: dict[str, Any], where: str = "") -> list[str]:
    found: list[str] = []
    for key in sorted(stored.keys() | given.keys()):
        name, one, other = f"{where}{key}", stored.get(key), given.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            if name not in ("run", "validation"):
                found += _differences(one, other, f"{name}.")
        elif one != other and name not in _INDIFFERENT:
            found.append(f"{name} ({one!r}, now {other!r})")
    return found
