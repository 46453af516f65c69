"""A training configuration from TOML; see `radsam.settings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radsam.settings import read_settings, settings_from_dict
from radsam.training.config import TrainConfig


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration; `overrides` are ``section.key=value``.

    Raises:
        InputError: The file cannot be read, or something in it is wrong; all of it is listed.
    """
    return read_settings(TrainConfig, path, overrides)


def config_from_dict(values: Mapping[str, Any], source: str = "The configuration") -> TrainConfig:
    """Build a training configuration from plain values.

    Raises:
        InputError: Something is wrong; every unknown key, missing key and bad value is listed.
    """
    return settings_from_dict(TrainConfig, values, source)
