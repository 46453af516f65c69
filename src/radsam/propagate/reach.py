"""How far a correction propagates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from radsam.propagate.propagation_plan import SIDES

#: This slice only; a number of slices to each side; half-way to the next slices that the user has set; to both ends.
Reach = Literal["slice", "next", "ends"] | int


def last_slices(index: int, reach: Reach, fixed: Collection[int]) -> dict[int, int]:
    """Return the last slice that a correction on slice `index` changes on each side; a side without one has no limit.

    The paper propagates to both ends from every correction (4.2). Nearer to another prompt or correction,
    the mask that comes from there is better than the one that this correction sends: see docs/radsam-lite.md.

    Args:
        index: The corrected slice.
        reach: How far the correction propagates.
        fixed: Slices that the user has set.
    """
    match reach:
        case "ends":
            return {}
        case "slice":
            return dict.fromkeys(SIDES, index)
        case "next":
            limits = {}
            for side in SIDES:
                distances = [(other - index) * side for other in fixed if (other - index) * side > 0]
                if distances:
                    limits[side] = index + side * ((min(distances) - 1) // 2)
            return limits
        case int(slices):
            return {side: index + side * slices for side in SIDES}


def nearest_limits(*limits: Mapping[int, int]) -> dict[int, int]:
    """Return the limit of each side (-1 or 1) that reaches least far."""
    nearest: dict[int, int] = {}
    for each in limits:
        for side, last in each.items():
            if side not in nearest or (last - nearest[side]) * side < 0:
                nearest[side] = last
    return nearest
