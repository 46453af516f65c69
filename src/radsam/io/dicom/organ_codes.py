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


def _key(words: list[str]) -> str:
    return " ".join(sorted(words))


@lru_cache(maxsize=4)
def _table(extension: str) -> Mapping[str, OrganCode]:
    table = _parse(files("radsam.io.dicom").joinpath("organ_codes.toml").read_text("utf-8"), "organ_codes.toml")
    if extension:
        try:
            table |= _parse(Path(extension).read_text("utf-8"), extension)
        except OSError as error:
            raise InputError(f"The organ codes {extension} cannot be read: {error.strerror or error}.") from error
    return table


def _parse(content: str, source: str) -> dict[str, OrganCode]:
    try:
        described = tomllib.loads(content)
        categories = {name: Code(*each) for name, each in described["categories"].items()}
        table = {}
        for entry in described["organ"]:
            organ = _organ(entry, categories)
            for name in (organ.type.meaning, *entry.get("names", [])):
                table[_key(re.findall(r"[a-z0-9]+", name.lower()))] = organ
        return table
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{source} is not a table of organ codes ({error!r}). It needs [categories] and [[organ]] entries with "
            "code, meaning and category; see docs/dicom.md."
        ) from error


def _organ(entry: Mapping[str, Any], categories: Mapping[str, Code]) -> OrganCode:
    unknown = set(entry) - {"code", "meaning", "category", "names", "rgb", "scheme"}
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
