"""The agreement of two masks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool


def dice(predicted: Bool[np.ndarray, "*shape"], truth: Bool[np.ndarray, "*shape"]) -> float:
    """Return the Dice coefficient of two masks of the same shape, 0 to 1.

    Two empty masks agree perfectly: 1.0. One empty mask: 0.0.
    """
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    if total == 0:
        return 1.0
    return 2.0 * int(np.count_nonzero(predicted & truth)) / total
