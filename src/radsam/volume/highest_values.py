"""A threshold that is chosen by the number of values above it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

#: Steps in which the threshold is looked for first; values are sorted within one step only.
_STEPS = 1 << 12


def highest_values(field: Float[np.ndarray, "..."], count: int) -> Bool[np.ndarray, "..."]:
    """Choose the `count` highest values, which are finite; of equal ones the first in stored order."""
    flat = field.ravel()
    if count == 0:
        return np.zeros(field.shape, dtype=bool)
    low, high = float(flat.min()), float(flat.max())
    steps = ((flat - low) * ((_STEPS - 1) / max(high - low, 1e-30))).astype(np.int32)
    from_top = np.cumsum(np.bincount(steps, minlength=_STEPS)[::-1])[::-1]  # values in this step or a higher one
    step = int(np.flatnonzero(from_top >= count)[-1])
    chosen = steps > step
    at = np.flatnonzero(steps == step)
    still = count - int(from_top[step] - at.size)
    # A stable sort leaves equal values in stored order.
    chosen[at[np.argsort(-flat[at], kind="stable")[:still]]] = True
    return np.asarray(chosen.reshape(field.shape))
