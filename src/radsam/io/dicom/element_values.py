"""Reading single DICOM elements that may be absent, empty or of a wrong length."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


def text(dataset: Dataset, name: str, default: str) -> str:
    """Return an element as text; `default` if it is absent or empty."""
    value = dataset.get(name)
    return default if value is None or str(value).strip() == "" else str(value).strip()


def integer(dataset: Dataset, name: str, default: int) -> int:
    """Return an element as a whole number; `default` if it is absent or empty."""
    found = text(dataset, name, "")
    return int(float(found)) if found else default


def numbers(dataset: Dataset, name: str, count: int) -> tuple[float, ...]:
    """Return `count` numbers; NaN when the element is absent, empty or of another length."""
    value = dataset.get(name)
    values = list(value) if isinstance(value, MultiValue) else [value]
    if len(values) != count or any(each is None or str(each).strip() == "" for each in values):
        return (math.nan,) * count
    return tuple(float(each) for each in values)
