"""The training configurations that come with the program, and how one is found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import radsam
from radsam.errors import InputError

#: Folder of the configurations of `radsam distill`, beside those of `radsam train`.
DISTILL = "distill"


def presets_folder(kind: str = "") -> Path:
    """Where the shipped configurations of a kind are: inside the installed package, or in the clone it runs from."""
    package = Path(str(files(radsam)))
    inside = package / "configs"
    return (inside if inside.is_dir() else package.parents[1] / "configs") / kind


def preset_names(kind: str = "") -> list[str]:
    """The names of the shipped configurations of a kind."""
    return sorted(each.stem for each in presets_folder(kind).glob("*.toml"))


def find_config(name_or_path: str, kind: str = "") -> Path:
    """Find a configuration by path, or a shipped one by name.

    Args:
        name_or_path: A file, or a name without ``.toml``.
        kind: Which shipped ones: of training, or `DISTILL`.

    Raises:
        InputError: It is neither; the message lists the shipped ones.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path in preset_names(kind):
        return presets_folder(kind) / f"{name_or_path}.toml"
    raise InputError(
        f"There is no configuration {name_or_path!r}: it is no file, and the shipped ones are: "
        f"{', '.join(preset_names(kind)) or 'none'}."
    )
