"""Read a configuration from TOML; every error in it is reported at once.

A file may start from another one, ``extends = "amos_vit_b"``, which lies beside it or is shipped with
the program. It then holds only the values that differ.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from radsam.errors import InputError
from radsam.settings.preset_files import find_config
from radsam.settings.value_errors import describe_error, place_of, root_errors

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], path: Path, overrides: Sequence[str] = (), *, group: str = "") -> Settings:
    """Read a configuration.

    Args:
        kind: The dataclass that it becomes; see `radsam.settings.settings_section`.
        path: A TOML file.
        overrides: Values that replace the file's, as ``section.key=value`` in TOML's notation;
            a value that is not TOML is text.
        group: Where the shipped configurations are that it may extend; see `find_config`.

    Raises:
        InputError: The file cannot be read, or values are wrong; the message lists all of them.
    """
    values = _read_toml(path, (), group)
    for override in overrides:
        _override(values, override)
    return settings_from_dict(kind, values, str(path))


def settings_from_dict(kind: type[Settings], values: Mapping[str, Any], source: str = "The configuration") -> Settings:
    """Build a configuration from plain values.

    Raises:
        InputError: Values are wrong; the message lists every unknown key, missing key and wrong value.
    """
    try:
        # JSON, because pydantic's strict mode then takes lists for tuples and tables for dataclasses. Dates are text.
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise InputError(
            f"{source} names a file or folder whose name is not UTF-8. Rename it, and try again."
        ) from None
    except ValidationError as error:
        problems = [line for each in root_errors(error) for line in _sentences(kind, each)]
        raise InputError(f"{source} cannot be used:\n" + "\n".join(f"  - {each}" for each in problems)) from None


def _read_toml(path: Path, extending: tuple[Path, ...], group: str) -> dict[str, Any]:
    """Read a file, and merge it into the one that it extends."""
    if path in extending:
        raise InputError(f"The configuration {path} extends itself.")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {path} is not TOML: {error}.") from error
    if (base := values.pop("extends", None)) is None:
        return values
    beside = path.parent / f"{base}.toml"
    try:
        extended = beside if beside.is_file() else find_config(str(base), group)
    except InputError as error:
        raise InputError(f"The configuration {path} extends one that does not exist. {error}") from error
    except OSError as error:  # a name that is too long
        raise InputError(f"The configuration {path} extends {str(base)[:60]!r}: {error.strerror or error}.") from error
    return _merged(_read_toml(extended, (*extending, path), group), values)


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge sections key by key; a value replaces a value."""
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


def _sentences(kind: type[Any], error: ErrorDetails) -> Iterator[str]:
    """Put one of pydantic's errors into words; those of `require` are sentences already."""
    where = place_of(error)
    if error["type"] == "value_error":
        yield from (f"{where}.{line}".lstrip(".") for line in str(error["ctx"]["error"]).splitlines())
    elif error["type"] == "unexpected_keyword_argument":
        section = _section(kind, error["loc"][:-1])
        renamed = getattr(section, "RENAMED", {}).get(str(error["loc"][-1]))
        known = ", ".join(each.name for each in dataclasses.fields(section))
        yield f"{where} {renamed}" if renamed else f"{where} is unknown; known are: {known}"
    else:
        yield describe_error(error)


def _section(kind: Any, where: tuple[int | str, ...]) -> Any:
    """Return the class of the section at a place in a configuration."""
    for part in where:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind)[str(part)]
        else:  # a list or table of sections: tuple[Section, ...], Mapping[str, Section]
            kind = next(each for each in typing.get_args(kind) if dataclasses.is_dataclass(each))
    return kind
