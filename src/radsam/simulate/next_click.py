"""The next correction: a click where the prediction and the truth differ (paper section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import ndimage


@dataclass(frozen=True)
class Click:
    """A correction on one slice.

    Args:
        x: Column of the pixel.
        y: Row of the pixel.
        positive: Whether the pixel belongs to the object: true where the prediction
            missed it, false where the prediction went too far.
    """

    x: int
    y: int
    positive: bool


def random_click(
    predicted: Bool[np.ndarray, "rows cols"], truth: Bool[np.ndarray, "rows cols"], rng: np.random.Generator
) -> Click | None:
    """Draw a pixel uniformly from the error, false negatives and false positives alike.

    Returns:
        The click, or None where the prediction is right everywhere.
    """
    wrong = np.flatnonzero(predicted != truth)
    if not wrong.size:
        return None
    y, x = divmod(int(wrong[rng.integers(wrong.size)]), truth.shape[1])
    return Click(x, y, bool(truth[y, x]))


def centre_click(predicted: Bool[np.ndarray, "rows cols"], truth: Bool[np.ndarray, "rows cols"]) -> Click | None:
    """Choose the deepest pixel of the largest error region, as a careful user would.

    A region is connected over pixel sides and holds only false negatives or only false
    positives. Nothing is random: of equals the first in reading order is chosen, false
    negatives first.

    Returns:
        The click, or None where the prediction is right everywhere.
    """
    best: tuple[int, Bool[np.ndarray, "rows cols"], tuple[slice, ...], bool] | None = None
    for wrong, positive in ((truth & ~predicted, True), (predicted & ~truth, False)):
        regions, count = ndimage.label(wrong)
        if not count:
            continue
        sizes = np.bincount(regions.ravel())[1:]
        largest = int(sizes.argmax())
        if best is None or sizes[largest] > best[0]:
            at = ndimage.find_objects(regions)[largest]
            best = int(sizes[largest]), regions[at] == largest + 1, at, positive
    if best is None:
        return None
    _, region, (rows, cols), positive = best
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    y, x = divmod(int(depth.argmax()), region.shape[1])
    return Click(cols.start + x, rows.start + y, positive)
