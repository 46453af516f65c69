"""Read the options --fix and --fix-not, which take three numbers and may be repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from radsam.cli.terminal import usage_error

#: Options that take one point and may be repeated.
_POINT_OPTIONS = ("--fix", "--fix-not")


def join_points(arguments: Sequence[str]) -> list[str]:
    """Write ``--fix I J K`` as ``--fix I,J,K``.

    typer has no repeatable option with several values; both spellings are understood.
    Fewer numbers are joined too, so that the message about them names the option.
    """
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        joined.append(argument)
        if argument in _POINT_OPTIONS:
            numbers = list(takewhile(_is_number, rest[:3]))
            joined += [",".join(numbers)] if numbers else []
            del rest[: len(numbers)]
    return joined


def parse_points(
    fix: Sequence[str] | None, fix_not: Sequence[str] | None
) -> list[tuple[tuple[float, float, float], bool]]:
    """Read `--fix` and `--fix-not`: positions, and whether each belongs to the object."""
    points = [(each, True) for each in parse_triples(fix, "--fix")]
    return points + [(each, False) for each in parse_triples(fix_not, "--fix-not")]


def parse_triples(values: Sequence[str] | None, option: str) -> list[tuple[float, float, float]]:
    """Read the values of a point option."""
    triples = []
    for value in values or ():
        parts = value.split(",")
        if len(parts) != 3 or not all(_is_number(part) for part in parts):
            raise usage_error(f"{option} takes three numbers, I J K; given: {value!r}.")
        i, j, k = (float(part) for part in parts)
        triples.append((i, j, k))
    return triples


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
