"""Sections of a configuration that refuse values which make no sense, all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from radsam.errors import InputError


class Checked:
    """A section that refuses values which make no sense.

    Raises:
        InputError: Something is wrong; one line each.
    """

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise InputError("\n".join(problems))

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong, one line each."""
        return iter(())


def at_least(section: Any, name: str, low: float | int) -> Iterator[str]:
    """Say so if a value is lower than it may be."""
    if getattr(section, name) < low:
        yield f"{name} must be at least {low:g}, not {getattr(section, name)!r}"


def within(section: Any, name: str, low: float | int, high: float | int) -> Iterator[str]:
    """Say so if a value is outside its range."""
    if not low <= getattr(section, name) <= high:
        yield f"{name} must be between {low:g} and {high:g}, not {getattr(section, name)!r}"


def one_of(section: Any, name: str, known: Collection[str]) -> Iterator[str]:
    """Say so if a word is none of the known ones."""
    if getattr(section, name) not in known:
        yield f"{name} must be one of {', '.join(known)}, not {getattr(section, name)!r}"
