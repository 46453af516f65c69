"""A threshold that is chosen by the number of values above it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def highest_values(field: Float[np.ndarray, "..."], count: int) -> Bool[np.ndarray, "..."]:
    """Choose the `count` highest values; of equal ones the first in stored order."""
    flat = field.ravel()
    if count == 0:
        return np.zeros(field.shape, dtype=bool)
    threshold = np.partition(flat, flat.size - count)[flat.size - count]
    chosen = flat > threshold
    chosen[np.flatnonzero(flat == threshold)[: count - int(chosen.sum())]] = True
    return np.asarray(chosen.reshape(field.shape))
