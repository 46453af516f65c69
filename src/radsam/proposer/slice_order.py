"""Which slices of a volume a head without prompts sees, and in which order.

The order is that of the patient, not of the file: from superior to inferior, from anterior to posterior, from right to
left. Within a slice it is the radiological display's. So a volume that is stored otherwise gives the same input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radsam.volume import Geometry, Plane, SliceGrid

#: LPS axis across each plane, and the sign of its direction from the first slice to the last.
_FIRST_TO_LAST = {Plane.AXIAL: (2, -1), Plane.CORONAL: (1, 1), Plane.SAGITTAL: (0, 1)}
#: Of thinner slices every second, third … is seen: neighbours show the same, and encoding them costs the most.
_LEAST_MM = 2.5
#: A plane is preferred to the axial one where its slices are this many times thicker.
_MUCH_THICKER = 1.5


@dataclass(frozen=True)
class SliceOrder:
    """The slices that are seen, in the patient's order.

    Args:
        grid: The slices of the volume.
        indices: Stored indices of those that are seen.
        spacing_mm: Distance from one to the next.
    """

    grid: SliceGrid
    indices: tuple[int, ...]
    spacing_mm: float

    @classmethod
    def of(cls, geometry: Geometry, plane: Plane) -> SliceOrder:
        """Choose the slices of a volume in a plane."""
        grid = SliceGrid.of(geometry, plane)
        spacing_mm = float(geometry.spacing_mm_ijk[grid.axis])
        step = max(1, int(_LEAST_MM / spacing_mm + 1e-3))
        # The middle of each group of slices, so that both ends are as far from one that is seen.
        indices = range(min((step - 1) // 2, grid.count - 1), grid.count, step)
        lps, sign = _FIRST_TO_LAST[plane]
        forward = geometry.direction[lps, grid.axis] * sign > 0
        return cls(grid, tuple(indices if forward else reversed(indices)), step * spacing_mm)


def usual_plane(geometry: Geometry) -> Plane:
    """Return the plane of the thickest slices of a volume, in which it was acquired; axial if they are about equal."""
    spacing = {plane: geometry.spacing_mm_ijk[SliceGrid.of(geometry, plane).axis] for plane in Plane}
    thickest = max(Plane, key=lambda plane: float(spacing[plane]))
    return thickest if spacing[thickest] > _MUCH_THICKER * spacing[Plane.AXIAL] else Plane.AXIAL


def between(order: SliceOrder) -> list[tuple[int, int, int, float]]:
    """Say of which two seen slices each stored slice is between.

    Returns:
        Stored index, positions of the two in `order.indices`, and the share of the second, 0 to 1. Beyond the first
        and last seen slice both are the same.
    """
    seen = np.array(order.indices)
    ascending = np.argsort(seen)
    places = np.interp(np.arange(order.grid.count), seen[ascending], np.arange(seen.size))
    found = []
    for index, place in enumerate(places.tolist()):
        low = int(place)
        high = min(low + 1, seen.size - 1)
        found.append((index, int(ascending[low]), int(ascending[high]), place - low))
    return found
