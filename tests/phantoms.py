"""Small volumes of bright balls and tubes in dark surroundings, with known truth.

Shapes are written in millimetres about the centre of the grid, so the same anatomy can
be drawn on any grid. Slices differ by a little noise: no two encode to the same image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy.spatial.transform import Rotation

from radsam.volume import Geometry, Volume

#: Within the soft-tissue window, on both sides of its middle.
INSIDE_HU, OUTSIDE_HU = 180, -120
#: An origin that is not zero, so that code which ignores it fails.
ORIGIN_LPS = (-31.0, 17.0, 240.0)

_FLIPPED = np.diag([-1.0, 1.0, -1.0])
_OBLIQUE = Rotation.from_euler("xyz", (11.0, -8.0, 14.0), degrees=True).as_matrix()
# Columns are the directions of i, j and k: stored as S, L, P.
_SAGITTAL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])

#: Grids of about 30 mm to a side. Sides differ, so that exchanged axes are noticed.
GRIDS = {
    "isotropic": Geometry.from_parts((26, 28, 30), ORIGIN_LPS, (1.0, 1.0, 1.0), np.eye(3)),
    "anisotropic": Geometry.from_parts((8, 36, 40), ORIGIN_LPS, (0.75, 0.75, 4.0), np.eye(3)),
    "flipped": Geometry.from_parts((10, 28, 34), ORIGIN_LPS, (0.9, 0.9, 3.0), _FLIPPED),
    "oblique": Geometry.from_parts((10, 32, 30), ORIGIN_LPS, (1.0, 0.9, 2.8), _OBLIQUE),
    "sagittal": Geometry.from_parts((9, 30, 28), ORIGIN_LPS, (1.0, 1.0, 3.0), _SAGITTAL),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """A volume and its objects.

    Args:
        volume: The CT, int16.
        truths: The voxels of each object, by name.
    """

    volume: Volume
    truths: dict[str, Bool[np.ndarray, "k j i"]]

    @property
    def truth(self) -> Bool[np.ndarray, "k j i"]:
        """All objects together."""
        return np.any([*self.truths.values()], axis=0)


def ball(grid: str | Geometry = "isotropic", radius_mm: float = 8.0) -> Scene:
    """One ball in the middle."""
    return _scene(grid, {"ball": [((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), radius_mm)]})


def tube(grid: str | Geometry = "isotropic", radius_mm: float = 5.0) -> Scene:
    """A tube from end to end of the volume along z, a little bent off the axis."""
    return _scene(grid, {"tube": [((-3.0, 2.0, -60.0), (3.0, -2.0, 60.0), radius_mm)]})


def touching_balls(grid: str | Geometry = "isotropic") -> Scene:
    """Two balls side by side, "right" the larger, that touch: a threshold cannot tell them apart."""
    return _scene(
        grid,
        {
            "right": [((-5.0, 0.0, 0.0), (-5.0, 0.0, 0.0), 6.5)],
            "left": [((6.0, 0.0, 0.0), (6.0, 0.0, 0.0), 5.0)],
        },
    )


def _scene(grid: str | Geometry, shapes: dict[str, list[tuple[tuple, tuple, float]]]) -> Scene:
    geometry = GRIDS[grid] if isinstance(grid, str) else grid
    k, j, i = np.indices(geometry.shape_kji)
    index_ijk = np.stack([i, j, k], axis=-1).astype(float)
    centre_lps = geometry.index_to_mm((np.array(geometry.shape_ijk) - 1) / 2)
    points_mm = geometry.index_to_mm(index_ijk) - centre_lps
    truths = {
        name: np.any([_distance_mm(points_mm, a, b) <= radius for a, b, radius in parts], axis=0)
        for name, parts in shapes.items()
    }
    inside = np.any([*truths.values()], axis=0)
    noise = np.random.default_rng(3).integers(-15, 16, inside.shape)
    hu = (np.where(inside, INSIDE_HU, OUTSIDE_HU) + noise).astype(np.int16)
    return Scene(Volume(hu, geometry, source="phantom"), truths)


def _distance_mm(points_mm: np.ndarray, a_mm: tuple, b_mm: tuple) -> np.ndarray:
    """Distance of points to the line from a to b."""
    a, b = np.array(a_mm), np.array(b_mm)
    along = b - a
    length = float(along @ along)
    share = np.clip((points_mm - a) @ along / length, 0.0, 1.0) if length else np.zeros(points_mm.shape[:-1])
    return np.asarray(np.linalg.norm(points_mm - (a + share[..., None] * along), axis=-1))


def stored_otherwise(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same volume with other storage: new axis ``a`` is old axis ``order[a]``, reversed if ``flips[a]``."""
    array_ijk = volume.values.transpose(2, 1, 0).transpose(order)
    new_to_old = np.zeros((4, 4))
    new_to_old[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        new_to_old[old, new] = -1.0 if flip else 1.0
        if flip:
            array_ijk = np.flip(array_ijk, axis=new)
            new_to_old[old, 3] = volume.geometry.shape_ijk[old] - 1
    stored = np.ascontiguousarray(array_ijk.transpose(2, 1, 0))
    return Volume(stored, Geometry(stored.shape, volume.geometry.affine_lps @ new_to_old))
