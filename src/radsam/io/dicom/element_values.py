"""Reading single DICOM elements that may be absent, empty, unreadable or of a wrong length.

An element that cannot be read (a SeriesNumber "CT12", a decimal comma) counts as absent: a reader that needs it refuses
the file, and others do not miss it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag


def text(dataset: Dataset, name: str, default: str) -> str:
    """Return an element as text, a number that cannot be read as it is written; `default` if it is absent or empty."""
    try:
        value: object = dataset.get(name)
    except Exception:  # pydicom has no common base for what broken values provoke
        raw: object = dataset.get_item(name)
        value = (raw.value or b"").decode("ascii", "replace") if isinstance(raw, RawDataElement) else None
    return default if value is None or str(value).strip(" \0") == "" else str(value).strip(" \0")


def integer(dataset: Dataset, name: str, default: int) -> int:
    """Return an element as a whole number; `default` if it is absent, empty or unreadable."""
    try:
        return int(float(text(dataset, name, "")))
    except (ValueError, OverflowError):
        return default


def numbers(dataset: Dataset, name: str, count: int) -> tuple[float, ...]:
    """Return `count` numbers; NaN when the element is absent, empty, unreadable or of another length."""
    try:
        value = dataset.get(name)
        values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        found = tuple(float(each) for each in values)
    except Exception:  # pydicom has no common base for what broken values provoke
        found = ()
    return found if len(found) == count else (math.nan,) * count


def private_text(dataset: Dataset, creator: str, tag: int) -> str:
    """Return a private element as text; empty where its creator is another one, or it is absent.

    Args:
        dataset: Where it may be.
        creator: Who defines it.
        tag: Its tag in the first block, 0x10, where scanners and archives have it.
    """
    try:
        named = dataset.get(Tag(tag >> 16, 0x10))
        if named is None or str(named.value).strip() != creator or tag not in dataset:
            return ""
        value = dataset[tag].value
    except Exception:  # pydicom has no common base for what broken values provoke
        return ""
    return ("" if value is None else str(value)).strip()
