"""How an object and its surroundings look on a slice whose mask is known, as a model takes it.

The numbers are those of `radsam.model.prototype_encoder.pooled_prototypes`, which needs PyTorch.
"""

from __future__ import annotations

import numpy as np
import scipy
from jaxtyping import Float16, Float32

from radsam.model.prompt_tokens import SURROUNDING_CELLS


def pooled_prototypes(
    embedding: Float16[np.ndarray, "c g g"], mask: Float32[np.ndarray, "m m"]
) -> Float32[np.ndarray, "2 c"] | None:
    """Return the mean embedding of an object and of the cells around it; None where there is no object.

    Args:
        embedding: The slice.
        mask: The object in the model's frame, 1 inside.
    """
    grid = embedding.shape[-1]
    stride = mask.shape[-1] // grid
    inside = mask.reshape(grid, stride, grid, stride).mean(axis=(1, 3), dtype=np.float32)
    if not inside.any():
        return None
    near = scipy.ndimage.maximum_filter((inside > 0).astype(np.float32), 2 * SURROUNDING_CELLS + 1, mode="constant")
    weights = np.stack([inside, near * (1 - inside)]).reshape(2, -1)
    totals = np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
    cells = embedding.reshape(len(embedding), -1).astype(np.float32)
    return np.asarray(weights @ cells.T / totals, np.float32)
