"""Configuration and checkpoint of a distillation."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import NonNegativeInt
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor

from radsam.disk.atomic_write import replacing
from radsam.disk.utf8_path import utf8_path
from radsam.errors import InputError
from radsam.model.sam_config import TinyViTConfig
from radsam.settings import STRICT, Count, hash_of_values, plain_values, require, settings_from_dict
from radsam.training.training_checkpoint import load_values
from radsam.training.training_config import DataConfig, EmbeddingsConfig, OptimConfig, former_values, renamed_values

#: Group of the shipped configurations, see `radsam.settings.find_config`.
PRESETS = "distill"

FORMAT, FORMAT_VERSION = "radsam-distillation", 1


@checked_dataclass(frozen=True, config=STRICT)
class DistillConfig:
    """A whole distillation.

    Args:
        name: Name of the weights.
        start: Bundle of the teacher.
        decoder: Bundle whose prompt encoder and mask decoder follow the student; its encoder must be the teacher's.
        student: Sizes of the student's encoder.
        data: The cases.
        embeddings: The views of their slices.
        optim: The optimizer; `batch` counts slices.
        threads: CPU threads of torch; 0 leaves it to torch.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations.
        log_steps: Steps between lines of the log.
        seed: Seed of the student's weights and of the batches.
        notes: Purpose and cost, for people.
    """

    name: str
    start: str
    decoder: str
    student: TinyViTConfig
    data: DataConfig
    embeddings: EmbeddingsConfig
    optim: OptimConfig
    threads: int = 0
    checkpoint_minutes: float = 5.0
    validate_minutes: float = 15.0
    log_steps: Count = 20
    seed: NonNegativeInt = 0
    notes: str = ""

    def __post_init__(self) -> None:
        require(
            (self.embeddings.folder, "embeddings.folder is missing; the teacher's embeddings need a folder"),
            (self.optim.accumulate == 1, "optim.accumulate has no effect here; choose optim.batch"),
        )

    @property
    def identity(self) -> str:
        """Hash of all values that change the result; paths and times do not."""
        decisive = plain_values(self)
        for name in ("notes", "threads", "checkpoint_minutes", "validate_minutes", "log_steps", "decoder"):
            del decisive[name]
        del decisive["data"]["store"], decisive["embeddings"]["folder"]
        decisive["embeddings"] = former_values(decisive["embeddings"])
        return hash_of_values(decisive)


@dataclass(frozen=True, eq=False)
class DistillCheckpoint:
    """Everything that a distillation needs to continue, or to be exported.

    Args:
        config: Its configuration.
        start_sha256: Identity of the teacher.
        data_identity: Identity of the encoded scenes.
        cases: Names of the cases that were used.
        step: Optimizer steps done.
        seconds: Time spent.
        error: Latest relative error on the validation split; -1 before the first.
        weights: The student's encoder, statistics of its batch normalisation included.
        average: Their running average.
        optimizer: The optimizer's state.
    """

    config: DistillConfig
    start_sha256: str
    data_identity: str
    cases: tuple[str, ...]
    step: int
    seconds: float
    error: float
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any] = field(default_factory=dict)


def write_distillation(path: Path, checkpoint: DistillCheckpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    plain = {**vars(checkpoint), "config": plain_values(checkpoint.config), "cases": list(checkpoint.cases)}
    with replacing(path) as scratch:
        torch.save({"format": FORMAT, "version": FORMAT_VERSION, **plain}, scratch)


def read_distillation(path: Path) -> DistillCheckpoint:
    """Read a checkpoint of a distillation.

    Raises:
        InputError: It is missing, broken, of another version, or of another kind.
    """
    content = load_values(path, "checkpoint")
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != FORMAT_VERSION:
        raise InputError(f"{path} is not a checkpoint of 'radsam distill', version {FORMAT_VERSION}.")
    del content["format"], content["version"]
    content["config"] = settings_from_dict(
        DistillConfig, renamed_values(content["config"]), f"The configuration in {path}"
    )
    content["cases"] = tuple(content["cases"])
    return DistillCheckpoint(**content)


def is_distillation(path: Path) -> bool:
    """Whether a file is a checkpoint that `distill` wrote."""
    try:
        with utf8_path(path) as name:
            return bool(torch.load(name, map_location="cpu", weights_only=True, mmap=True)["format"] == FORMAT)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError):
        return False
