"""The configurations that come with the program, and how one is found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from radsam.errors import InputError


def presets_folder(group: str = "") -> Path:
    """Where the shipped configurations are: inside the installed package, or in the clone it runs from.

    Args:
        group: "" for training, "benchmark" for the benchmark, "distill" for distillation.
    """
    package = Path(str(files("radsam")))
    inside = package / "configs"
    return (inside if inside.is_dir() else package.parents[1] / "configs") / group


def preset_names(group: str = "") -> list[str]:
    """The names of the shipped configurations of a group."""
    return sorted(each.stem for each in presets_folder(group).glob("*.toml"))


def find_config(name_or_path: str, group: str = "") -> Path:
    """Find a configuration by path, or a shipped one by name.

    Raises:
        InputError: It is neither; the message lists the shipped ones.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path in preset_names(group):
        return presets_folder(group) / f"{name_or_path}.toml"
    raise InputError(
        f"There is no configuration {name_or_path!r}: it is not a file, and the shipped configurations are: "
        f"{', '.join(preset_names(group)) or 'none'}."
    )
