"""Voxels of an object that the label map gives to another object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8, UInt16

Ids = UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]


class OverlapWarning(UserWarning):
    """Objects overlap, and the label map gives the voxels to one of them."""


@dataclass(frozen=True)
class CoveredVoxels:
    """Voxels of one object that the label map gives to another.

    Args:
        name: The object that loses them.
        by: The object that has them; empty where none has, as the first one was locked without them.
        voxels: How many.
    """

    name: str
    by: str
    voxels: int

    def to_dict(self, ml: float) -> dict[str, str | int | float | None]:
        """Return it for JSON; `ml` is the millilitres of a voxel."""
        return {
            "name": self.name,
            "by": self.by or None,
            "voxels": self.voxels,
            "volume_ml": round(self.voxels * ml, 3),
        }


def count_covered(
    ids: Ids, covered: Mapping[int, Int64[np.ndarray, " n"]], names: Mapping[int, str]
) -> tuple[CoveredVoxels, ...]:
    """Count, for each pair of objects, the voxels that one has of the other."""
    counted = []
    for number, voxels in sorted(covered.items()):
        counts = np.bincount(ids.reshape(-1)[voxels])
        counted += [
            CoveredVoxels(names[number], names.get(int(by), ""), int(counts[by])) for by in np.flatnonzero(counts)
        ]
    return tuple(counted)
