"""What objects are called in SNOMED CT, from a table that can be extended.

The table is ``organ_codes.toml`` beside this module. A file of the same form, named by
``$RADSAM_ORGAN_CODES``, adds to it and takes precedence.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from radsam.errors import InputError

SCHEME = "SCT"
_SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}


@dataclass(frozen=True)
class Code:
    """A coded concept.

    Args:
        value: Its code.
        meaning: Its meaning, in words.
        scheme: Whose code: "SCT" is SNOMED CT, "DCM" DICOM's own.
    """

    value: str
    meaning: str
    scheme: str = SCHEME


@dataclass(frozen=True)
class OrganCode:
    """The coded kind of an object.

    Args:
        category: The kind of thing, of DICOM's context group 7150.
        type: The thing.
        side: Left or right; None where it has no side, or none was named.
        known: Whether the table has it.
        rgb: The colour that viewers should use, 0 to 255.
    """

    category: Code
    type: Code
    side: Code | None = None
    known: bool = True
    rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class CodedName:
    """A name of an object that has a code.

    Args:
        name: As it is written in label maps: ``kidney_left``.
        others: Further words that mean the same.
        organ: Its code.
    """

    name: str
    others: tuple[str, ...]
    organ: OrganCode


#: What any object is, where the table does not have its name.
UNKNOWN = OrganCode(Code("85756007", "Tissue"), Code("85756007", "Tissue"), known=False)


def organ_code(name: str) -> OrganCode:
    """Find the code of an object of this name; `UNKNOWN` if the table does not have it.

    Case, underscores and the order of words do not matter; "left", "right", "l" and "r"
    give the side: ``kidney_left``, ``Left kidney`` and ``kidney l`` are the same.

    Raises:
        InputError: The file named by ``$RADSAM_ORGAN_CODES`` cannot be used.
    """
    table = _table(os.environ.get("RADSAM_ORGAN_CODES", ""))
    words = re.findall(r"[a-z0-9]+", name.lower())
    sides = [side for side in _SIDES for word in words if word in (side, side[0])]
    whole = table.get(_key(words))
    if whole is not None:
        return whole
    found = table.get(_key([word for word in words if word not in ("left", "right", "l", "r")]), UNKNOWN)
    if len(sides) == 1 and found.known:
        return OrganCode(found.category, found.type, Code(*_SIDES[sides[0]]), rgb=found.rgb)
    return found


def coded_names() -> tuple[CodedName, ...]:
    """Return a name for every code of the table; for organs of two sides, one for each side and one for both.

    Raises:
        InputError: As for `organ_code`.
    """
    found: dict[str, CodedName] = {}
    for source, described in _described(os.environ.get("RADSAM_ORGAN_CODES", "")):
        for entry in described["organ"]:
            name = "_".join(re.findall(r"[a-z0-9]+", entry["meaning"].lower()))
            if not name:
                raise _unusable(source, ValueError(f"the meaning {entry['meaning']!r} has no letter"))
            names = [f"{name}_left", f"{name}_right", name] if entry.get("sides") else [name]
            others = tuple(entry.get("names", []))
            found |= {each: CodedName(each, others, organ_code(each)) for each in names}
    return tuple(found.values())


def category_code(name: str) -> Code:
    """Return the code of a kind of thing: "organ", "tissue" or "finding"."""
    ((_, described),) = _described("")
    return Code(*described["categories"][name])


def _key(words: list[str]) -> str:
    return " ".join(sorted(words))


@lru_cache(maxsize=4)
def _described(extension: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the table as it is written, and the one that adds to it, each with its source."""
    texts = [("organ_codes.toml", files("radsam.io.dicom").joinpath("organ_codes.toml").read_text("utf-8"))]
    if extension:
        try:
            texts.append((extension, Path(extension).read_text("utf-8")))
        except OSError as error:
            raise InputError(f"The organ codes {extension} cannot be read: {error.strerror or error}.") from error
    try:
        return tuple((source, tomllib.loads(text)) for source, text in texts)
    except tomllib.TOMLDecodeError as error:
        raise _unusable(extension, error) from error


@lru_cache(maxsize=4)
def _table(extension: str) -> Mapping[str, OrganCode]:
    table: dict[str, OrganCode] = {}
    for source, described in _described(extension):
        try:
            table |= _parse(described)
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(source, error) from error
    return table


def _parse(described: Mapping[str, Any]) -> dict[str, OrganCode]:
    categories = {name: Code(*each) for name, each in described["categories"].items()}
    table = {}
    for entry in described["organ"]:
        organ = _organ(entry, categories)
        for name in (organ.type.meaning, *entry.get("names", [])):
            table[_key(re.findall(r"[a-z0-9]+", name.lower()))] = organ
    return table


def _unusable(source: str, error: Exception) -> InputError:
    return InputError(
        f"{source} is not a table of organ codes ({error!r}). It needs [categories] and [[organ]] entries with "
        "code, meaning and category; see docs/dicom.md."
    )


def _organ(entry: Mapping[str, Any], categories: Mapping[str, Code]) -> OrganCode:
    unknown = set(entry) - {"code", "meaning", "category", "names", "rgb", "scheme", "sides"}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    rgb = entry.get("rgb")
    if rgb is not None and (len(rgb) != 3 or not all(0 <= each <= 255 for each in rgb)):
        raise ValueError(f"rgb {rgb} is not three numbers from 0 to 255")
    return OrganCode(
        categories[entry["category"]],
        Code(str(entry["code"]), entry["meaning"], entry.get("scheme", SCHEME)),
        rgb=None if rgb is None else (rgb[0], rgb[1], rgb[2]),
    )
