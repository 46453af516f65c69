"""Read options that take several numbers: points, boxes, lists of slices, strokes and lassos."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import takewhile

from radsam.cli.terminal import usage_error

#: A range of slices: "40-48".
_RANGE = re.compile(r"(-?[\d.]+)-(-?[\d.]+)")
_ANY = 1 << 30
#: Options that take this many numbers at most.
_MOST_NUMBERS = {
    **dict.fromkeys(("--fix", "--fix-not", "--keep-at"), 3),
    **dict.fromkeys(("--fix-box", "--fix-not-box"), 5),
    **dict.fromkeys(("--trim", "--extend", "--within"), 2),
    **dict.fromkeys(("--confirm", "--unconfirm", "--delete-slice", "--interpolate", "--to"), _ANY),
}
#: Names of the first releases, which still work.
_FORMER_NAMES = {"--within-hu": "--within"}
#: An end that stays where it is.
_SAME_END = "-"
#: Options that take a number of steps, 1 if none is given.
_STEP_OPTIONS = ("--undo", "--redo")
#: The slice of a lasso: "50:", or "j=200:" for one across another axis.
_ON_SLICE = re.compile(r"\s*(?:([ijk])\s*=\s*)?([^:=]+):(.*)", re.DOTALL)


def join_points(arguments: Sequence[str]) -> list[str]:
    """Write ``--fix I J K`` as ``--fix I,J,K``, and ``--undo`` as ``--undo 1``.

    typer has no repeatable option with several values, and none whose value may be left out; all spellings are
    understood, and former names. Fewer numbers are joined too, so that the message about them names the option.
    """
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        argument, *value = rest.pop(0).split("=", 1)
        argument = "=".join([_FORMER_NAMES.get(argument, argument), *value])
        joined.append(argument)
        if argument in _MOST_NUMBERS:
            numbers = list(takewhile(_is_value, rest[: _MOST_NUMBERS[argument]]))
            joined += [",".join(numbers)] if numbers else []
            del rest[: len(numbers)]
        elif argument in _STEP_OPTIONS and not (rest and rest[0].isdecimal()):
            joined.append("1")
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
        i, j, k = parse_numbers(value, option, "I J K")
        triples.append((i, j, k))
    return triples


def parse_numbers(value: str, option: str, names: str) -> list[float]:
    """Read the value of an option that takes as many numbers as it has `names`: "I J K"."""
    count = len(names.split())
    parts = value.split(",")
    if len(parts) != count or not all(_is_number(part) for part in parts):
        words = {2: "two", 3: "three", 5: "five"}
        raise usage_error(f"{option} takes {words[count]} numbers, {names}; given: {value!r}.")
    return [float(part) for part in parts]


def parse_ends(value: str, option: str) -> tuple[float | None, float | None]:
    """Read the value of an option that takes two ends, each a number or "-" for one that stays."""
    parts = value.split(",")
    if len(parts) != 2 or not all(part == _SAME_END or _is_number(part) for part in parts):
        raise usage_error(
            f"{option} takes two ends, LO HI, each the number of a slice, or - for an end that stays; given: {value!r}."
        )
    low, high = (None if part == _SAME_END else float(part) for part in parts)
    return low, high


def parse_slices(value: str, option: str) -> list[tuple[float, float]]:
    """Read a list of slices and ranges of slices, "30,35,40-44": the first and last slice of each."""
    found: list[tuple[float, float]] = []
    for part in value.replace(",", " ").split():
        between = _RANGE.fullmatch(part)
        ends = between.groups() if between else (part, part)
        if not all(_is_number(each) for each in ends):
            found = []
            break
        found.append((float(ends[0]), float(ends[1])))
    if not found:
        raise usage_error(f"{option} takes numbers of slices, such as 30 35 40-44; given: {value!r}.")
    return found


def parse_path(text: str) -> list[tuple[float, float, float]] | None:
    """Read a stroke, "I J K, I J K"; None if the text is not one."""
    points = []
    for part in text.split(","):
        numbers = part.split()
        if len(numbers) != 3 or not all(_is_number(each) for each in numbers):
            return None
        i, j, k = (float(each) for each in numbers)
        points.append((i, j, k))
    return points


def parse_lasso(text: str) -> tuple[str | None, float, list[tuple[float, float]]] | None:
    """Read a polygon on a slice, "K: I J, I J, I J"; None if the text is not one.

    Returns:
        The name of the axis that counts the slice, where it is written before it ("j=200: …"); the slice; the corners.
    """
    parts = _ON_SLICE.fullmatch(text)
    if parts is None or not _is_number(parts[2]):
        return None
    corners = []
    for part in parts[3].split(","):
        numbers = part.split()
        if len(numbers) != 2 or not all(_is_number(each) for each in numbers):
            return None
        corners.append((float(numbers[0]), float(numbers[1])))
    return parts[1], float(parts[2]), corners


def _is_value(text: str) -> bool:
    return text == _SAME_END or _is_number(text) or _RANGE.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
