"""A configuration from TOML: unknown keys are refused, and all that is wrong is said at once.

A file may start from another one, ``extends = "amos_vit_b"``, beside it or shipped with the
program, and say only what differs: what an experiment changes is then all that its file holds.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from radsam.errors import InputError
from radsam.settings.presets import find_config

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], path: Path, overrides: Sequence[str] = (), *, group: str = "") -> Settings:
    """Read a configuration.

    Args:
        kind: The dataclass that it becomes.
        path: A TOML file.
        overrides: Values that replace the file's, as ``section.key=value`` in TOML's notation;
            a value that is no TOML is taken as text.
        group: Where the shipped configurations are that it may extend; see `find_config`.

    Raises:
        InputError: The file cannot be read, or something in it is wrong; all of it is listed.
    """
    values = _read_toml(path, (), group)
    for override in overrides:
        _override(values, override)
    return settings_from_dict(kind, values, str(path))


def settings_from_dict(kind: type[Settings], values: Mapping[str, Any], source: str = "The configuration") -> Settings:
    """Build a configuration from plain values.

    Raises:
        InputError: Something is wrong; every unknown key, missing key and bad value is listed.
    """
    problems: list[str] = []
    config = _section(kind, values, "", problems)
    if problems:
        raise InputError(f"{source} cannot be used:\n" + "\n".join(f"  - {each}" for each in problems))
    if not isinstance(config, kind):  # cannot be: without problems it was built
        raise TypeError(type(config))
    return config


def _read_toml(path: Path, extending: tuple[Path, ...], group: str) -> dict[str, Any]:
    """Read a file, on top of the one that it extends."""
    if path in extending:
        raise InputError(f"The configuration {path} extends itself.")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {path} is not TOML: {error}.") from error
    base = values.pop("extends", None)
    if base is None:
        return values
    beside = path.parent / f"{base}.toml"
    try:
        extended = beside if beside.is_file() else find_config(str(base), group)
    except InputError as error:
        raise InputError(f"The configuration {path} extends one that is not there. {error}") from error
    return _merged(_read_toml(extended, (*extending, path), group), values)


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key; a value takes the place of a value."""
    both = dict(base)
    for key, value in changes.items():
        before = both.get(key)
        both[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return both


def _override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals:
        raise InputError(f"{override!r} sets nothing; write it as section.key=value, for example optim.lr=1e-4.")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"{override!r}: {section} is a value, not a section.")
    values[key] = value


def _section(kind: type[Any], values: Any, where: str, problems: list[str]) -> Any:
    """Read one dataclass; what is wrong goes to `problems`."""
    if not isinstance(values, Mapping):
        problems.append(f"{where.rstrip('.')} must be a section, not {values!r}")
        return None
    hints = typing.get_type_hints(kind)
    before = len(problems)
    problems += [f"{where}{key} is unknown; known are: {', '.join(hints)}" for key in values if key not in hints]
    read = {name: _value(hints[name], values[name], f"{where}{name}", problems) for name in hints if name in values}
    for each in dataclasses.fields(kind):
        required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if required and each.name not in values:
            problems.append(f"{where}{each.name} is missing")
    if len(problems) > before:
        return None
    try:
        return kind(**read)
    except InputError as error:
        problems += [f"{where}{line}" for line in str(error).splitlines()]
        return None


def _value(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    """Bring one TOML value to the type that a field declares."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _section(kind, value, f"{where}.", problems)
    if origin is tuple and isinstance(value, list | tuple):
        if args[-1] is not Ellipsis and len(args) != len(value):
            problems.append(f"{where} needs {len(args)} values, not {len(value)}")
            return None
        return tuple(_value(args[0], each, f"{where}[{i}]", problems) for i, each in enumerate(value))
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(key): _value(args[1], each, f"{where}.{key}", problems) for key, each in value.items()}
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    expected = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    problems.append(f"{where} must be {expected.get(kind, 'a list or table, as documented')}, not {value!r}")
    return None
