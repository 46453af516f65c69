"""Odd values, and changes of bytes, JSON and header lines. A change returns its result and what it did."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from random import Random
from typing import Any

INTEGERS = (0, 1, -1, 2, 3, 7, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32, 10**12, 2**63)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -1e-6, 1e6, 1e30, -1e300, math.nan, math.inf, -math.inf, 1 / 3)
TEXTS = (
    *("", " ", "0", "-1", "nan", "inf", "1e400", "1,5", "0x10", "é", "\x00", "a\nb", "../x", "%s"),
    *("x" * 5000, "１", "None"),
)


def odd_integer(rng: Random, bits: int = 16) -> int:
    """An integer that fits into a field of so many bits (signed)."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    if rng.random() < 0.3:
        return rng.randint(-9, 9)
    return rng.choice([each for each in INTEGERS if low <= each <= high])


def odd_number(rng: Random) -> float:
    """A number that few writers mean."""
    return rng.choice(NUMBERS) if rng.random() < 0.8 else rng.uniform(-100, 100)


def odd_text(rng: Random) -> str:
    """A text that is not a number, or an odd one."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(TEXTS)
    return repr(odd_number(rng)) if kind < 0.7 else str(rng.choice(INTEGERS))


def odd_value(rng: Random) -> Any:
    """A value of JSON, of any type."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice(INTEGERS),
        lambda: odd_number(rng),
        lambda: odd_text(rng),
        lambda: rng.choice([None, True, False, [], {}, [[]], {"": None}]),
    )
    return rng.choice(kinds)()


def change_bytes(rng: Random, content: bytes, start: int = 0) -> tuple[bytes, str]:
    """Change, cut, insert, repeat or zero a few bytes behind `start`."""
    at = rng.randrange(start, max(start + 1, len(content)))
    length = min(rng.choice([1, 1, 2, 4, 16, 300]), len(content) - at)
    kind = rng.choice(["change", "change", "cut off", "remove", "insert", "repeat", "zero"])
    new = {
        "change": lambda: rng.randbytes(length),
        "cut off": lambda: b"",
        "remove": lambda: b"",
        "insert": lambda: rng.randbytes(length) + content[at : at + length],
        "repeat": lambda: 2 * content[at : at + length],
        "zero": lambda: bytes(length),
    }[kind]()
    rest = b"" if kind == "cut off" else content[at + length :]
    return content[:at] + new + rest, f"{kind} {length} bytes at {at}"


def change_json(rng: Random, value: Any) -> tuple[Any, str]:
    """Replace, remove, repeat or add one value somewhere in a JSON value."""
    value = copy.deepcopy(value)
    places: list[tuple[Any, Any, str]] = []

    def collect(node: Any, path: str) -> None:
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            places.append((node, key, f"{path}/{key}"))
            collect(child, f"{path}/{key}")

    collect(value, "")
    if not places or rng.random() < 0.02:
        whole = odd_value(rng)
        return whole, f"whole value: {whole!r:.60}"
    # Long lists (of voxels) are one place, not thousands.
    by_depth: dict[str, list[tuple[Any, Any, str]]] = {}
    for place in places:
        by_depth.setdefault("/".join("#" if part.isdigit() else part for part in place[2].split("/")), []).append(place)
    node, key, path = rng.choice(by_depth[rng.choice([*by_depth])])
    kind = rng.choice(["set", "set", "set", "remove", "repeat", "add", "nudge"])
    if kind == "nudge" and isinstance(node[key], int | float):
        node[key] += rng.choice([-1, 1, 0.5, 1000])
    elif kind == "remove":
        del node[key]
    elif kind == "repeat" and isinstance(node, list):
        node.insert(int(key), copy.deepcopy(node[key]))
    elif kind == "add":
        other = odd_value(rng)
        if isinstance(node, list):
            node.append(other)
        else:
            node[rng.choice(["extra", "", *node])] = other
    else:
        kind, node[key] = "set", odd_value(rng)
    return value, f"{kind} {path}: {node[key] if kind in ('set', 'nudge') else ''!r:.60}"


def change_fields(
    rng: Random, lines: list[str], separator: str, odd: Callable[[Random, str, str], str]
) -> tuple[list[str], str]:
    """Change one line ``key<separator>value`` of a text header: value, key, place, or how often it is there.

    Args:
        rng: The source of chance.
        lines: The lines; those without a separator stay.
        separator: What stands between key and value.
        odd: Makes another value of key and value.
    """
    lines = [*lines]
    at = rng.choice([number for number, line in enumerate(lines) if separator in line])
    key, _, value = lines[at].partition(separator)
    kind = rng.choice(["set", "set", "set", "set", "remove", "repeat", "move", "rename", "case"])
    if kind == "remove":
        del lines[at]
    elif kind == "repeat":
        lines.insert(at, f"{key}{separator}{odd(rng, key, value)}")
    elif kind == "move":
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    elif kind == "rename":
        lines[at] = f"{rng.choice([key + 'x', 'x', key.replace(' ', ''), ''])}{separator}{value}"
    elif kind == "case":
        lines[at] = f"{key.upper() if rng.random() < 0.5 else key}{separator}{value.upper()}"
    else:
        lines[at] = f"{key}{separator}{odd(rng, key, value)}"
    return lines, f"{kind} {key!r}: {lines[at] if at < len(lines) else ''!r:.80}"


def odd_numbers(rng: Random, value: str) -> str:
    """Make another value of a line of numbers: one or all of them odd, one fewer, one more, or text."""
    parts = value.split()
    kind = rng.random()
    if not parts or kind < 0.15:
        return odd_text(rng)
    at = rng.randrange(len(parts))
    if kind < 0.25:
        del parts[at]
    elif kind < 0.35:
        parts.insert(at, parts[at])
    elif kind < 0.45:
        parts = [odd_text(rng)] * len(parts)
    elif kind < 0.6:
        other = rng.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    else:
        parts[at] = odd_text(rng) if rng.random() < 0.7 else f"-{parts[at]}"
    return " ".join(parts)
