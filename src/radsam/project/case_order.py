"""The order of cases in which they teach the most.

A case teaches much if the proposer is unsure about it, and if it looks like no case that is finished or comes before
it: an unsure case beside a chosen one would teach the same twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float, Float32

#: A case equal to a finished one still teaches this share of what it would teach if it were unlike all.
_LEAST_DISTANCE = 0.1


def order_of_cases(
    uncertainty: Mapping[str, float],
    features: Mapping[str, Float32[np.ndarray, " s"]],
    finished: Collection[Float32[np.ndarray, " s"]] = (),
) -> dict[str, float]:
    """Order open cases by how much they teach, one after the other.

    Args:
        uncertainty: Open case to the uncertainty of its proposals, 0 to 1.
        features: What each of these cases looks like.
        finished: What the finished cases look like.

    Returns:
        Case to how much it teaches, 0 to 1, once those before it are finished; the first teaches the most. Cases that
        teach the same keep their order.
    """
    left = list(uncertainty)
    if not left:
        return {}
    points = _scaled([*(features[each] for each in left), *finished])
    unsure = np.array([uncertainty[each] for each in left])
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    far = float(between.max()) or 1.0
    known = between[: len(left), len(left) :]
    distance = known.min(axis=1) / far if known.size else np.ones(len(left))
    found: dict[str, float] = {}
    for _ in range(len(left)):
        teaches = unsure * (_LEAST_DISTANCE + (1 - _LEAST_DISTANCE) * distance)
        teaches[[left.index(each) for each in found]] = -1.0
        best = int(np.argmax(teaches))
        found[left[best]] = float(teaches[best])
        distance = np.minimum(distance, between[best, : len(left)] / far)
    return found


def _scaled(points: list[Float32[np.ndarray, " s"]]) -> Float[np.ndarray, "n s"]:
    """Give every feature the same weight."""
    table = np.stack(points).astype(np.float64)
    deviation = table.std(axis=0)
    return np.asarray((table - table.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))
