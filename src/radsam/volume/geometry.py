"""Where voxels are in the patient.

Convention of the whole package: world coordinates are **LPS millimetres** (x grows to
the patient's Left, y to the Posterior, z to the Superior side), as in DICOM and ITK.
Voxel indices that a person sees are ``(i, j, k)`` = (column, row, slice) as stored,
zero-based, and mean voxel centres. Arrays are indexed ``[k, j, i]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from radsam.errors import VolumeError

#: Grids closer than this, in voxels at the far corner, are the same grid: NIfTI keeps
#: its affine in float32, which moves the last voxel of a 512 grid by about 1e-4.
SAME_GRID_VOXELS = 1e-2
#: A hundred kilometres: farther from the origin no scanner is, and positions lose digits.
FARTHEST_MM = 1e8


def nearest_index(place: Float[np.ndarray, "*n"]) -> Int64[np.ndarray, "*n"]:
    """Return the nearest voxel of a place along an axis; between two voxels the upper one, whatever its last digits.

    Python and numpy round half to even, which would put two of every four places between voxels on the same one.
    """
    return np.asarray(np.floor(np.asarray(place) + (0.5 + 1e-6)), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume: its shape and where each voxel is.

    Args:
        shape_kji: Number of voxels along k, j and i; the shape of the arrays.
        affine_lps: 4×4, maps the voxel index (i, j, k, 1) to LPS millimetres.

    Raises:
        VolumeError: The shape is not three positive numbers, or the affine is not an
            invertible, finite 4×4 matrix with positions within 100 km.
    """

    shape_kji: tuple[int, int, int]
    affine_lps: Float[np.ndarray, "4 4"]

    def __post_init__(self) -> None:
        if len(self.shape_kji) != 3 or min(self.shape_kji) < 1:
            raise VolumeError(f"A volume needs three axes of at least one voxel, not {self.shape_kji}.")
        affine = np.array(self.affine_lps, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise VolumeError("The affine of the volume is not a finite 4×4 matrix.")
        if np.abs(affine[:3]).max() > FARTHEST_MM:
            raise VolumeError(
                f"The affine of the volume puts it {np.abs(affine[:3]).max() / 1e6:.3g} km from the scanner: its "
                "header is damaged, or not in millimetres. Export it again."
            )
        # Of the directions: voxels of micrometres have tiny volumes.
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if not lengths.all() or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-9:
            raise VolumeError("The affine of the volume is singular: two voxel axes point the same way.")
        affine.setflags(write=False)
        object.__setattr__(self, "shape_kji", tuple(int(n) for n in self.shape_kji))
        object.__setattr__(self, "affine_lps", affine)

    @classmethod
    def from_parts(
        cls,
        shape_kji: tuple[int, int, int],
        origin_lps: tuple[float, float, float],
        spacing_mm_ijk: tuple[float, float, float],
        direction: Float[np.ndarray, "3 3"],
    ) -> Geometry:
        """Build from ITK's parts; column ``a`` of `direction` is the LPS direction of axis ``a``."""
        affine = np.eye(4)
        affine[:3, :3] = np.asarray(direction, dtype=np.float64) * np.asarray(spacing_mm_ijk, dtype=np.float64)
        affine[:3, 3] = origin_lps
        return cls(shape_kji, affine)

    @property
    def shape_ijk(self) -> tuple[int, int, int]:
        """Number of voxels along i, j and k."""
        k, j, i = self.shape_kji
        return i, j, k

    @property
    def spacing_mm_ijk(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j and k, in mm."""
        i, j, k = np.linalg.norm(self.affine_lps[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def origin_lps(self) -> tuple[float, float, float]:
        """Centre of voxel (0, 0, 0) in LPS mm."""
        x, y, z = self.affine_lps[:3, 3]
        return float(x), float(y), float(z)

    @property
    def direction(self) -> Float[np.ndarray, "3 3"]:
        """Unit vectors of the voxel axes: column ``a`` is the LPS direction of axis i, j or k."""
        return np.asarray(self.affine_lps[:3, :3] / np.asarray(self.spacing_mm_ijk))

    @property
    def shear(self) -> float:
        """How far the voxel axes are from perpendicular: the largest cosine of the angle between two of them."""
        direction = self.direction
        return float(np.abs(direction.T @ direction - np.eye(3)).max())

    def nearest_rectangular(self) -> Geometry:
        """Return the grid with perpendicular axes that is closest: spacing and centre stay, the axes turn."""
        left, _, right = np.linalg.svd(self.direction)
        affine = np.eye(4)
        affine[:3, :3] = left @ right * self.spacing_mm_ijk
        centre = (np.array(self.shape_ijk) - 1) / 2
        affine[:3, 3] = self.index_to_mm(centre) - affine[:3, :3] @ centre
        return Geometry(self.shape_kji, affine)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.affine_lps[:3, :3])))

    def index_to_mm(self, index_ijk: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Map voxel indices (i, j, k), which may be fractional, to LPS mm."""
        return np.asarray(np.asarray(index_ijk, np.float64) @ self.affine_lps[:3, :3].T + self.affine_lps[:3, 3])

    def mm_to_index(self, point_lps: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Map LPS mm to fractional voxel indices (i, j, k); the inverse of `index_to_mm`."""
        inverse = np.linalg.inv(self.affine_lps[:3, :3])
        return np.asarray((np.asarray(point_lps, np.float64) - self.affine_lps[:3, 3]) @ inverse.T)

    def contains(self, index_ijk: tuple[int, int, int]) -> bool:
        """Whether the voxel index lies inside the grid."""
        return all(0 <= a < n for a, n in zip(index_ijk, self.shape_ijk, strict=True))

    def same_grid(self, other: Geometry) -> bool:
        """Whether both grids have the same shape and every voxel in the same place."""
        return self.shape_kji == other.shape_kji and self.moved_voxels(other) < SAME_GRID_VOXELS

    def moved_voxels(self, other: Geometry) -> float:
        """How far a voxel of a grid of the same shape lies from where it is here, in voxels, at most."""
        far = np.array(self.shape_ijk, dtype=np.float64) - 1
        corners = np.array([[a, b, c] for a in (0, far[0]) for b in (0, far[1]) for c in (0, far[2])])
        return float(np.abs(self.mm_to_index(other.index_to_mm(corners)) - corners).max())

    def describe(self) -> str:
        """One line for messages: shape, spacing and origin."""
        i, j, k = self.shape_ijk
        di, dj, dk = self.spacing_mm_ijk
        x, y, z = self.origin_lps
        return f"{i}×{j}×{k} voxels of {di:.4g}×{dj:.4g}×{dk:.4g} mm at ({x:.2f}, {y:.2f}, {z:.2f})"
