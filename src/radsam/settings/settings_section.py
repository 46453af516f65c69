"""Common parts of the sections of a configuration.

A section is a frozen pydantic dataclass: ``@dataclass(frozen=True, config=STRICT)``. Its annotations
state types and ranges; `require` in ``__post_init__`` states conditions between fields. A class
variable ``RENAMED`` maps a former key to the rest of the sentence that refuses it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

#: Unknown keys, text for a number, true for 1 and numbers that are not finite are errors. A whole number is a float.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def require(*rules: tuple[object, str]) -> None:
    """Check the conditions between the fields of a section.

    Args:
        rules: Each a condition, and the sentence for the user where it is false.

    Raises:
        ValueError: One line for each condition that is false; `settings_from_dict` reports it with the section's name.
    """
    if broken := [sentence for holds, sentence in rules if not holds]:
        raise ValueError("\n".join(broken))


def plain_values(config: Any) -> dict[str, Any]:
    """Return a configuration as JSON has it: objects, lists, numbers and text."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def hash_of_values(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values; their order does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
